"""What a stored run gained, computed from its view: by metric, by winner, and what it could have found.

Pure arithmetic on records. Knows no terminal, no file and no template; raw texts stay untrusted in here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from maabarium.acceptance.sequential import Interval, detectable, median_interval, share_of_alpha
from maabarium.blueprint.loading import parse
from maabarium.blueprint.schema import Acceptance, Blueprint, Metric
from maabarium.errors import BlueprintError
from maabarium.events import RunView
from maabarium.records import MetricEffect, Outcome, ReasonCode
from maabarium.report.phrases import short_source
from maabarium.scoring import factor

__all__ = [
    "Level", "MetricGain", "acceptance_of", "baseline_failure", "blueprint_of", "champion_of", "decided", "effect_of",
    "kept", "levels", "metric_gains", "phase_seconds", "reasons", "smallest_gain", "spread_of",
]  # fmt: skip

PairRatios = Mapping[int, Mapping[str, list[float]]]
"""Log improvement factors of the pairs, by experiment and source."""


@dataclass(frozen=True)
class MetricGain:
    """One metric from the baseline to the last champion."""

    name: str
    source: str
    unit: str
    direction: str
    weight: float
    baseline: float | None
    champion: float | None
    """Raw value of the last champion; the baseline's own when nothing was kept."""
    factor: float | None
    """Product of the confirmed steps; for what took no pairs, champion against baseline."""
    interval: Interval | None
    """95 % interval of `factor`; None when every step is exact, or one of them has too few pairs."""

    @property
    def label(self) -> str:
        """The source's short name, which the raw values belong to."""
        return short_source(self.source)


@dataclass(frozen=True)
class Level:
    """Where an experiment stands against the baseline (1.0), for a chart."""

    number: int
    verdict: str
    value: float
    interval: Interval | None
    champion: float
    """The champion's level once this experiment was over."""


def blueprint_of(view: RunView) -> Blueprint | None:
    """The blueprint as stored; None when its text cannot be read any more."""
    try:
        return parse(view.run.blueprint_text, view.run.blueprint_path).blueprint
    except BlueprintError:
        return None


def acceptance_of(view: RunView) -> Acceptance:
    """The run's rules of acceptance."""
    blueprint = blueprint_of(view)
    return blueprint.acceptance if blueprint else Acceptance()


def decided(view: RunView) -> list[Outcome]:
    """Outcomes of proposals: all but the baseline."""
    return [outcome for outcome in view.outcomes if outcome.number > 0]


def kept(view: RunView) -> list[Outcome]:
    """Winners, by number."""
    return [outcome for outcome in view.outcomes if outcome.verdict == "promoted"]


def spread_of(outcome: Outcome) -> Interval | None:
    """The interval of an outcome's effect; None where nothing varied, as with pairs made for a noisy guard only."""
    bounds = outcome.interval
    return None if bounds is None or bounds[0] == bounds[1] else bounds


def baseline_failure(view: RunView) -> Outcome | None:
    """The baseline's outcome when it did not hold."""
    first = next((outcome for outcome in view.outcomes if outcome.number == 0), None)
    return first if first is not None and first.reason_code != "baseline" else None


def champion_of(view: RunView) -> Outcome | None:
    """The winner that stands at the end.

    With one worker that is the last number. With several, a winner may be re-based onto one with a higher number;
    then it is the one with the best total.
    """
    winners = kept(view)
    parents = [winner.parent for winner in winners]
    if parents == [0, *(winner.number for winner in winners)][: len(parents)]:
        return winners[-1] if winners else None
    return max(winners, key=lambda winner: (winner.total if winner.total is not None else -1.0, winner.number))


def metric_gains(view: RunView) -> tuple[MetricGain, ...]:
    """Every metric of the run, as the blueprint orders them; none when the baseline was not measured."""
    first = next((outcome for outcome in view.outcomes if outcome.number == 0), None)
    last = champion_of(view)
    shown = last or first
    rows = shown.metrics if shown is not None else ()
    ranges, ratios = _ranges(view), _ratios(view)
    return tuple(_gain(row, view, ranges, ratios, last is not None) for row in rows)


def _gain(
    row: MetricEffect, view: RunView, ranges: Mapping[str, tuple[float, float]], ratios: PairRatios, moved: bool
) -> MetricGain:
    metric = _metric(row, ranges)
    total: float | None = _log_factor(metric, row.baseline, row.raw) if moved else None
    bounds: Interval | None = None
    winners = kept(view)
    paired = [ratios[w.number][row.source] for w in winners if row.source in ratios.get(w.number, {})]
    if paired and len(paired) == len(winners):
        total = sum(median(values) for values in paired)
        bounds = _combined(paired)
    return MetricGain(
        name=row.name,
        source=row.source,
        unit=row.unit,
        direction=row.direction,
        weight=row.weight,
        baseline=row.baseline,
        champion=row.raw,
        factor=None if total is None else _exp(total),
        interval=bounds,
    )


def _combined(steps: list[list[float]]) -> Interval | None:
    """The interval of a product of independent steps: log half-widths add in quadrature, each side for itself."""
    below = above = middle = 0.0
    for values in steps:
        bounds = median_interval(values)
        if bounds is None:
            return None
        middle += median(values)
        below += (median(values) - bounds[0]) ** 2
        above += (bounds[1] - median(values)) ** 2
    if below + above < 1e-18:
        return None
    return _exp(middle - math.sqrt(below)), _exp(middle + math.sqrt(above))


