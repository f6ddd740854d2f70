"""What a prompt is packed with, what is shown of files (nothing, some lines or all of each), and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from maabarium.code.symbols import Chunk
from maabarium.proposers.council.context.source_files import SourceFiles, printable
from maabarium.proposers.council.replies import Shown
from maabarium.proposers.tokens import estimate_tokens
from maabarium.safe_text import plain

__all__ = ["Excerpt", "Excerpts", "Packed", "PromptPart", "cost_of", "cost_of_lines"]

_GAP = 18
"""Tokens of the line that stands for lines left out."""

_BLANKS = 12
"""Blank lines that may be shown instead of it: they cost less."""
_FRAME = 64
"""Tokens for the delimiters that go around a part, and for the line on which its title stands."""


@dataclass(frozen=True)
class PromptPart:
    """One piece of a prompt. `rules` are our own words; `data` is foreign text, which belongs between delimiters."""

    title: str
    text: str
    source: str
    """Where it comes from: a path, the id of a test, `history`, `plug-in`."""
    kind: Literal["rules", "data"] = "data"


@dataclass(frozen=True)
class Packed:
    """A context that fits. `shown` are the files that may be changed, as far as the model sees them."""

    parts: tuple[PromptPart, ...] = ()
    """In the order in which they go into the prompt: the more important ones first."""
    shown: tuple[Shown, ...] = ()
    creatable: tuple[str, ...] = ()
    """Paths that do not exist and that the model is invited to create."""
    omitted: tuple[str, ...] = ()
    """One sentence for each thing that was left out or cut; paths in them are foreign text on one line."""
    tokens: int = 0
    """Estimate for parts, `creatable` and `omitted` together."""


def cost_of(part: PromptPart) -> int:
    """Tokens of a part: our own words as they are, data with title, source and the delimiters around it."""
    if part.kind == "rules":
        return 4 + estimate_tokens(part.text)
    return _FRAME + estimate_tokens(part.title) + cost_of_text(part.source) + cost_of_text(part.text)


def cost_of_text(text: str) -> int:
    """Tokens of foreign text: what a terminal would obey is written out, and longer then."""
    return estimate_tokens(plain(text))


def cost_of_lines(lines: Sequence[str]) -> int:
    """Tokens of bulleted lines."""
    return sum(4 + estimate_tokens(line) for line in lines)


class Excerpt:
    """The lines of one file that are shown. Costs are upper bounds: joining pieces only makes them cheaper."""

    def __init__(self, library: SourceFiles, path: str, *, editable: bool) -> None:
        self._library, self.path, self.editable = library, path, editable
        self.whole, self.cost = False, 0
        self._lines: set[int] = set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is shown yet."""
        return not (self.whole or self._lines)

    def show(self, limit: int, ranges: Iterable[tuple[int, int]] | None = None) -> int | None:
        """Show these lines, too (from 1, both ends included; None: all), if that costs at most `limit` more.

        Returns the cost, or None: no room.
        """
        cost, fresh = 0, set[int]()
        if ranges is None and not self.whole:
            cost = cost_of(self._part_whole()) - self.cost
        elif ranges is not None and not self.whole:
            every = self._library.lines(self.path)
            fresh = {n for first, end in ranges for n in range(max(first, 1), min(end, len(every)) + 1)} - self._lines
            text = "".join(f"{every[n - 1]}\n" for n in fresh)
            cost = cost_of_text(text) + sum(n - 1 not in fresh for n in fresh) * _GAP
            cost += cost_of(PromptPart(self._title("in part"), "", self.path)) + _GAP if fresh and self.is_empty else 0
        if cost > limit:
            return None
        self.cost += cost
        self._lines |= fresh
        self.whole = self.whole or ranges is None
        return cost

    def shows(self, chunk: Chunk) -> bool:
        """Whether all of a chunk is shown."""
        return self.whole or all(n in self._lines for n in range(chunk.first, chunk.last + 1))

    def hidden_chunks(self) -> list[Chunk]:
        """Chunks of which something is left out."""
        return [chunk for chunk in self._library.chunks(self.path) if not self.shows(chunk)]

    def settle(self) -> None:
        """Close small gaps of blank lines; where nothing else is missing the file is shown whole. Never costs more."""
        if self.whole or not self._lines:
            return
        lines = self._library.lines(self.path)
        missing = any(line.strip() for n, line in enumerate(lines, 1) if n not in self._lines)
        if not missing and cost_of(self._part_whole()) <= self.cost:
            self.whole = True
            return
        for before, n in pairwise((0, *sorted(self._lines))):
            if n - before <= _BLANKS and not any(lines[k - 1].strip() for k in range(before + 1, n)):
                self._lines.update(range(before + 1, n))

    def ranges(self) -> tuple[range, ...] | None:
        """The shown lines; None for the whole file."""
        if self.whole:
            return None
        runs = groupby(enumerate(sorted(self._lines)), lambda each: each[1] - each[0])  # the same in a run of numbers
        numbers = ([n for _, n in run] for _, run in runs)
        return tuple(range(run[0], run[-1] + 1) for run in numbers)

    def part(self) -> PromptPart:
        """The file as it goes into the prompt."""
        ranges = self.ranges()
        if ranges is None:
            return self._part_whole()
        lines = self._library.lines(self.path)
        pieces, done = list[str](), 0
        for piece in (*ranges, range(len(lines) + 1, len(lines) + 1)):
            if left_out := piece.start - 1 - done:
                pieces.append(f"[... {left_out} {'line' if left_out == 1 else 'lines'} left out ...]")
            pieces += lines[piece.start - 1 : piece.stop - 1]
            done = piece.stop - 1
        return PromptPart(self._title("in part"), "\n".join(pieces) + "\n", self.path)

    def shown(self) -> Shown:
        """The same for whoever reads the reply."""
        return Shown(self.path, self._library.content(self.path), self.ranges())

    def _part_whole(self) -> PromptPart:
        text = self._library.text(self.path) or ""
        return PromptPart(self._title("whole" if text else "empty"), text, self.path)

    def _title(self, state: str) -> str:
        use = "May be changed:" if self.editable else "For reading only:"
        return f"{use} {printable(self.path)} ({state})"


class Excerpts:
    """Excerpts by path in the order in which they were begun."""

    def __init__(self, library: SourceFiles, targets: Iterable[str]) -> None:
        self.library = library
        self.targets = frozenset(targets)
        self.by_path: dict[str, Excerpt] = {}

    def show(self, path: str, limit: int, ranges: Iterable[tuple[int, int]] | None = None) -> int | None:
        """Show lines of a file, or all, as `Excerpt.show` does."""
        excerpt = self.by_path.get(path) or Excerpt(self.library, path, editable=path in self.targets)
        cost = excerpt.show(limit, ranges)
        if not excerpt.is_empty:
            self.by_path[path] = excerpt
        return cost

    def show_with(self, path: str, own: Sequence[tuple[int, int]], around: Sequence[Chunk], limit: int) -> int | None:
        """Show lines with chunks that explain them; without these when there is no room."""
        cost = self.show(path, limit, [*own, *((chunk.first, chunk.last) for chunk in around)])
        return self.show(path, limit, own) if cost is None else cost

    def chunk(self, path: str, chunk: Chunk, limit: int) -> int | None:
        """Show a chunk with the file's imports and the head of its class; without them when there is no room."""
        return self.show_with(path, [(chunk.first, chunk.last)], self.library.heads(path, chunk.parent), limit)

    def editable(self) -> list[Excerpt]:
        """Excerpts of files that may be changed."""
        return [excerpt for excerpt in self.by_path.values() if excerpt.editable]
