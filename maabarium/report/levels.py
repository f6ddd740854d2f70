"""How good each experiment of a stored run was: over its champion, and over the baseline. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from maabarium.acceptance.sequential import Interval
from maabarium.events import RunView
from maabarium.records import Outcome
from maabarium.report.gains import decided
from maabarium.report.rules import Ranges, log_factor, metric_of, power, ranges_of

__all__ = ["Level", "effect_of", "levels", "proven_levels"]


@dataclass(frozen=True)
class Level:
    """Where an experiment stands against the baseline (1.0), for a chart."""

    number: int
    verdict: str
    value: float
    interval: Interval | None
    champion: float
    """The champion's level once this experiment was over."""


def effect_of(outcome: Outcome, ranges: Ranges) -> float | None:
    """The improvement over the champion: as decided, else computed from the metrics of one evaluation."""
    if outcome.effect is not None:
        return outcome.effect if math.isfinite(outcome.effect) and outcome.effect > 0 else None
    total = weight = 0.0
    for row in outcome.metrics:
        step = log_factor(metric_of(row, ranges), row.champion, row.raw)
        if row.weight > 0 and step is None:
            return None
        total += row.weight * (step or 0.0)
        weight += row.weight
    return power(total / weight) if weight else None


def levels(view: RunView) -> list[Level]:
    """Each measured experiment against the baseline; the champion's level is the product of the kept effects.

    Failed experiments have no level and are left out.
    """
    ranges = ranges_of(view)
    effects = {winner.number: effect_of(winner, ranges) or 1.0 for winner in view.kept}
    found, champion = [], 1.0
    for outcome in decided(view):
        effect = effect_of(outcome, ranges)
        before = champion
        if outcome.verdict == "promoted":
            champion *= effects[outcome.number]
        else:
            before = math.prod(value for number, value in effects.items() if number <= outcome.parent)
        if effect is not None and _plausible((before * effect,)):
            bounds = outcome.interval and (outcome.interval[0] * before, outcome.interval[1] * before)
            scaled = bounds if bounds and _plausible(bounds) else None
            found.append(Level(outcome.number, outcome.verdict, before * effect, scaled, champion))
    return found


def proven_levels(view: RunView) -> dict[int, float]:
    """What agrees with effects: the level of each experiment that has one, by number, and 1.0 for the baseline."""
    measured = {outcome.number for outcome in view.outcomes if outcome.effect is not None}
    first = {outcome.number: 1.0 for outcome in view.outcomes if outcome.reason_code == "baseline"}
    return first | {level.number: level.value for level in levels(view) if level.number in measured}


def _plausible(values: tuple[float, ...]) -> bool:
    """Whether a chart can show them; a factor beyond a thousand million would flatten all others."""
    return all(1e-9 < value < 1e9 for value in values)
