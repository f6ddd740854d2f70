"""The format `diff`: one unified diff for each file, in the original's schema."""

from __future__ import annotations

from typing import Literal

from maabarium.errors import ProposalError
from maabarium.proposers.council.replies.original import Original
from maabarium.proposers.diffs import apply_diff, parse_diff

__all__ = ["Mode", "created", "patched"]

Mode = Literal[0o100644, 0o100755] | None


def patched(original: Original, text: str) -> tuple[bytes, Mode]:
    """The body after the diff, and the file mode that it sets. Raises ProposalError."""
    text = text.replace("\ufeff", "") if original.bom else text
    try:
        diff = parse_diff(text)
        body = apply_diff(diff, original.body, original.ranges)
    except ProposalError as error:
        raise ProposalError(error.reason_code, f"{original.path}: {error}", detail=error.detail) from error
    if original.all_crlf and "\r" not in text:
        # A hunk that only adds lines fits as it stands, with line feeds.
        body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return body, diff.mode


def created(path: str, text: str) -> tuple[bytes, Mode]:
    """The content of a new file that is given as a diff against nothing."""
    try:
        diff = parse_diff(text)
        if any(hunk.old for hunk in diff.hunks):
            sentence = "the diff of a new file can only add lines"
            raise ProposalError("does_not_apply", sentence, detail="unified_diff.context_beyond_eof")
        return apply_diff(diff, b""), diff.mode
    except ProposalError as error:
        raise ProposalError(error.reason_code, f"{path}: {error}", detail=error.detail) from error
