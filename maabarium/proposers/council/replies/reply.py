"""What a model was shown, and what it answered: the values between a prompt and the edits.

Lines end at a line feed and are counted from 1. Models write line feeds and UTF-8. A file keeps what it has: its
carriage returns when all its lines end in them, its byte order mark, its encoding. What cannot be kept so is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

from maabarium.blueprint.schema import EditFormat
from maabarium.code.diffs import apply_diff, parse_diff
from maabarium.errors import ProposalError
from maabarium.records import FileMode, Operation

__all__ = ["DETAILS", "FORMATS", "Patch", "Replacement", "Reply", "Shown", "encoded"]

FORMATS: tuple[EditFormat, ...] = get_args(EditFormat)

DETAILS = frozenset({
    # the original's, but for those of counts and blanks that its parser needed and ours does not
    "proposal_json", "missing_unified_diff_field", "missing_required_unified_diff", "unsafe_patch_path", "other",
    "unified_diff.context_mismatch", "unified_diff.removal_mismatch", "unified_diff.context_beyond_eof",
    "unified_diff.old_line_count_mismatch", "unified_diff.new_line_count_mismatch", "unified_diff.other",
    # ours
    "search_replace.no_match", "search_replace.ambiguous_match", "search_replace.overlap",
    "search_replace.empty_search", "elided_content", "missing_file", "not_a_target", "not_shown", "path_exists",
})  # fmt: skip
"""The codes that a ProposalError from this package carries as `detail`."""

BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 120
"""Longer lines are not listed: a small model does not copy them, and their replacement would not fit."""

_DOTS = rb"(?:\.\.\.|\xe2\x80\xa6)"
ELIDED = re.compile(
    rb"[ \t]*(?:#|//|/\*|<!--|--|;|%|\(\*|\[|\(|(?=" + _DOTS + rb"))[^\n]{0,40}?(?:"
    + _DOTS + rb"[^\n\w]{0,9}(?:the )?(?:rest|remaining|remainder|existing|unchanged|same as|as before|omitted)\b"
    rb"|\b(?:rest|remainder) of (?:the |this |your )?\w{1,20}"
    rb" (?:(?:is|are|remains?|stays?) )?(?:unchanged|the same|as before|omitted|here)\b"
    rb"|\b(?:existing|remaining|unchanged|previous) (?:code|content|file|functions?|methods?|lines|text)\b[^\n\w]{0,9}"
    + _DOTS + rb")",
    re.IGNORECASE,
)  # fmt: skip
"""A line that stands for text which the author did not want to write out again."""


@dataclass(frozen=True)
class Shown:
    """One file of which a model saw something; what it did not see it cannot overwrite."""

    path: str
    content: bytes
    """The whole file as it is in the tree, however little of it was shown."""
    ranges: tuple[range, ...] | None = None
    """The lines that the model saw: `range(10, 21)` is lines 10 to 20. None: the whole file."""

    @cached_property
    def body(self) -> bytes:
        """The content without its byte order mark."""
        return self.content.removeprefix(BOM)

    @cached_property
    def is_utf8(self) -> bool:
        """Whether it can be decoded."""
        return _is_utf8(self.body)

    @cached_property
    def all_crlf(self) -> bool:
        """Whether all its lines end in a carriage return and a line feed."""
        return b"\r\n" in self.body and self.body.count(b"\r\n") == self.body.count(b"\n")

    @property
    def is_whole(self) -> bool:
        """Whether every line was shown."""
        return self.spans == ((0, self._size),)

    @property
    def _size(self) -> int:
        """Of the body with a newline behind its last line."""
        return len(self.body) + (not self.body.endswith(b"\n"))

    @cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Where in `body` shown lines stand, with the newline behind the last; neighbours are joined.

        A last line without a newline ends where its newline would.
        """
        if self.ranges is None:
            return ((0, self._size),)
        starts = [0, *(found.end() for found in re.finditer(b"\n", self.body))]
        if starts[-1] != self._size:
            starts.append(self._size)
        spans: list[tuple[int, int]] = []
        forward = [each for each in self.ranges if each and each.step == 1]
        for each in sorted(forward, key=lambda one: one.start):
            first, stop = max(each.start - 1, 0), min(each.stop - 1, len(starts) - 1)
            if first >= stop:
                continue
            low, high = starts[first], starts[stop]
            if spans and low <= spans[-1][1]:
                low, high = spans[-1][0], max(high, spans.pop()[1])
            spans.append((low, high))
        return tuple(spans)

    def spelled(self, text: str) -> bytes:
        """A model's text in the file's newlines. Raises ProposalError (`unparseable`)."""
        data = encoded(text.removeprefix("\ufeff"), self.path)
        if self.all_crlf and b"\r" not in data:
            return data.replace(b"\n", b"\r\n")
        if b"\r" in data and b"\r" not in self.body and data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
            return data.replace(b"\r\n", b"\n")
        return data

    def listed_lines(self) -> tuple[str, ...]:
        """The shown lines that a model may name by their text: not blank, not too long, printable, there only once."""
        if not self.is_utf8:
            return ()
        times = Counter(
            line.removesuffix("\r")
            for low, high in self.spans
            for line in self.body[low:high].decode("utf-8").removesuffix("\n").split("\n")
        )
        return tuple(
            line
            for line, count in times.items()
            if count == 1 and line.strip() and len(line) <= LONGEST_LINE and line.replace("\t", " ").isprintable()
        )

    def rewritten(self, content: str) -> bytes:
        """This as the whole body, with a final newline if there was one. Raises ProposalError."""
        if not self.is_whole:
            sentence = f"{self.path} was shown in part and cannot be written whole; edit the lines that were shown"
            raise ProposalError("out_of_bounds", sentence, detail="not_shown")
        if not self.is_utf8:
            sentence = f"{self.path} is not UTF-8 and cannot be written whole; edit the lines that matter"
            raise ProposalError("does_not_apply", sentence, detail="other")
        if self.body and not content.strip():
            sentence = f"{self.path}: the new content is empty; if the file should go, delete it"
            raise ProposalError("does_not_apply", sentence, detail="other")
        body = self.spelled(content)
        if self.body.endswith(b"\n") and not body.endswith(b"\n"):
            body += b"\r\n" if self.all_crlf else b"\n"
        return body

    def patched(self, diff: str, *, only_add: bool = False) -> tuple[bytes, FileMode | None]:
        """The body after a unified diff, and the file mode that it sets. Raises ProposalError."""
        diff = diff.replace("\ufeff", "") if self.content.startswith(BOM) else diff
        try:
            parsed = parse_diff(diff)
            if only_add and any(hunk.old for hunk in parsed.hunks):
                sentence = "the diff of a new file can only add lines"
                raise ProposalError("does_not_apply", sentence, detail="unified_diff.context_beyond_eof")
            body = apply_diff(parsed, self.body, self.ranges)
        except ProposalError as error:
            raise ProposalError(error.reason_code, f"{self.path}: {error}", detail=error.detail) from error
        if self.all_crlf and "\r" not in diff:
            # A hunk that only adds lines fits as it stands, with line feeds.
            body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return body, parsed.mode

    def finished(self, body: bytes) -> bytes:
        """The file's new content. Raises ProposalError for what would damage it."""
        if self.is_utf8 and not _is_utf8(body):
            sentence = f"{self.path}: the new content would no longer be UTF-8 text"
            raise ProposalError("unparseable", sentence, detail="other")
        for line in set(body.split(b"\n")) - set(self.body.split(b"\n")):
            if not self.is_utf8 and not line.isascii():
                sentence = f"{self.path} is not UTF-8: new lines in it can only hold ASCII characters"
                raise ProposalError("does_not_apply", sentence, detail="other")
            if ELIDED.match(line):
                shown = line.decode("utf-8", "replace").strip()[:80]
                sentence = f"{self.path}: {shown!r} stands for text that is not there; write it out"
                raise ProposalError("does_not_apply", sentence, detail="elided_content")
        return self.content.removesuffix(self.body) + body


@dataclass(frozen=True)
class Replacement:
    """Text that stands in the file, and the text to put in its place."""

    search: str
    replace: str


@dataclass(frozen=True)
class Patch:
    """What a reply wants done with one file. `form` says which of the fields holds it; None: nothing but a deletion."""

    path: str
    operation: Operation
    form: EditFormat | None
    content: str = ""
    diff: str = ""
    edits: tuple[Replacement, ...] = ()
    """Of the forms `blocks` and `lines`."""


@dataclass(frozen=True)
class Reply:
    """One reply as parsed; nothing is checked against the files yet. No patches: the model proposes nothing."""

    summary: str
    patches: tuple[Patch, ...]


def encoded(text: str, path: str) -> bytes:
    """The text as UTF-8; lone surrogates that stand for bytes (\\udc80 to \\udcff) become them."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        problem = f"{path}: the text contains a character that cannot be encoded: {text[error.start]!a}"
        raise ProposalError("unparseable", problem, detail="other") from error


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
