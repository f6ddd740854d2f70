"""Unified diffs of one file: read leniently where that is safe, applied strictly.

The counts in hunk headers are taken from the body, because authors count badly. A hunk goes where its header says or,
when its old lines are not there, to the one place in the file where they are: two such places are an error, nothing is
matched approximately. Lines are bytes and end at a line feed only. `edits.make_diff` makes what is read here.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice

from maabarium.errors import ProposalError
from maabarium.records import FileMode

__all__ = ["Diff", "Hunk", "apply_diff", "parse_diff", "quoted_line"]

HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
MOST_PLACES = 1000
"""A hunk that fits at more places than this is refused unread."""
MODE = re.compile(rb"new (?:file )?mode (100644|100755)\r?$")
REFUSED = {
    b"rename from ": "a rename; delete the one path and create the other",
    b"copy from ": "a copy; create the new path",
    b"GIT binary patch": "a binary patch; give the content as base64",
    b"Binary files ": "a binary patch; give the content as base64",
}


@dataclass(frozen=True)
class Hunk:
    """Old lines and the new lines in their place. Lines carry their line feed, but for a last line without one.

    `line` is where its header stands in the diff, from 1. `start` and `stated` are first number and count of old lines
    as that says, right or wrong (the number before, when there are none).
    """

    line: int
    start: int
    stated: int
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]
    changes: tuple[range, ...]
    """Which of the old lines go, as indices into `old`; empty ranges are places where lines are added."""


@dataclass(frozen=True)
class Diff:
    """The hunks of one file in order, and the git file mode when the diff sets one."""

    hunks: tuple[Hunk, ...]
    mode: FileMode | None = None


def parse_diff(text: str) -> Diff:
    """Read a unified diff of one file, with or without its file headers.

    Raises ProposalError (`unparseable`) with the line of the diff that is wrong.
    """
    try:
        # Bytes that are no UTF-8 can be written in JSON as lone surrogates (\udc80 to \udcff).
        lines = _without_signature(text.encode("utf-8", "surrogateescape").removesuffix(b"\n").split(b"\n"))
    except UnicodeEncodeError as error:
        raise _unparseable(1, "it contains a character that cannot be encoded") from error
    padding = _padding(lines)
    hunks: list[Hunk] = []
    mode: FileMode | None = None
    index = 0
    while index < len(lines):
        if HUNK.match(lines[index]):
            hunk, index = _read_hunk(lines, padding, index)
            hunks.append(hunk)
            continue
        if found := MODE.match(lines[index]):
            mode = 0o100755 if found[1] == b"100755" else 0o100644
        _check_header(lines, index, bool(hunks))
        index += 1
    if not hunks and mode is None:
        raise _unparseable(1, 'it has no hunk; a hunk starts with "@@ -1,3 +1,4 @@"')
    return Diff(tuple(hunks), mode)


def apply_diff(diff: Diff, before: bytes, within: Sequence[range] | None = None) -> bytes:
    """The content after the diff; `before` is empty for a new file. Only lines `within` these ranges may change.

    A diff that does not fit as it stands is read with the newlines of the file, if each of both has one kind only.
    Raises ProposalError (`does_not_apply`, or `out_of_bounds` for lines that are not `within`; those count from 1).
    """
    try:
        return _apply(diff.hunks, before, within)
    except ProposalError:
        other = _other_newlines(diff.hunks, before)
        if other is None:
            raise
        return _apply(other, before, within)


def _unparseable(line: int, problem: str) -> ProposalError:
    return ProposalError("unparseable", f"the diff cannot be read: line {line}: {problem}", detail="unified_diff.other")


def _padding(lines: Sequence[bytes]) -> list[bool]:
    """For each line whether there are only empty ones from there on to the next hunk or file, or the end."""
    padding = [True] * (len(lines) + 1)
    for index in range(len(lines) - 1, -1, -1):
        starts = HUNK.match(lines[index]) is not None or lines[index].startswith(b"diff --git ")
        padding[index] = starts or (not lines[index] and padding[index + 1])
    return padding


def _without_signature(lines: list[bytes]) -> list[bytes]:
    """A mailed patch ends with `-- ` and git's version; neither is a line of a hunk."""
    end = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    signed = end >= 2 and lines[end - 2] == b"-- " and re.fullmatch(rb"\d{1,9}\.[\w.-]+\r?", lines[end - 1])
    return lines[: end - 2] if signed else lines


