"""The `parameters` arm: values that a comment marks as open, and, when asked, numbers that nobody marked.

Single changes come first, so that what each one earned is known; then what pays around them; then combinations.
What the history says of each value decides the order. Combinations come from Optuna's TPE sampler, a fresh study for
each question, filled with the finished attempts; without it (the extra `tune`) nothing is combined.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from maabarium.code.python_file import PythonFile
from maabarium.errors import Problem
from maabarium.plugins.protocols import ProposalRequest, TreeView
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.proposers.mutate.parameters.effects import WAS, Comparison, Effects, Scalar, comparisons, value_data
from maabarium.proposers.mutate.parameters.factors import Factor, Scan, rewritten, scan_markers, unmarked_factors
from maabarium.proposers.mutate.parameters.values import FRESH, Choice, Range, Scaled, number

__all__ = ["JOINT", "Parameters", "combinations"]

Configuration = Mapping[str, str]
Finished = tuple[Configuration, float]
"""The values of all factors in one attempt, and how good it was relative to the baseline."""

RECENT = 40
"""Attempts that the sampler is told of: the latest ones."""
ASKS = 12

JOINT = "joint"
JOINT_WEIGHT, JOINT_DECAY = 0.3, 0.85
FRUITLESS = 8
"""Combinations without a gain after which no more are tried, for each factor."""
LARGEST = 512 * 1024
"""Bytes of the largest file that is searched for unmarked numbers."""


def combinations(
    factors: Sequence[Factor], found: Sequence[Comparison], champion: int, seed: int
) -> Iterator[Configuration]:
    """Configurations that differ from the present one in at least two factors, the sampler's best first."""
    try:
        import optuna  # on first use: it is heavy, and most runs never get here
    except ImportError:
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {factor.site: _distribution(factor, optuna.distributions) for factor in factors}
    sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=4)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    finished = _finished(factors, found, champion)
    worst = min((level for _, level in finished if math.isfinite(level)), default=0.0)
    for values, level in finished[-RECENT:]:
        params = {site: _told(space[site], text) for site, text in values.items()}
        if None not in params.values():
            value = level if math.isfinite(level) else worst - 1.0
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value))
    made: list[Configuration] = []
    for _ in range(ASKS):
        params = study.ask(space).params
        asked = {factor.site: _text(factor, params[factor.site]) for factor in factors}
        if asked not in made and sum(asked[factor.site] != factor.present for factor in factors) >= 2:
            made.append(asked)
            yield asked


def _distribution(factor: Factor, kinds: Any) -> Any:
    match factor.domain:
        case Range(low=low, high=high, log=log, whole=True):
            return kinds.IntDistribution(int(low), int(high), log=log)
        case Range(low=low, high=high, log=log):
            return kinds.FloatDistribution(low, high, log=log)
        case Choice(options=options):
            return kinds.CategoricalDistribution(tuple(dict.fromkeys((*options, factor.present))))
        case _:
            raise TypeError(f"{factor.site} has no bounds and cannot be combined")


def _told(distribution: Any, text: str) -> Any:
    """A value as the sampler knows it; None when it cannot take it: marks can have changed since it was tried."""
    if hasattr(distribution, "choices"):
        return text if text in distribution.choices else None
    return number(text) if distribution.low <= number(text) <= distribution.high else None


def _text(factor: Factor, value: Any) -> str:
    if isinstance(factor.domain, Range):
        return factor.domain.value(factor.domain.unit(repr(value)))
    return str(value)


def _finished(factors: Sequence[Factor], found: Sequence[Comparison], champion: int) -> list[Finished]:
    """The configuration of every attempt: back from the champion's to the baseline's, then forward."""
    base = {factor.site: factor.present for factor in factors}
    for comparison in reversed(found):
        if comparison.promoted and comparison.number <= champion:
            base |= {move.site: move.old for move in comparison.moves if move.site in base}
    current: Finished = (base, 0.0)
    kept: dict[int, Finished] = {}
    result = [current]
    for comparison in found:
        values, level = kept.get(comparison.parent, current)
        moved = {move.site: move.new for move in comparison.moves if move.site in values}
        result.append(({**values, **moved}, level + comparison.gain))
        if comparison.promoted:
            current = kept[comparison.number] = result[-1]
    return result


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
        since_gain = takewhile(lambda comparison: not comparison.promoted, reversed(found))
        fruitless = sum(len(comparison.moves) > 1 for comparison in since_gain)
        weight = JOINT_WEIGHT * JOINT_DECAY**fruitless
        due = len(factors) >= 2 and fruitless < FRUITLESS * len(factors)
        for change in _singles(factors, Effects.of(found), request):
            if due and change.weight < weight:
                due = False
                yield from _joint(factors, found, request, weight)
            yield change
        if due:
            yield from _joint(factors, found, request, weight)

    def open(self, request: ProposalRequest) -> Iterator[Mutation]:
        """Changes of unmarked numbers, best first; there are many, and nobody said that they matter."""
        factors = [each for each in self.factors(request) if isinstance(each.domain, Scaled)]
        if factors:
            yield from _singles(factors, Effects.of(comparisons(request)), request)

    def notes(self, files: TreeView, targets: Sequence[str]) -> tuple[Problem, ...]:
        """Markers that cannot be used, and whether combinations are left out for want of the extra `tune`."""
        found = [scan_markers(path, files.read(path)) for path in targets]
        notes = [problem for scan in found for problem in scan.problems]
        marked = sum(len(scan.factors) for scan in found)
        if marked >= 2 and importlib.util.find_spec("optuna") is None:
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


def _singles(factors: Sequence[Factor], effects: Effects, request: ProposalRequest) -> Iterator[Mutation]:
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
                weight = 0.45 + 0.5 * trial.weight if trial.weight >= FRESH else 2 * trial.weight
            found.append((-weight, tie, order, factor, trial))
    for weight, _, _, factor, trial in sorted(found, key=lambda each: each[:3]):
        reason = f" in {factor.path}: {trial.why} ({factor.rule})"
        yield _mutation([factor], {factor.site: trial.text}, factor.operator, reason, -weight)


def _heat(request: ProposalRequest) -> dict[str, float]:
    """How hot each file is, 0 to 1 on a logarithmic scale; everything is warm when nobody counted lines."""
    lines = request.champion.evaluation.lines or request.baseline.lines
    if lines is None or not lines.hits:
        return dict.fromkeys(request.targets, 0.5)
    most = {path: math.log1p(max(hits.values(), default=0)) for path, hits in lines.hits.items()}
    hottest = max(most.values()) or 1.0
    return {path: value / hottest for path, value in most.items()}


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
        arm="parameters",
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
