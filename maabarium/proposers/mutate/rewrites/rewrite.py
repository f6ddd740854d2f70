"""What an operator of the rewrites is: it finds places in one file and says how to edit each. Knows no request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit
from maabarium.proposers.mutate.rewrites.knowledge import opaque

__all__ = ["Operator", "Rewrite", "loop_operator", "operator"]

Node = TypeVar("Node", bound=cst.CSTNode)
Finder = Callable[[ConcreteFile, Node], Iterator["Rewrite"]]


@dataclass(frozen=True)
class Rewrite:
    """One place that an operator can rewrite. `what` and `why` make the summary; `factor` scales the prior."""

    anchor: cst.CSTNode
    what: str
    why: str
    edits: tuple[Edit, ...]
    factor: float = 1.0


@dataclass(frozen=True)
class Operator:
    """A named codemod. It refuses in silence: what it is not sure of it does not offer."""

    name: str
    prior: float
    """Chance, before anything was measured, that one of its rewrites in hot code pays."""
    kind: type[cst.CSTNode]
    find: Callable[[ConcreteFile, Any], Iterator[Rewrite]]
    """The rewrites of one node of that kind; each is independent of the others."""

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        """All places in the file, in the order of the nodes; one place may come more than once."""
        return (rewrite for node in source.of(self.kind) for rewrite in self.find(source, node))


def operator(name: str, prior: float, kind: type[Node]) -> Callable[[Finder[Node]], Operator]:
    """Make an operator of the function that finds the rewrites of one node."""
    return lambda find: Operator(name, prior, kind, find)


def loop_operator(name: str, prior: float) -> Callable[[Finder[cst.For]], Operator]:
    """The same for the loops in functions whose names can be told from their text."""

    def made(find: Finder[cst.For]) -> Operator:
        def of_loop(source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
            function = source.function(loop)
            if function is not None and not opaque(source, function):
                yield from find(source, loop)

        return Operator(name, prior, cst.For, of_loop)

    return made
