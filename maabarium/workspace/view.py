"""Read access to the files of one tree, without a checkout. Knows objects and trees, no git commands."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property

from maabarium.workspace.names import Layout
from maabarium.workspace.trees import SUBMODULE, Entry, Trees

__all__ = ["GitTree"]


class GitTree:
    """A `TreeView` that also knows modes. Lists the tree once, when first asked; contents are read each time."""

    def __init__(self, tree: str, trees: Trees) -> None:
        self.tree = tree
        self._trees = trees
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] | None = None

    def entries(self) -> Mapping[str, Entry]:
        """Every path with its mode and object, links and submodules too."""
        with self._lock:
            if self._entries is None:
                self._entries = dict(self._trees.walk(self.tree))
            return self._entries

    def paths(self) -> Sequence[str]:
        """All files (and symbolic links), sorted; submodules are not files."""
        return self._paths

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        return tuple(sorted(path for path, entry in self.entries().items() if entry.mode != SUBMODULE))

    @cached_property
    def layout(self) -> Layout:
        """The names of this tree, for the path rules."""
        return Layout(self.modes())

    def modes(self) -> Mapping[str, int]:
        """Git's mode of every path, links (120000) and submodules (160000) too."""
        return {path: entry.mode for path, entry in self.entries().items()}

    def mode(self, path: str) -> int:
        """Git's mode of one path; KeyError if there is none."""
        return self.entries()[path].mode

    def read(self, path: str) -> bytes:
        """Content of one file, or the target of a link; KeyError if there is none or it is a submodule."""
        entry = self.entries()[path]
        if entry.mode == SUBMODULE:
            raise KeyError(path)
        return self._trees.objects.blob(entry.oid)
