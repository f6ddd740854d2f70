"""What a prompt is packed with, what is shown of files (nothing, some lines or all of each), and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from maabarium.code.symbols import Chunk
from maabarium.proposers.council.context.source_files import SourceFiles, printable
from maabarium.proposers.council.replies import Shown
from maabarium.proposers.tokens import estimate_tokens
from maabarium.safe_text import plain

__all__ = ["Excerpt", "Excerpts", "Packed", "PromptPart", "cost_of", "cost_of_lines"]

_CHANGEABLE, _READABLE = "May be changed:", "For reading only:"
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

    def __init__(self, library: SourceFiles, path: str, title: str, *, editable: bool) -> None:
        self._library = library
        self.path = path
        self.title = title
        self.editable = editable
        self.whole = False
        self._lines: set[int] = set()
        self.cost = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is shown yet."""
        return not (self.whole or self._lines)

    def show_whole(self, limit: int) -> int | None:
        """Show the whole file if that costs at most `limit` more. Returns the cost, or None: no room."""
        cost = 0 if self.whole else cost_of(self._part_whole()) - self.cost
        return self._spent(cost, limit, whole=True)

    def show_lines(self, ranges: Iterable[tuple[int, int]], limit: int) -> int | None:
        """Show these lines, too (from 1, both ends included), if that costs at most `limit` more."""
        every = self._library.lines(self.path)
        wanted = {n for first, end in ranges for n in range(max(first, 1), min(end, len(every)) + 1)}
        fresh = set[int]() if self.whole else wanted - self._lines
        cost = 0
        if fresh:
            text = "\n".join(every[n - 1] for n in fresh) + "\n"
            cost = cost_of_text(text) + sum(n - 1 not in fresh for n in fresh) * _GAP
            cost += cost_of(PromptPart(self._title(), "", self.path)) + _GAP if self.is_empty else 0
        return self._spent(cost, limit, fresh)

    def _spent(self, cost: int, limit: int, lines: Iterable[int] = (), *, whole: bool = False) -> int | None:
        if cost > limit:
            return None
        self.cost += cost
        self._lines.update(lines)
        self.whole = self.whole or whole
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
        previous = 0
        for n in sorted(self._lines):
            if n - previous <= _BLANKS and not any(lines[k - 1].strip() for k in range(previous + 1, n)):
                self._lines.update(range(previous + 1, n))
            previous = n

    def ranges(self) -> tuple[range, ...] | None:
        """The shown lines; None for the whole file."""
        if self.whole:
            return None
        found: list[range] = []
        for n in sorted(self._lines):
            if found and found[-1].stop == n:
                found[-1] = range(found[-1].start, n + 1)
            else:
                found.append(range(n, n + 1))
        return tuple(found)

    def part(self) -> PromptPart:
        """The file as it goes into the prompt."""
        ranges = self.ranges()
        if ranges is None:
            return self._part_whole()
        lines = self._library.lines(self.path)
        pieces, done = [], 0
        for piece in ranges:
            if piece.start - 1 > done:
                pieces.append(_gap(piece.start - 1 - done))
            pieces += lines[piece.start - 1 : piece.stop - 1]
            done = piece.stop - 1
        if done < len(lines):
            pieces.append(_gap(len(lines) - done))
        return PromptPart(self._title(), "\n".join(pieces) + "\n", self.path)

    def shown(self) -> Shown:
        """The same for whoever reads the reply."""
        return Shown(self.path, self._library.content(self.path), self.ranges())

    def _part_whole(self) -> PromptPart:
        text = self._library.text(self.path) or ""
        state = "whole" if text else "empty"
        return PromptPart(f"{self.title} {printable(self.path)} ({state})", text, self.path)

    def _title(self) -> str:
        return f"{self.title} {printable(self.path)} (in part)"


class Excerpts:
    """Excerpts by path in the order in which they were begun. Methods that show return the cost, or None: no room."""

    def __init__(self, library: SourceFiles, targets: Iterable[str]) -> None:
        self.library = library
        self.targets = frozenset(targets)
        self.by_path: dict[str, Excerpt] = {}
        self._heads: dict[str, dict[str, list[tuple[int, int]]]] = {}
        """By path: lines of the imports (under the empty name) and of the heads of classes."""

    def whole(self, path: str, limit: int) -> int | None:
        """Show a whole file if that costs at most `limit`."""
        excerpt = self._excerpt(path)
        return self._kept(excerpt, excerpt.show_whole(limit))

    def lines(self, path: str, ranges: Iterable[tuple[int, int]], limit: int) -> int | None:
        """Show these lines of a file if what is not shown of them yet costs at most `limit`."""
        excerpt = self._excerpt(path)
        return self._kept(excerpt, excerpt.show_lines(ranges, limit))

    def _kept(self, excerpt: Excerpt, cost: int | None) -> int | None:
        if not excerpt.is_empty:
            self.by_path[excerpt.path] = excerpt
        return cost

    def chunk(self, path: str, chunk: Chunk, limit: int) -> int | None:
        """Show a chunk with the file's imports and the head of its class; without them when there is no room."""
        heads = self._heads.get(path)
        if heads is None:
            heads = self._heads[path] = {}
            for other in self.library.chunks(path):
                if other.kind in ("imports", "class"):
                    name = "" if other.kind == "imports" else other.name
                    heads.setdefault(name, []).append((other.first, other.last))
        around = [*heads.get("", ()), *(heads.get(chunk.parent, ()) if chunk.parent else ())]
        own = (chunk.first, chunk.last)
        cost = self.lines(path, [own, *around], limit)
        return self.lines(path, [own], limit) if cost is None else cost

    def editable(self) -> list[Excerpt]:
        """Excerpts of files that may be changed."""
        return [excerpt for excerpt in self.by_path.values() if excerpt.editable]

    def _excerpt(self, path: str) -> Excerpt:
        title = _CHANGEABLE if path in self.targets else _READABLE
        return self.by_path.get(path) or Excerpt(self.library, path, title, editable=path in self.targets)


def _gap(count: int) -> str:
    return f"[... {count} {'line' if count == 1 else 'lines'} left out ...]"
