"""The format `whole`: the new content of a file, all of it. Only for files that were shown from end to end."""

from __future__ import annotations

from maabarium.errors import ProposalError
from maabarium.proposers.council.replies.original import Original

__all__ = ["rewritten"]


def rewritten(original: Original, content: str) -> bytes:
    """The body with the newlines of the file, and a final newline if it had one. Raises ProposalError."""
    if not original.is_whole:
        sentence = f"{original.path} was shown in part and cannot be written whole; edit the lines that were shown"
        raise ProposalError("out_of_bounds", sentence, detail="not_shown")
    if not original.is_utf8:
        sentence = f"{original.path} is not UTF-8 and cannot be written whole; edit the lines that matter"
        raise ProposalError("does_not_apply", sentence, detail="other")
    if original.body and not content.strip():
        sentence = f"{original.path}: the new content is empty; if the file should go, delete it"
        raise ProposalError("does_not_apply", sentence, detail="other")
    body = original.spelled(content)
    if original.body.endswith(b"\n") and not body.endswith(b"\n"):
        body += b"\r\n" if original.all_crlf else b"\n"
    return body
