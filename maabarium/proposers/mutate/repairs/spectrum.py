"""Which lines are suspicious: those that failing tests run and passing tests do not.

Ochiai (Abreu et al., 2007) and D* with exponent 2 (Wong et al., 2014) over the lines of a `LineMap`, once for all
failing tests together and once for each group of tests that fail alike, because a suite may have several faults.
Knows nothing of operators; reads no files.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from maabarium.proposers.mutate.repairs.survey import Statement
from maabarium.proposers.mutate.repairs.symptoms import Symptom

__all__ = ["Coverage", "Spectrum", "Suspicion"]

Coverage = Mapping[str, Mapping[str, Sequence[int]]]
"""Test id -> path -> lines, as in `LineMap.by_test`."""


_SHOWN = 0.6
"""How much a line gains that is innermost in every failing test's traceback."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How suspicious a statement is (0 to 1) and how many failing tests run it."""

    score: float
    failing: int


@dataclass
class Spectrum:
    """Counts by path and line. `failed` are bit masks over the failing tests, `passed` numbers of passing tests."""

    tests: tuple[str, ...]
    groups: tuple[int, ...]
    failed: dict[str, dict[int, int]]
    passed: dict[str, Counter[int]]
    frames: dict[str, dict[int, float]] = field(default_factory=dict)
    """Path -> line -> share of failing tests whose traceback shows it, innermost frames in full."""

    @classmethod
    def of(cls, coverage: Coverage, symptoms: Sequence[Symptom], passing: Iterable[str]) -> Spectrum:
        """Count who runs what."""
        tests = tuple(symptom.test for symptom in symptoms)
        failed: dict[str, dict[int, int]] = {}
        for index, test in enumerate(tests):
            for path, lines in coverage.get(test, {}).items():
                rows = failed.setdefault(path, {})
                for line in lines:
                    rows[line] = rows.get(line, 0) | 1 << index
        passed: dict[str, Counter[int]] = {path: Counter() for path in failed}
        for test in passing:
            for path, lines in coverage.get(test, {}).items():
                if path in passed:
                    passed[path].update(lines)
        return cls(tests, _groups(symptoms), failed, passed)

    def score(self, mask: int, passing: int) -> float:
        """Suspicion of a line by who runs it: the better of the view of all failing tests and that of one group."""
        every = (1 << len(self.tests)) - 1
        best = _combined(mask.bit_count(), len(self.tests), passing)
        for group in self.groups:
            if group != every and mask & group:
                best = max(best, 0.8 * _combined((mask & group).bit_count(), group.bit_count(), passing))
        return best

    def suspicion(self, path: str, statement: Statement, using: Sequence[tuple[str, int]]) -> Suspicion:
        """Suspicion of a statement: of its own lines, or, if it runs on import, of the lines that use it."""
        places = [(path, line) for line in range(statement.first, statement.last + 1)]
        if statement.deferred:
            places = list(using)
            if statement.body is not None:
                places += [(path, line) for line in range(statement.body[0], statement.body[1] + 1)]
        mask, passing = 0, 0
        for where, line in places:
            hit = self.failed.get(where, {}).get(line, 0)
            mask |= hit
            if hit or statement.deferred:
                passing = max(passing, self.passed.get(where, Counter())[line])
        if not mask:
            return Suspicion(0.0, 0)
        score = self.score(mask, passing) * (0.75 if statement.deferred else 1.0)
        raising = isinstance(statement.node, ast.Raise)
        shown = (
            0.0 if raising else max((self.frames.get(where, {}).get(line, 0.0) for where, line in places), default=0.0)
        )
        return Suspicion(score * (1.0 + _SHOWN * shown) / (1.0 + _SHOWN), mask.bit_count())


def _combined(failing: int, of: int, passing: int) -> float:
    """Ochiai, sharpened by D*: both are 1 for a line that all failing tests run and no passing one."""
    if not failing:
        return 0.0
    ochiai = failing / math.sqrt(of * (failing + passing))
    dstar = failing * failing / (passing + (of - failing) + failing * failing)
    return 0.7 * ochiai + 0.3 * dstar


def _groups(symptoms: Sequence[Symptom]) -> tuple[int, ...]:
    """Failing tests that fail alike: same kind of error with the same innermost frames, else the same function."""
    found: dict[tuple[object, ...], int] = {}
    for index, symptom in enumerate(symptoms):
        function = symptom.test.partition("[")[0]
        found[("test", function)] = found.get(("test", function), 0) | 1 << index
        if symptom.error and symptom.error != "AssertionError" and symptom.frames:
            key = ("error", symptom.error, symptom.frames[-1])
            found[key] = found.get(key, 0) | 1 << index
    return tuple(dict.fromkeys(found.values()))