def _check_header(lines: Sequence[bytes], index: int, after_hunk: bool) -> None:
    """Pass over what stands outside hunks, but refuse what cannot be done."""
    line = lines[index]
    for start, problem in REFUSED.items():
        if line.startswith(start):
            raise _unparseable(index + 1, f"it is {problem}")
    if after_hunk and line.startswith((b"diff --git ", b"--- ")):
        raise _unparseable(index + 1, "a second file starts here; give each file its own patch")
    if line.startswith(b"@@"):
        raise _unparseable(index + 1, 'a hunk header looks like "@@ -1,3 +1,4 @@"')
    if after_hunk and line.strip():
        raise _unparseable(index + 1, 'a line in a hunk starts with " ", "+", "-" or "\\"')


def _read_hunk(lines: Sequence[bytes], padding: Sequence[bool], index: int) -> tuple[Hunk, int]:
    """The hunk whose header stands at `index`, and the index behind it."""
    header = HUNK.match(lines[index])
    assert header is not None
    start, stated_old, stated_new = int(header[1]), int(header[2] or 1), int(header[3] or 1)
    old, new, changes = list[bytes](), list[bytes](), list[range]()
    last, position = b"", index + 1
    while position < len(lines):
        line = lines[position]
        complete = len(old) >= stated_old and len(new) >= stated_new
        if complete and (padding[position] or _starts_file(lines, position)):
            break
        kind = line[:1] or b" "  # editors strip the blank that marks an empty context line
        if kind == b"\\":  # `\ No newline at end of file` speaks of the line above it
            if last not in (b" ", b"-", b"+"):
                raise _unparseable(position + 1, '"\\ No newline at end of file" follows no line')
            for side in (old,) * (last != b"+") + (new,) * (last != b"-"):
                side[-1] = side[-1][:-1]
        elif kind in (b" ", b"-", b"+"):
            if kind != b" " and not (changes and changes[-1].stop == len(old)):
                changes.append(range(len(old), len(old)))
            if kind != b"+":
                old.append(line[1:] + b"\n")
            if kind != b"-":
                new.append(line[1:] + b"\n")
            if kind == b"-":
                changes[-1] = range(changes[-1].start, len(old))
        else:
            break
        last = kind
        position += 1
    if not old and not new:
        raise _unparseable(index + 1, "the hunk is empty")
    return Hunk(index + 1, start, stated_old, tuple(old), tuple(new), tuple(changes)), position


def _starts_file(lines: Sequence[bytes], position: int) -> bool:
    """`--- ` is also a removed line: it starts a file only when `+++ ` and a hunk follow."""
    first, second, third = lines[position : position + 3] if position + 2 < len(lines) else (b"", b"", b"")
    return first.startswith(b"--- ") and second.startswith(b"+++ ") and HUNK.match(third) is not None


class _Source:
    """The file that a diff is applied to, as lines that carry their line feed."""

    def __init__(self, before: bytes, within: Sequence[range] | None) -> None:
        self.lines = re.findall(rb"[^\n]*\n|[^\n]+", before)
        self.within = within
        self._starts = [0, *accumulate(len(line) for line in self.lines)]
        self._text = b"\n" + before

    def places(self, hunk: Hunk) -> Iterator[int]:
        """Every index at which the hunk's old lines start, in order."""
        if not hunk.old[-1] or not all(line.endswith(b"\n") for line in hunk.old[:-1]):
            return  # a line without a newline that is not the file's last fits nowhere
        wanted = b"\n" + b"".join(hunk.old)
        at_end = not wanted.endswith(b"\n")
        found = self._text.find(wanted)
        while found >= 0:
            if not at_end or found + len(wanted) == len(self._text):
                yield bisect_left(self._starts, found)
            found = self._text.find(wanted, found + 1)

    def allows(self, hunk: Hunk, place: int) -> bool:
        """Whether every line that the hunk changes here may be changed; what it only adds must be beside such a one."""
        if self.within is None or not self.lines:
            return True
        for change in hunk.changes:
            numbers = [place + index + 1 for index in change] or [place + change.start, place + change.start + 1]
            inside = [any(number in each for each in self.within) for number in numbers]
            if not (all(inside) if change else any(inside)):
                return False
        return True


