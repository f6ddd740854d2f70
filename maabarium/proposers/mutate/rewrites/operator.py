"""What an operator of the rewrites is: it finds places in one file and says how to edit each. Knows no request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit

__all__ = ["Operator", "Rewrite"]


@dataclass(frozen=True)
class Rewrite:
    """One place that an operator can rewrite. `what` and `why` make the summary; `factor` scales the prior."""

    anchor: cst.CSTNode
    what: str
    why: str
    edits: tuple[Edit, ...]
    factor: float = 1.0


class Operator(ABC):
    """A named codemod. It refuses in silence: what it is not sure of it does not offer."""

    name: ClassVar[str]
    description: ClassVar[str]
    """One line for listings."""
    prior: ClassVar[float]
    """Chance, before anything was measured, that one of its rewrites in hot code pays."""

    @abstractmethod
    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        """All places in the file, in any order; each is independent of the others."""
