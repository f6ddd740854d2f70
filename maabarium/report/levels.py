"""How good each experiment of a stored run was, over its champion and over the baseline, by what its blueprint says.

Pure arithmetic. Knows no layout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from maabarium.acceptance.calibration import Calibration, calibrate
from maabarium.acceptance.estimate import Interval
from maabarium.acceptance.judge import noisy_sources
from maabarium.acceptance.steadiness import lasted
from maabarium.blueprint.loading import parse
from maabarium.blueprint.schema import Acceptance, Blueprint, Metric, Metrics
from maabarium.errors import BlueprintError
from maabarium.events import RunView
from maabarium.records import Evaluation, MetricEffect, Outcome, ReasonCode
from maabarium.report.phrases import FEW_PAIRS
from maabarium.scoring import factor

__all__ = [
    "Level", "Ranges", "acceptance_of", "calibration_of", "calibration_ratios", "decided", "decides_by_pairs",
    "levels", "log_factor", "metric_of", "power", "proven_levels", "ranges_of",
]  # fmt: skip

COMPARABLE: frozenset[ReasonCode] = frozenset(
    {"kept", "worse", "no_gain", "too_small", "undecided", "policy_objection", "stale_conflict", "budget_spent"}
)
"""How experiments ended that were measured in full, with every gate and guard held."""
Ranges = Mapping[str, tuple[float, float]]
"""Declared ranges by metric name; all else about a metric is in the outcomes."""


def blueprint_of(view: RunView) -> Blueprint | None:
    """The blueprint as stored; None when its text cannot be read any more."""
    return _parsed(view.run.blueprint_text, view.run.blueprint_path)


@lru_cache(maxsize=4)
def _parsed(text: str, path: str) -> Blueprint | None:
    """Kept, because one report asks for it a dozen times."""
    try:
        return parse(text, path).blueprint
    except BlueprintError:
        return None


def acceptance_of(view: RunView) -> Acceptance:
    """The run's rules of acceptance."""
    blueprint = blueprint_of(view)
    return blueprint.acceptance if blueprint else Acceptance()


def ranges_of(view: RunView) -> dict[str, tuple[float, float]]:
    """Declared ranges by metric name."""
    blueprint = blueprint_of(view)
    return {m.name: m.range for m in blueprint.metrics.metrics if m.range} if blueprint else {}


def calibration_ratios(view: RunView) -> list[float]:
    """Log ratios of the pairs of the start with itself: the weighted mean over the objectives, as judged."""
    rows = [row for outcome in view.outcomes if outcome.number == 0 for row in outcome.metrics if row.weight > 0]
    ranges, total = ranges_of(view), sum(row.weight for row in rows)
    ratios = []
    for pair in view.calibration:
        before, after = (side.values() if side else {} for side in (pair.champion, pair.candidate))
        shares = [
            row.weight * (log_factor(metric_of(row, ranges), before.get(row.source), after.get(row.source)) or 0.0)
            for row in rows
        ]
        ratios += [sum(shares) / total] if total else []
    return ratios


def calibration_of(view: RunView) -> Calibration | None:
    """What the start beside itself showed; None where nothing is noisy, and in runs of earlier versions."""
    ratios = calibration_ratios(view)
    seconds = [sum(pair.phases.values()) for pair in view.calibration]
    if not ratios or view.baseline is None:
        return None
    noisy = _noisy(view, view.baseline)[1]
    return calibrate(ratios, seconds, acceptance_of(view), [lasted(pair.champion, noisy) for pair in view.calibration])


def decides_by_pairs(view: RunView) -> bool:
    """Whether an objective is noisy, so that effects are the evidence and a score is one sample beside another."""
    if view.baseline is None:
        return False
    objectives, noisy = _noisy(view, view.baseline)
    return any(metric.source in noisy for metric in objectives)


def _noisy(view: RunView, baseline: Evaluation) -> tuple[tuple[Metric, ...], frozenset[str]]:
    """The objectives as they were bound, and the noisy sources of all metrics; none of a blueprint that is lost."""
    blueprint = blueprint_of(view)
    if blueprint is None:
        return (), frozenset()
    sources = {row.name: row.source for outcome in view.outcomes for row in outcome.metrics}
    metrics = tuple(
        metric.model_copy(update={"source": metric.source or sources.get(metric.name)})
        for metric in blueprint.metrics.metrics
    )
    bound = blueprint.model_copy(update={"metrics": Metrics(metrics=metrics)})
    return bound.objectives, noisy_sources(bound, baseline)


def metric_of(row: MetricEffect, ranges: Ranges) -> Metric:
    """The metric that this row is of, as far as its factor depends on it."""
    return Metric.model_construct(
        name=row.name, weight=row.weight, direction=row.direction, source=row.source, range=ranges.get(row.name)
    )


def log_factor(metric: Metric, before: float | None, after: float | None) -> float | None:
    """Logarithm of the improvement factor; None when one of the values cannot be compared."""
    if before is None or after is None or not (math.isfinite(before) and math.isfinite(after)):
        return None
    if metric.range is None and (before < 0 or after < 0):
        return None
    ratio = factor(metric, before, after)
    return math.log(ratio) if ratio > 0 and math.isfinite(ratio) else None


def power(value: float) -> float:
    """`exp` that neither overflows nor vanishes."""
    return math.exp(min(700.0, max(-700.0, value)))


def decided(view: RunView) -> list[Outcome]:
    """Outcomes of proposals: all but the baseline."""
    return [outcome for outcome in view.outcomes if outcome.number > 0]


@dataclass(frozen=True)
class Level:
    """Where an experiment stands against the baseline (1.0), for a chart."""

    number: int
    verdict: str
    value: float
    interval: Interval | None
    champion: float
    """The champion's level once this experiment was over."""
    single: bool = False
    """Whether noise may be all of it: a noisy value from one measurement or too few pairs for an interval."""


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

    What failed a gate or a guard has no level, whatever was measured of it, and is left out.
    """
    ranges, by_pairs = ranges_of(view), decides_by_pairs(view)
    effects = {winner.number: effect_of(winner, ranges) or 1.0 for winner in view.kept}
    found, champion = [], 1.0
    for outcome in decided(view):
        effect = effect_of(outcome, ranges)
        before = champion
        if outcome.verdict == "promoted":
            champion *= effects[outcome.number]
        else:
            before = math.prod(value for number, value in effects.items() if number <= outcome.parent)
        if effect is not None and outcome.reason_code in COMPARABLE and _plausible((before * effect,)):
            bounds = outcome.interval and (outcome.interval[0] * before, outcome.interval[1] * before)
            scaled = bounds if bounds and _plausible(bounds) else None
            single = outcome.verdict != "promoted" and scaled is None and outcome.pairs < FEW_PAIRS and by_pairs
            found.append(Level(outcome.number, outcome.verdict, before * effect, scaled, champion, single))
    return found


def proven_levels(view: RunView) -> dict[int, float]:
    """The level of each experiment whose effect is more than a guess, by number, and 1.0 for the baseline."""
    measured = {outcome.number for outcome in view.outcomes if outcome.effect is not None}
    first = {outcome.number: 1.0 for outcome in view.outcomes if outcome.reason_code == "baseline"}
    return first | {each.number: each.value for each in levels(view) if each.number in measured and not each.single}


def _plausible(values: tuple[float, ...]) -> bool:
    """Whether a chart can show them; a factor beyond a thousand million would flatten all others."""
    return all(1e-9 < value < 1e9 for value in values)
