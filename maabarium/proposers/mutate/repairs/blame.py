"""Suspicion that a line has not earned by being run, but by what depends on it.

A condition answers for the branch that it opens, and a statement that binds a name for the line that breaks on it.
Neither is new evidence, so both are discounted. Knows the spectrum; knows no operator.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from maabarium.proposers.mutate.repairs.evidence import Evidence
from maabarium.proposers.mutate.repairs.spectrum import Suspicion
from maabarium.proposers.mutate.repairs.survey import Statement
from maabarium.proposers.reach import mentions

__all__ = ["Blame"]

_BRANCH = 0.75
"""What a condition takes over from the first statement of its most suspicious branch."""
_RAISED = 0.6
"""How much likelier a condition is whose `raise` ended the failing tests."""
_SOURCE = 1.4
"""How much likelier a statement is that binds what a traceback's innermost line reads."""


class Blame:
    """Shares suspicion between the statements of one file."""

    def __init__(self, evidence: Evidence, path: str) -> None:
        self.broken = evidence.spectrum.frames.get(path, {})
        self.read: dict[str, float] = {}
        for statement in evidence.files[path].statements:
            shown = self._shown(statement.first, statement.last)
            if shown > 0:
                for part in statement.parts:
                    for name in mentions(part):
                        self.read[name] = max(self.read.get(name, 0.0), shown)

    def shared(self, statement: Statement, known: Mapping[int, Suspicion]) -> Suspicion:
        """The suspicion of a statement, given that of all statements after it in the file."""
        own = known[id(statement.node)]
        score, failing = own.score, own.failing
        if not own.failing:
            return own
        if isinstance(statement.node, ast.If | ast.While | ast.For):
            for branch in (statement.node.body, statement.node.orelse):
                inner = known.get(id(branch[0])) if branch else None
                if inner is None:
                    continue
                score = max(score, inner.score * _BRANCH)
                if isinstance(branch[0], ast.Raise):  # it did what it was told to: who told it?
                    score *= 1.0 + _RAISED * self._shown(branch[0].lineno, branch[0].end_lineno or branch[0].lineno)
        shown = max((self.read.get(name, 0.0) for name in self._bound(statement)), default=0.0)
        return Suspicion(min(score * (1.0 + (_SOURCE - 1.0) * shown), 1.0), failing)

    def _shown(self, first: int, last: int) -> float:
        return max((self.broken.get(line, 0.0) for line in range(first, last + 1)), default=0.0)

    def _bound(self, statement: Statement) -> list[str]:
        targets = statement.node.targets if isinstance(statement.node, ast.Assign) else ()
        return [*statement.binds, *(target.attr for target in targets if isinstance(target, ast.Attribute))]