def _apply(hunks: Sequence[Hunk], before: bytes, within: Sequence[range] | None) -> bytes:
    source = _Source(before, within)
    result: list[bytes] = []
    done = 0
    for hunk in hunks:
        place = _place(hunk, source, done)
        result += source.lines[done:place]
        result += hunk.new
        done = place + len(hunk.old)
    result += source.lines[done:]
    if any(not line.endswith(b"\n") for line in result[:-1]):
        raise _unfit("the diff does not apply: a line without a newline would not be the last one")
    return b"".join(result)


def _place(hunk: Hunk, source: _Source, done: int) -> int:
    """Index of the hunk's first old line; never before `done`, where the previous hunk ended."""
    where = f"the diff does not apply: the hunk in line {hunk.line} of the diff"
    hidden = ProposalError("out_of_bounds", f"{where} changes lines that were not shown", detail="not_shown")
    if not hunk.old:
        if not source.lines:
            return 0
        place = hunk.start  # a header that counts no old lines names the line after which to insert
        if hunk.stated or not done <= place <= len(source.lines):
            raise _unfit(f"{where} has no context lines and its header names no place")
        if not source.allows(hunk, place):
            raise hidden
        return place
    stated = hunk.start - 1
    fits = stated >= done and tuple(source.lines[stated : stated + len(hunk.old)]) == hunk.old
    if fits and source.allows(hunk, stated):
        return stated
    found = list(islice(source.places(hunk), MOST_PLACES + 1))
    if not found:
        raise _mismatch(hunk, source, where)
    if len(found) > MOST_PLACES:
        raise _unfit(f"{where} fits at more than {MOST_PLACES} places; give it more context lines")
    places = [place for place in found if source.allows(hunk, place)]
    if not places:
        raise hidden
    if len(places) > 1:
        shown = ", ".join(str(place + 1) for place in places[:5])
        raise _unfit(f"{where} is not at line {hunk.start} but fits at lines {shown}")
    if places[0] < done:
        raise _unfit(f"{where} overlaps the hunk before it or stands in the wrong order")
    return places[0]


def _unfit(message: str, detail: str = "other") -> ProposalError:
    return ProposalError("does_not_apply", message, detail=f"unified_diff.{detail}")


def _mismatch(hunk: Hunk, source: _Source, where: str) -> ProposalError:
    """Says the first line that differs at the stated place."""
    for offset, wanted in enumerate(hunk.old):
        at = hunk.start - 1 + offset
        if not 0 <= at < len(source.lines):
            said = f"line {at + 1} is beyond the end of the file, which has {len(source.lines)} lines"
            return _unfit(f"{where} does not match the file: {said}", "context_beyond_eof")
        if source.lines[at] != wanted:
            said = f"line {at + 1} is {quoted_line(source.lines[at])}, not {quoted_line(wanted)}"
            removed = any(offset in change for change in hunk.changes)
            detail = "removal_mismatch" if removed else "context_mismatch"
            return _unfit(f"{where} does not match the file: {said}", detail)
    return _unfit(f"{where} does not match the file: its lines are elsewhere", "context_mismatch")


def quoted_line(line: bytes) -> str:
    """A line as a sentence shows it."""
    text = line.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _other_newlines(hunks: Sequence[Hunk], before: bytes) -> tuple[Hunk, ...] | None:
    """The same hunks with the newlines of the file, when diff and file are each of one kind; else None."""
    lines = [line for hunk in hunks for line in (*hunk.old, *hunk.new)]
    ended = [line for line in lines if line.endswith(b"\n")]
    if b"\r\n" in before and before.count(b"\r\n") == before.count(b"\n") and not any(b"\r" in line for line in lines):
        ending, other = b"\n", b"\r\n"
    elif b"\r" not in before and ended and all(line.endswith(b"\r\n") for line in ended):
        ending, other = b"\r\n", b"\n"
    else:
        return None

    def spelled(lines: tuple[bytes, ...]) -> tuple[bytes, ...]:
        return tuple(line.removesuffix(ending) + other if line.endswith(ending) else line for line in lines)

    return tuple(replace(hunk, old=spelled(hunk.old), new=spelled(hunk.new)) for hunk in hunks)
