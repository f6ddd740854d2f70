"""Which lines deserve to be looked at: failing tests run them, tracebacks pass them, the metric's time goes to them.

A `LineMap` of the baseline speaks of the baseline's lines; after a kept change they may be a few lines off, which
blurs an order and breaks nothing. Knows no budget.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context.callers import Imports
from maabarium.proposers.council.context.failures import Failure, frames_of
from maabarium.proposers.council.context.library import SourceFiles
from maabarium.proposers.council.context.reached import Coverage, by_names
from maabarium.proposers.council.context.symbols import Chunk
from maabarium.records import LineMap

__all__ = ["Evidence"]

_STATIC = ("complexity", "maintainability", "lint", "size", "coverage")
"""Sources that look at every target file, whether it runs or not."""
_INNERMOST, _OUTER = 1.0, 0.35
_FROM_RULES = 4.0
"""How much more a line's hits count that runs under the blueprint's own rules, when they measure."""


@dataclass
class Evidence:
    """Blame and heat by path and line. `blame` is 0 to about 2 for a line, `heat` are shares that sum to 1."""

    blame: dict[str, dict[int, float]] = field(default_factory=dict)
    heat: dict[str, dict[int, float]] = field(default_factory=dict)
    narrow: bool = False
    """Whether what did not run can be left aside: lines were traced, and no metric looks at files as they stand."""

    @classmethod
    def of(
        cls, request: ProposalRequest, failures: Sequence[Failure], library: SourceFiles, imports: Imports
    ) -> Evidence:
        """Gather it from the champion's evaluation and, what that lacks, from the baseline's."""
        found = cls()
        targets = frozenset(request.targets)
        maps = [lines for lines in (request.champion.evaluation.lines, request.baseline.lines) if lines is not None]
        failing = [id for failure in failures for id in failure.ids]
        traced = next((m.by_test for m in maps if any(m.by_test.get(id) for id in failing)), None)
        if failures:
            passing = [test.id for test in request.champion.evaluation.tests if test.outcome == "passed"]
            coverage = traced or by_names(failures, passing, targets, library, imports)
            found._blame_lines(coverage, failing, passing, targets)
            found._blame_frames(failures, library, targets)
        sources = [str(metric.source or metric.name) for metric in request.blueprint.objectives]
        tests = (*request.champion.evaluation.tests, *request.baseline.tests)
        scored = any(source.startswith("score:") for source in sources)
        found._warm(maps, targets, frozenset(test.id for test in tests if scored and test.role != "suite"))
        known = traced is not None if failures else bool(found.heat)
        found.narrow = known and not any(source.startswith(_STATIC) for source in sources)
        return found

    def of_chunk(self, path: str, chunk: Chunk) -> float:
        """What a chunk deserves: its most blamed line, and its share of the heat."""
        score = _peak(self.blame.get(path), chunk.first, chunk.last)
        return score + 0.5 * _sum(self.heat.get(path), chunk.first, chunk.last)

    def of_file(self, path: str) -> float:
        """What a file deserves."""
        return max(self.blame.get(path, {}).values(), default=0.0) + 0.5 * sum(self.heat.get(path, {}).values())

    def hottest(self, path: str, chunk: Chunk) -> int:
        """The line of a chunk that deserves most; its first one when nothing is known."""
        blame, heat = self.blame.get(path, {}), self.heat.get(path, {})
        return max(range(chunk.first, chunk.last + 1), key=lambda n: (blame.get(n, 0.0) + heat.get(n, 0.0), -n))

    def _blame_lines(
        self, coverage: Coverage, failing: Sequence[str], passing: Sequence[str], targets: frozenset[str]
    ) -> None:
        """Ochiai: failing tests that run a line over the root of all failing times all that run it."""
        bad, good = _count(coverage, failing, targets), _count(coverage, passing, targets)
        for path, rows in bad.items():
            passed = good.get(path, Counter())
            self.blame[path] = {n: k / math.sqrt(len(failing) * (k + passed[n])) for n, k in rows.items()}

    def _blame_frames(self, failures: Sequence[Failure], library: SourceFiles, targets: frozenset[str]) -> None:
        places: dict[str, str] = {}
        for failure in failures:
            for detail in failure.details[:3]:
                frames = []
                for raw, line in frames_of(detail):
                    if raw not in places:
                        places[raw] = library.find(raw)
                    if places[raw] in targets:
                        frames.append((places[raw], line))
                for depth, (path, line) in enumerate(reversed(frames)):
                    rows = self.blame.setdefault(path, {})
                    rows[line] = rows.get(line, 0.0) + (_OUTER if depth else _INNERMOST) / len(failures)

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


def _count(coverage: Coverage, tests: Iterable[str], targets: frozenset[str]) -> dict[str, Counter[int]]:
    found: dict[str, Counter[int]] = {}
    for test in tests:
        for path, lines in coverage.get(test, {}).items():
            if path in targets:
                found.setdefault(path, Counter()).update(lines)
    return found


def _peak(rows: dict[int, float] | None, first: int, last: int) -> float:
    return max((rows.get(n, 0.0) for n in range(first, last + 1)), default=0.0) if rows else 0.0


def _sum(rows: dict[int, float] | None, first: int, last: int) -> float:
    return sum(rows.get(n, 0.0) for n in range(first, last + 1)) if rows else 0.0
