"""Which lines deserve to be looked at: failing tests run them, tracebacks pass them, the metric's time goes to them.

A `LineMap` of the baseline speaks of the baseline's lines; after a kept change they may be a few lines off, which
blurs an order and breaks nothing. Knows no budget.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from maabarium.proposers.context.failures import Failure, frames_of
from maabarium.proposers.context.library import Library
from maabarium.proposers.context.symbols import Chunk
from maabarium.protocols import ProposalRequest
from maabarium.records import LineMap

__all__ = ["Evidence"]

_STATIC = ("complexity", "maintainability", "lint", "size", "coverage")
"""Sources that look at every target file, whether it runs or not."""
_INNERMOST, _OUTER, _NAMED = 1.0, 0.35, 0.25
_FROM_RULES = 4.0
"""How much more a line's hits count that runs under the blueprint's own rules, when they measure."""


@dataclass
class Evidence:
    """Blame and heat by path and line. `blame` is 0 to about 2 for a line, `heat` are shares that sum to 1."""

    blame: dict[str, dict[int, float]] = field(default_factory=dict)
    heat: dict[str, dict[int, float]] = field(default_factory=dict)
    named: dict[str, frozenset[str]] = field(default_factory=dict)
    """Names that failing tests mention, for files that they import; used where no line map is."""
    narrow: bool = False
    """Whether what did not run can be left aside: lines were traced, and no metric looks at files as they stand."""

    @classmethod
    def of(cls, request: ProposalRequest, failures: Sequence[Failure], library: Library) -> Evidence:
        """Gather it from the champion's evaluation and, what that lacks, from the baseline's."""
        found = cls()
        targets = frozenset(request.targets)
        maps = [lines for lines in (request.champion.evaluation.lines, request.baseline.lines) if lines is not None]
        traced = False
        if failures:
            traced = found._blame_lines(maps, failures, request, targets)
            found._blame_frames(failures, library, targets)
            if not any(found.blame.get(path) for path in targets):
                found._blame_names(failures, library, targets)
        sources = [str(metric.source or metric.name) for metric in request.blueprint.objectives]
        rules_measure = any(source.startswith("score:") for source in sources)
        found._warm(maps, targets, rules_measure)
        known = traced if failures else bool(found.heat)
        found.narrow = known and not any(source.startswith(_STATIC) for source in sources)
        return found

    def of_chunk(self, path: str, chunk: Chunk) -> float:
        """What a chunk deserves: its most blamed line, and its share of the heat."""
        score = _peak(self.blame.get(path), chunk.first, chunk.last)
        score += 0.5 * _sum(self.heat.get(path), chunk.first, chunk.last)
        bare = chunk.name.rpartition(".")[2]
        if self.named and (bare in self.named.get(path, ()) or (chunk.parent in self.named.get(path, ()))):
            score += _NAMED
        return score

    def of_file(self, path: str) -> float:
        """What a file deserves."""
        score = max(self.blame.get(path, {}).values(), default=0.0) + 0.5 * sum(self.heat.get(path, {}).values())
        return score + (_NAMED if path in self.named else 0.0)

    def hottest(self, path: str, chunk: Chunk) -> int:
        """The line of a chunk that deserves most; its first one when nothing is known."""
        blame, heat = self.blame.get(path, {}), self.heat.get(path, {})
        return max(range(chunk.first, chunk.last + 1), key=lambda n: (blame.get(n, 0.0) + heat.get(n, 0.0), -n))

    def _blame_lines(
        self, maps: Sequence[LineMap], failures: Sequence[Failure], request: ProposalRequest, targets: frozenset[str]
    ) -> bool:
        """Ochiai: failing tests that run a line over the root of all failing times all that run it.

        False when no failing test was traced.
        """
        failing = [id for failure in failures for id in failure.ids]
        coverage = next((m.by_test for m in maps if any(m.by_test.get(id) for id in failing)), None)
        if coverage is None:
            return False
        passing = [test.id for test in request.champion.evaluation.tests if test.outcome == "passed"]
        bad, good = _count(coverage, failing, targets), _count(coverage, passing, targets)
        for path, rows in bad.items():
            passed = good.get(path, Counter())
            self.blame[path] = {n: k / math.sqrt(len(failing) * (k + passed[n])) for n, k in rows.items()}
        return bool(bad)

    def _blame_frames(self, failures: Sequence[Failure], library: Library, targets: frozenset[str]) -> None:
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

    def _blame_names(self, failures: Sequence[Failure], library: Library, targets: frozenset[str]) -> None:
        """Nothing was traced: the names in the tests' files, looked up in target files of the modules they import."""
        stems: dict[str, list[str]] = {}
        for path in targets:
            folder, _, name = path.rpartition("/")
            stem = name.rpartition(".")[0] or name
            stems.setdefault(folder.rpartition("/")[2] if stem == "__init__" else stem, []).append(path)
        for path in list(dict.fromkeys(failure.path for failure in failures if failure.path))[:20]:
            tree = None if library.obstacle(path) else library.tree(path)
            if tree is None:
                continue
            mentioned = frozenset(_mentioned(tree))
            for target in (t for part in _imported(tree) for t in stems.get(part, ())):
                self.named[target] = self.named.get(target, frozenset()) | mentioned

    def _warm(self, maps: Sequence[LineMap], targets: frozenset[str], rules_measure: bool) -> None:
        lines = next((m for m in maps if m.hits), None)
        if lines is None:
            return
        measured: dict[str, set[int]] = {}
        for id, files in lines.by_test.items() if rules_measure else ():
            if id.startswith("rules/"):
                for path, rows in files.items():
                    measured.setdefault(path, set()).update(rows)
        raw = {
            path: {n: hits * (_FROM_RULES if n in measured.get(path, ()) else 1.0) for n, hits in rows.items()}
            for path, rows in lines.hits.items()
            if path in targets
        }
        total = sum(sum(rows.values()) for rows in raw.values())
        if total > 0:
            self.heat = {path: {n: hits / total for n, hits in rows.items()} for path, rows in raw.items()}


def _count(
    coverage: dict[str, dict[str, tuple[int, ...]]], tests: Iterable[str], targets: frozenset[str]
) -> dict[str, Counter[int]]:
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


def _mentioned(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name.rpartition(".")[2]


def _imported(tree: ast.AST) -> set[str]:
    """Every dotted part of what is imported."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(part for alias in node.names for part in alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            found.update((node.module or "").split("."))
            found.update(alias.name for alias in node.names)
    return found
