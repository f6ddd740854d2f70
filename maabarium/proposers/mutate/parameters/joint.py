"""Changes of several parameters at once: Optuna's TPE sampler, asked and told, fed with the whole history.

Used when single changes have been explored, for what only pays in combination. A fresh study is made for each
question and filled with the finished attempts, so the answer depends on the history and the seed alone.
Optuna comes with the extra `tune`. Without it single values are swept and bisected, and nothing is combined.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from maabarium.proposers.mutate.parameters.effects import Comparison
from maabarium.proposers.mutate.parameters.factors import Factor
from maabarium.proposers.mutate.parameters.values import Choice, Range, number

__all__ = ["combinations", "is_available"]

Configuration = Mapping[str, str]
Finished = tuple[Configuration, float]
"""The values of all factors in one attempt, and how good it was relative to the baseline."""

RECENT = 40
"""Attempts that the sampler is told of: the latest ones."""
ASKS = 12


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
