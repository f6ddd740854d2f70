"""Changes of several parameters at once: Optuna's TPE sampler, asked and told, fed with the whole history.

Used when single changes have been explored, for what only pays in combination. A fresh study is made for each
question and filled with the finished attempts, so the answer depends on the history and the seed alone.
Optuna comes with the extra `tune`. Without it single values are swept and bisected, and nothing is combined.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maabarium.proposers.mutate.parameters.effects import Comparison
from maabarium.proposers.mutate.parameters.factors import Factor
from maabarium.proposers.mutate.parameters.values import Choice, Range, number

__all__ = ["combinations", "is_available"]

Configuration = Mapping[str, str]

RECENT = 40
"""Attempts that the sampler is told of: the latest ones."""
ASKS = 12


@dataclass(frozen=True)
class Finished:
    """The values of all factors in one attempt, and how good it was relative to the baseline."""

    values: Configuration
    level: float


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
    worst = min((each.level for each in finished if math.isfinite(each.level)), default=0.0)
    for each in finished[-RECENT:]:
        params = {site: _param(space[site], text) for site, text in each.values.items()}
        if all(_inside(space[site], value) for site, value in params.items()):
            level = each.level if math.isfinite(each.level) else worst - 1.0
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=level))
    asked: set[tuple[tuple[str, str], ...]] = set()
    for _ in range(ASKS):
        params = study.ask(space).params
        values = {factor.site: _text(factor, params[factor.site]) for factor in factors}
        key = tuple(sorted(values.items()))
        changed = sum(values[factor.site] != factor.present for factor in factors)
        if changed >= 2 and key not in asked:
            asked.add(key)
            yield values


def is_available() -> bool:
    """Whether the extra `tune` is installed."""
    return importlib.util.find_spec("optuna") is not None


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


def _param(distribution: Any, text: str) -> Any:
    return text if hasattr(distribution, "choices") else number(text)


def _inside(distribution: Any, value: Any) -> bool:
    """Whether the sampler may be told of this value; marks can have changed since it was tried."""
    if hasattr(distribution, "choices"):
        return value in distribution.choices
    return bool(distribution.low <= value <= distribution.high)


def _text(factor: Factor, value: Any) -> str:
    if isinstance(factor.domain, Range):
        return factor.domain.value(factor.domain.unit(repr(value)))
    return str(value)


def _finished(factors: Sequence[Factor], found: Sequence[Comparison], champion: int) -> list[Finished]:
    """The configuration of every attempt: back from the champion's to the baseline's, then forward."""
    by_number = {comparison.number: comparison for comparison in found}
    present = {factor.site: factor.present for factor in factors}
    base = dict(present)
    for comparison in reversed(found):
        if comparison.promoted and comparison.number <= champion:
            base |= {move.site: move.old for move in comparison.moves if move.site in base}
    configurations: dict[int, dict[str, str]] = {}
    levels: dict[int, float] = {}
    current, level, result = dict(base), 0.0, [Finished(dict(base), 0.0)]
    for number_, comparison in sorted(by_number.items()):
        values = configurations.get(comparison.parent, current)
        values = values | {move.site: move.new for move in comparison.moves if move.site in values}
        reached = levels.get(comparison.parent, level) + comparison.gain
        result.append(Finished(values, reached))
        if comparison.promoted:
            configurations[number_], levels[number_] = values, reached
            current, level = values, reached
    return result
