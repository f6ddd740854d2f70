"""Operators that rewrite one `for` loop at a time. Knows no particular loop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.knowledge import opaque
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite

__all__ = ["LoopOperator"]


class LoopOperator(Operator):
    """Looks at every loop in a function whose names can be told from its text."""

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        """Those of all such loops."""
        for loop in source.of(cst.For):
            function = source.function(loop)
            if function is not None and not opaque(source, function):
                yield from self._of_loop(source, loop)

    @abstractmethod
    def _of_loop(self, source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
        """The rewrites of one loop."""
