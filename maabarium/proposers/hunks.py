"""The parts of a unified diff, and the file that they are held against. Knows no text of a diff and no errors."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

__all__ = ["Diff", "Hunk", "Source"]


@dataclass(frozen=True)
class Hunk:
    """Old lines and the new lines in their place. Lines carry their line feed, but for a last line without one."""

    line: int
    """Where in the diff its header stands, from 1."""
    start: int
    """Old line number as its header says, from 1 (0 or the line before, when there are no old lines)."""
    stated: int
    """Number of old lines as its header says, right or wrong."""
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]
    changes: tuple[range, ...] = ()
    """Which of the old lines go, as indices into `old`; empty ranges are places where lines are added."""


@dataclass(frozen=True)
class Diff:
    """The hunks of one file in order, and the git file mode when the diff sets one."""

    hunks: tuple[Hunk, ...]
    mode: Literal[0o100644, 0o100755] | None = None


class Source:
    """The file that a diff is applied to, as lines that carry their line feed.

    `within` are the lines that may be changed, from 1; None: all.
    """

    def __init__(self, before: bytes, within: Sequence[range] | None = None) -> None:
        parts = before.split(b"\n")
        self.lines = [line + b"\n" for line in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
        self.within = within
        self._starts = [0, *accumulate(len(line) for line in self.lines)]
        self._text = b"\n" + before

    def fits(self, hunk: Hunk, place: int) -> bool:
        """Whether the hunk's old lines start at this index."""
        if not 0 <= place < len(self.lines) or self.lines[place] != hunk.old[0]:
            return False
        return tuple(self.lines[place : place + len(hunk.old)]) == hunk.old

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
            gone = [place + index + 1 for index in change]
            beside = (place + change.start, place + change.start + 1)
            if not (all(map(self._inside, gone)) if gone else any(map(self._inside, beside))):
                return False
        return True

    def _inside(self, number: int) -> bool:
        return any(number in each for each in self.within or ())