def effect_of(outcome: Outcome, ranges: Mapping[str, tuple[float, float]]) -> float | None:
    """The improvement over the champion: as decided, else computed from the metrics of one evaluation."""
    if outcome.effect is not None:
        return outcome.effect if math.isfinite(outcome.effect) and outcome.effect > 0 else None
    total = weight = 0.0
    for row in outcome.metrics:
        step = _log_factor(_metric(row, ranges), row.champion, row.raw)
        if row.weight > 0 and step is None:
            return None
        total += row.weight * (step or 0.0)
        weight += row.weight
    return _exp(total / weight) if weight else None


def levels(view: RunView) -> list[Level]:
    """Each measured experiment against the baseline; the champion's level is the product of the kept effects.

    Failed experiments have no level and are left out.
    """
    ranges = _ranges(view)
    effects = {winner.number: effect_of(winner, ranges) or 1.0 for winner in kept(view)}
    found, champion = [], 1.0
    for outcome in decided(view):
        effect = effect_of(outcome, ranges)
        before = champion
        if outcome.verdict == "promoted":
            champion *= effects[outcome.number]
        else:
            before = math.prod(value for number, value in effects.items() if number <= outcome.parent)
        if effect is not None and _plausible((before * effect,)):
            bounds = outcome.interval
            scaled = (
                (bounds[0] * before, bounds[1] * before)
                if bounds and _plausible((bounds[0] * before, bounds[1] * before))
                else None
            )
            found.append(Level(outcome.number, outcome.verdict, before * effect, scaled, champion))
    return found


def smallest_gain(view: RunView) -> float | None:
    """The relative improvement that this run would have found in 8 of 10 cases, given the noise of its pairs.

    None when there were too few pairs to know the noise, or no gain could have been found.
    """
    ratios = _ratios(view)
    residuals = []
    for outcome in view.outcomes:
        rows = [row for row in outcome.metrics if row.weight > 0]
        weight = sum(row.weight for row in rows)
        columns = [
            (row.weight, ratios[outcome.number][row.source])
            for row in rows
            if row.source in ratios.get(outcome.number, {})
        ]
        if not columns or len({len(values) for _, values in columns}) != 1:
            continue
        series = [sum(share * values[pair] for share, values in columns) / weight for pair in range(len(columns[0][1]))]
        residuals += [value - median(series) for value in series]
    rules = acceptance_of(view)
    alpha = share_of_alpha(rules.alpha, max(1, len(ratios)))
    return detectable(residuals, alpha, rules.max_pairs, rules.min_effect)


def phase_seconds(view: RunView) -> dict[str, float]:
    """Seconds by phase, longest first, over all experiments (of workers side by side: added up)."""
    total: dict[str, float] = {}
    for outcome in view.outcomes:
        for phase, seconds in outcome.phases.items():
            spent = seconds if math.isfinite(seconds) and seconds > 0 else 0.0
            total[phase] = total.get(phase, 0.0) + spent
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def reasons(view: RunView) -> list[tuple[ReasonCode, int]]:
    """Why proposals were not kept, most frequent first."""
    counts = Counter(outcome.reason_code for outcome in decided(view) if outcome.verdict != "promoted")
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _ratios(view: RunView) -> PairRatios:
    """Log factors of all complete pairs. Pairs that an experiment made before it was re-based are left out."""
    rows = {(o.number, row.source): row for o in view.outcomes for row in o.metrics}
    pairs = {outcome.number: outcome.pairs for outcome in view.outcomes}
    ranges = _ranges(view)
    sides: dict[tuple[int, str, int], dict[str, float]] = {}
    for sample in view.samples:
        if sample.pair <= pairs.get(sample.number, 0) and (sample.number, sample.source) in rows:
            sides.setdefault((sample.number, sample.source, sample.pair), {})[sample.side] = sample.value
    found: dict[int, dict[str, list[float]]] = {}
    for number, source, pair in sorted(sides):
        side = sides[number, source, pair]
        ratio = _log_factor(_metric(rows[number, source], ranges), side.get("champion"), side.get("candidate"))
        if ratio is not None:
            found.setdefault(number, {}).setdefault(source, []).append(ratio)
    return found


def _ranges(view: RunView) -> dict[str, tuple[float, float]]:
    """Declared ranges by metric name; all else about a metric is in the outcomes."""
    blueprint = blueprint_of(view)
    return {m.name: m.range for m in blueprint.metrics.metrics if m.range} if blueprint else {}


def _metric(row: MetricEffect, ranges: Mapping[str, tuple[float, float]]) -> Metric:
    return Metric.model_construct(
        name=row.name, weight=row.weight, direction=row.direction, source=row.source, range=ranges.get(row.name)
    )


def _log_factor(metric: Metric, before: float | None, after: float | None) -> float | None:
    if before is None or after is None or not (math.isfinite(before) and math.isfinite(after)):
        return None
    if metric.range is None and (before < 0 or after < 0):
        return None
    ratio = factor(metric, before, after)
    return math.log(ratio) if ratio > 0 and math.isfinite(ratio) else None


def _plausible(values: tuple[float, ...]) -> bool:
    """Whether a chart can show them; a factor beyond a thousand million would flatten all others."""
    return all(1e-9 < value < 1e9 for value in values)


def _exp(value: float) -> float:
    return math.exp(min(700.0, max(-700.0, value)))
