"""Where the files of one packing are laid out: one view for each, and nothing beyond a limit. Knows no order."""

from __future__ import annotations

from collections.abc import Iterable

from maabarium.proposers.council.context.library import Library
from maabarium.proposers.council.context.symbols import Chunk
from maabarium.proposers.council.context.view import View

__all__ = ["Desk"]

_CHANGEABLE, _READABLE = "May be changed:", "For reading only:"


class Desk:
    """Views by path in the order in which they were begun. Methods that show return the cost, or None: no room."""

    def __init__(self, library: Library, targets: Iterable[str]) -> None:
        self.library = library
        self.targets = frozenset(targets)
        self.views: dict[str, View] = {}
        self._heads: dict[str, dict[str, list[tuple[int, int]]]] = {}
        """By path: lines of the imports (under the empty name) and of the heads of classes."""

    def whole(self, path: str, limit: int) -> int | None:
        """Show a whole file if that costs at most `limit`."""
        view = self._view(path)
        cost = view.whole_cost()
        if view.whole or cost > limit:
            return 0 if view.whole else None
        view.show_whole()
        self.views[path] = view
        return cost

    def lines(self, path: str, ranges: Iterable[tuple[int, int]], limit: int) -> int | None:
        """Show these lines of a file if what is not shown of them yet costs at most `limit`."""
        wanted = list(ranges)
        view = self._view(path)
        cost = view.lines_cost(wanted)
        if cost > limit:
            return None
        view.show_lines(wanted)
        if not view.is_empty:
            self.views[path] = view
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

    def shows(self, path: str) -> bool:
        """Whether anything of a file is shown."""
        return path in self.views

    def editable(self) -> list[View]:
        """Views of files that may be changed."""
        return [view for view in self.views.values() if view.editable]

    def _view(self, path: str) -> View:
        view = self.views.get(path)
        if view is None:
            editable = path in self.targets
            view = View(self.library, path, _CHANGEABLE if editable else _READABLE, editable=editable)
        return view
