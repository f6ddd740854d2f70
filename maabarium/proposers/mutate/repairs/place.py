"""What a repair operator is given, a node in its place, and what it gives: replacements of a span of the text."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from maabarium.code.python_file import PythonFile
from maabarium.code.statements import Statement

__all__ = ["NodePlace", "Operator", "Repair", "Words"]

_FILLER = r"(?:[\s()\\]|#[^\r\n]*)*"


@dataclass(frozen=True, slots=True)
class Repair:
    """One span of the text replaced. `prior` is how often such a fault is made, from 0 to 1.

    `tags` name the kinds of symptom that speak for it (see `symptoms`).
    """

    operator: str
    start: int
    end: int
    new: str
    prior: float
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[int, int, str]:
        """What makes two repairs the same edit."""
        return self.start, self.end, self.new


@dataclass(slots=True)
class NodePlace:
    """One node of one statement with all nodes around it, outermost first."""

    source: PythonFile
    statement: Statement
    parents: tuple[ast.AST, ...]
    words: Words

    @property
    def parent(self) -> ast.AST | None:
        """The node directly around, or None at the top of a statement's part."""
        return self.parents[-1] if self.parents else None

    def text(self, node: ast.AST) -> str:
        """The text of a node."""
        return self.source.segment(node)

    def between(self, left: ast.AST, right: ast.AST, token: str) -> tuple[int, int] | None:
        """Span of an operator's token between two operands; `token` may hold spaces for any gap ("not in")."""
        start, end = self.source.span(left)[1], self.source.span(right)[0]
        return self.find(start, end, token)

    def find(self, start: int, end: int, token: str) -> tuple[int, int] | None:
        """Span of a token that only brackets, blanks and comments surround within a stretch of the text."""
        pattern = _FILLER + "(" + r"\s+".join(re.escape(word) for word in token.split(" ")) + ")" + _FILLER
        match = re.compile(pattern).fullmatch(self.source.text, start, end)
        return match.span(1) if match else None

    def replace(
        self, operator: str, node: ast.AST, new: str, prior: float, tags: tuple[str, ...] = ()
    ) -> Iterator[Repair]:
        """The replacement of a whole node, unless nothing would change."""
        start, end = self.source.span(node)
        if self.source.text[start:end] != new:
            yield Repair(operator, start, end, new, prior, tags)


@dataclass(frozen=True, slots=True)
class Words:
    """What else occurs in the file and in the failing tests, for operators that look for another word."""

    numbers: tuple[int | float, ...] = ()
    """Numbers that failing tests expected."""
    texts: tuple[tuple[str, str], ...] = ()
    """Pieces of text that were wrong, each with the one that was expected in its place."""
    exceptions: tuple[str, ...] = ()
    """Exception classes that failing tests name."""
    unbound: tuple[str, ...] = ()
    """Names that were read before they held a value."""


Operator = Callable[[Any, NodePlace], Iterator[Repair]]
