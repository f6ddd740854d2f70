"""The `parameters` arm: values that a comment marks as open, and, when asked, numbers that nobody marked.

Single changes come first, so that what each one earned is known; then what pays around them; then combinations.
What the history says of each value decides the order (`parameters.values` gives the weights). Knows no bandit
and no budget. The only state is a cache of scans keyed by path and content.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence

from maabarium.code.python_file import PythonFile
from maabarium.errors import Problem
from maabarium.plugins.protocols import ProposalRequest, TreeView
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.proposers.mutate.parameters.effects import WAS, Comparison, Effects, Scalar, comparisons, value_data
from maabarium.proposers.mutate.parameters.factors import Factor, rewritten, unmarked_factors
from maabarium.proposers.mutate.parameters.joint import combinations, is_available
from maabarium.proposers.mutate.parameters.markers import Scan, scan_markers
from maabarium.proposers.mutate.parameters.values import FRESH, Scaled, Trial

__all__ = ["JOINT", "Parameters"]

JOINT = "joint"
JOINT_WEIGHT, JOINT_DECAY = 0.3, 0.85
FRUITLESS = 8
"""Combinations without a gain after which no more are tried, for each factor."""
LARGEST = 512 * 1024
"""Bytes of the largest file that is searched for unmarked numbers."""


class Parameters:
    """Marked values, and unmarked numbers when `unmarked` is set."""

    name = "parameters"

    def __init__(self, *, unmarked: bool = False) -> None:
        self.unmarked = unmarked
        self._scan = functools.lru_cache(maxsize=2048)(functools.partial(_scan, unmarked=unmarked))

    def changes(self, request: ProposalRequest) -> Iterator[Mutation]:
        """All changes that can be thought of now: marked values best first, then unmarked numbers best first."""
        yield from self.planned(request)
        yield from self.open(request)

    def planned(self, request: ProposalRequest) -> Iterator[Mutation]:
        """Changes of marked values, best first; combinations are made only when one is reached."""
        factors = [each for each in self.factors(request) if not isinstance(each.domain, Scaled)]
        if not factors:
            return
        found = comparisons(request)
        fruitless = _fruitless(found)
        weight = JOINT_WEIGHT * JOINT_DECAY**fruitless
        due = len(factors) >= 2 and fruitless < FRUITLESS * len(factors)
        for single_weight, factor, trial in _singles(factors, Effects.of(found), request):
            if due and single_weight < weight:
                due = False
                yield from _joint(factors, found, request, weight)
            yield _single(factor, trial, single_weight)
        if due:
            yield from _joint(factors, found, request, weight)

    def open(self, request: ProposalRequest) -> Iterator[Mutation]:
        """Changes of unmarked numbers, best first; there are many, and nobody said that they matter."""
        factors = [each for each in self.factors(request) if isinstance(each.domain, Scaled)]
        effects = Effects.of(comparisons(request)) if factors else Effects()
        for weight, factor, trial in _singles(factors, effects, request):
            yield _single(factor, trial, weight)

    def notes(self, files: TreeView, targets: Sequence[str]) -> tuple[Problem, ...]:
        """Markers that cannot be used, and whether combinations are left out for want of the extra `tune`."""
        found = [scan_markers(path, files.read(path)) for path in targets]
        notes = [problem for scan in found for problem in scan.problems]
        marked = sum(len(scan.factors) for scan in found)
        if marked >= 2 and not is_available():
            remedy = 'pip install "maabarium[tune]" adds combinations'
            notes.append(Problem("parameters", f"{marked} values are marked and are tried one at a time; {remedy}"))
        return tuple(notes)

    def factors(self, request: ProposalRequest) -> Iterator[Factor]:
        """All parameters of the target files."""
        for path in request.targets:
            if path.endswith((".py", ".pyi")):
                yield from self._scan(path, request.files.read(path)).factors


def _scan(path: str, content: bytes, *, unmarked: bool) -> Scan:
    scan = scan_markers(path, content)
    file = PythonFile.read(content) if unmarked and len(content) <= LARGEST else None
    if file is None:
        return scan
    with contextlib.suppress(RecursionError, ValueError):
        more = tuple(unmarked_factors(path, file, {factor.site for factor in scan.factors}))
        return Scan((*scan.factors, *more), scan.problems)
    return scan


def _singles(
    factors: Sequence[Factor], effects: Effects, request: ProposalRequest
) -> list[tuple[float, Factor, Trial]]:
    """One change of one factor each, best first; equals in an order that the seed decides."""
    heat = _heat(request)
    found = []
    for factor in factors:
        tie = hashlib.sha256(f"{request.seed} {factor.site}".encode("utf-8", "replace")).digest()
        known = effects.known(factor.site, factor.present)
        for order, trial in enumerate(factor.domain.trials(factor.present, known)):
            if isinstance(factor.domain, Scaled):
                weight = trial.weight * (0.5 + 0.5 * heat.get(factor.path, 0.0))
            else:
                weight = 0.35 + 0.5 * trial.weight if trial.weight >= FRESH else 2 * trial.weight
            found.append(((-weight, tie, order), (weight, factor, trial)))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def _heat(request: ProposalRequest) -> dict[str, float]:
    """How hot each file is, 0 to 1 on a logarithmic scale; everything is warm when nobody counted lines."""
    lines = request.champion.evaluation.lines or request.baseline.lines
    if lines is None or not lines.hits:
        return dict.fromkeys(request.targets, 0.5)
    most = {path: math.log1p(max(hits.values(), default=0)) for path, hits in lines.hits.items()}
    hottest = max(most.values()) or 1.0
    return {path: value / hottest for path, value in most.items()}


def _single(factor: Factor, trial: Trial, weight: float) -> Mutation:
    reason = f" in {factor.path}: {trial.why} ({factor.rule})"
    return _mutation([factor], {factor.site: trial.text}, factor.operator, reason, weight)


def _joint(
    factors: Sequence[Factor], found: Sequence[Comparison], request: ProposalRequest, weight: float
) -> Iterator[Mutation]:
    factors = sorted(factors, key=lambda factor: factor.site)
    for values in combinations(factors, found, request.champion.number, request.seed):
        changed = [factor for factor in factors if values[factor.site] != factor.present]
        more = f" and {len(changed) - 6} more" if len(changed) > 6 else ""
        reason = f"{more}: together, as single changes have been explored"
        yield _mutation(changed, values, JOINT, reason, weight)


def _mutation(
    factors: Sequence[Factor], values: Mapping[str, str], operator: str, reason: str, weight: float
) -> Mutation:
    """The change of these factors; a factor's value and what it was go with the proposal, for `effects`."""
    by_path: dict[str, list[Factor]] = {}
    for factor in factors:
        by_path.setdefault(factor.path, []).append(factor)
    (path, content), *others = ((path, rewritten(by_path[path], values)) for path in sorted(by_path))
    shown = (f"{each.name} {_short(each.present)} -> {_short(values[each.site])}" for each in factors[:6])
    data: dict[str, Scalar] = {factor.site: value_data(values[factor.site]) for factor in factors}
    return Mutation(
        path=path,
        operator=operator,
        site=",".join(factor.site for factor in factors)[:500],
        summary=", ".join(shown) + reason,
        content=content,
        weight=weight,
        data=data | {WAS + factor.site: value_data(factor.present) for factor in factors},
        others=tuple(others),
    )


def _fruitless(found: Sequence[Comparison]) -> int:
    """Combinations tried since one of the parameters' changes was kept."""
    count = 0
    for comparison in reversed(found):
        if comparison.promoted:
            break
        count += len(comparison.moves) > 1
    return count


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
