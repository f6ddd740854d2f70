"""Which lines deserve to be looked at: those under suspicion, and those to which the metric's time goes.

A `LineMap` of the baseline speaks of the baseline's lines; after a kept change they may be a few lines off, which
blurs an order and breaks nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from maabarium.code.faults import FailingTest, FaultMap, traced_lines
from maabarium.code.imports import Imports
from maabarium.code.reach import lines_by_name
from maabarium.code.symbols import Chunk
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context.failures import FailedFunction
from maabarium.proposers.council.context.source_files import SourceFiles
from maabarium.records import LineMap

__all__ = ["Priorities"]

_STATIC = ("complexity", "maintainability", "lint", "size", "coverage")
"""Sources that look at every target file, whether it runs or not."""
_FROM_RULES = 4.0
"""How much more a line's hits count that runs under the blueprint's own rules, when they measure."""


@dataclass
class Priorities:
    """Blame and heat by path and line. `blame` is 0 to about 2 for a line, `heat` are shares that sum to 1."""

    blame: dict[str, dict[int, float]] = field(default_factory=dict)
    heat: dict[str, dict[int, float]] = field(default_factory=dict)
    narrow: bool = False
    """Whether what did not run can be left aside: lines were traced, and no metric looks at files as they stand."""

    @classmethod
    def of(
        cls, request: ProposalRequest, failures: Sequence[FailedFunction], library: SourceFiles, imports: Imports
    ) -> Priorities:
        """Gather them from the champion's evaluation and, what that lacks, from the baseline's."""
        found = cls()
        targets = frozenset(request.targets)
        evaluation = request.champion.evaluation
        maps = [lines for lines in (evaluation.lines, request.baseline.lines) if lines is not None]
        failing = [FailingTest.of(test.id, test.detail) for failure in failures for test in failure.tests]
        traced = traced_lines(maps, [one.test for one in failing], targets)
        if failing:
            passing = [test.id for test in evaluation.tests if test.outcome == "passed"]
            coverage = traced or lines_by_name(library, imports, [one.test for one in failing], passing, targets)
            faults = FaultMap.of(failing, passing, coverage, targets, library.find)
            found.blame = {path: faults.lines(path) for path in faults.failed}
        sources = [str(metric.source or metric.name) for metric in request.blueprint.objectives]
        scored = any(source.startswith("score:") for source in sources)
        tests = (*evaluation.tests, *request.baseline.tests)
        found._warm(maps, targets, frozenset(test.id for test in tests if scored and test.role != "suite"))
        known = traced is not None if failures else bool(found.heat)
        found.narrow = known and not any(source.startswith(_STATIC) for source in sources)
        return found

    def of_chunk(self, path: str, chunk: Chunk) -> float:
        """What a chunk deserves: its most blamed line, and its share of the heat."""
        blame, heat = self.blame.get(path, {}), self.heat.get(path, {})
        lines = range(chunk.first, chunk.last + 1)
        return max((blame.get(n, 0.0) for n in lines), default=0.0) + 0.5 * sum(heat.get(n, 0.0) for n in lines)

    def of_file(self, path: str) -> float:
        """What a file deserves."""
        return max(self.blame.get(path, {}).values(), default=0.0) + 0.5 * sum(self.heat.get(path, {}).values())

    def hottest(self, path: str, chunk: Chunk) -> int:
        """The line of a chunk that deserves most; its first one when nothing is known."""
        blame, heat = self.blame.get(path, {}), self.heat.get(path, {})
        return max(range(chunk.first, chunk.last + 1), key=lambda n: (blame.get(n, 0.0) + heat.get(n, 0.0), -n))

    def _warm(self, maps: Sequence[LineMap], targets: frozenset[str], rules: frozenset[str]) -> None:
        lines = next((m for m in maps if m.hits), None)
        if lines is None:
            return
        measured: dict[str, set[int]] = {}
        for id in rules & lines.by_test.keys():
            for path, rows in lines.by_test[id].items():
                measured.setdefault(path, set()).update(rows)
        raw = {
            path: {n: hits * (_FROM_RULES if n in measured.get(path, ()) else 1.0) for n, hits in rows.items()}
            for path, rows in lines.hits.items()
            if path in targets
        }
        total = sum(sum(rows.values()) for rows in raw.values())
        if total > 0:
            self.heat = {path: {n: hits / total for n, hits in rows.items()} for path, rows in raw.items()}
