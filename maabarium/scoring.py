"""From measurements and metric definitions to factors, normalised values, totals and effects. Pure arithmetic.

An *improvement factor* is how many times better a value is than another in the metric's direction: 1 is equal,
2 is twice as good, 0.5 half as good. Nothing here knows whether a difference is noise; `acceptance` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from maabarium.blueprint.schema import Blueprint, Metric
from maabarium.records import Evaluation, Measurement, MetricEffect

__all__ = ["at_best", "effects", "factor", "improved", "log_effect", "normalise", "unscorable", "weighted_total"]

LARGEST = 1e100
"""Bound of a factor, far from where quotients of finite numbers become 0 or infinite and have no logarithm."""

BEST = {"tests.passed": 1.0, "coverage": 100.0, "maintainability": 100.0}
"""Sources that end at a largest value."""

Values = Mapping[str, float]


def unscorable(metrics: Iterable[Metric], evaluation: Evaluation) -> str | None:
    """Say why a metric cannot be scored from these measurements, or None when all can."""
    values = evaluation.values()
    for metric in metrics:
        value = values.get(str(metric.source))
        if value is None:
            return f"nobody measured {metric.source} for the metric {metric.name}"
        if not math.isfinite(value):
            return f"{metric.name} is {value}, which is not a number that can be compared"
        if value < 0 and metric.range is None:
            return f"{metric.name} is {value:g}: a metric with negative values needs a `range`"
    return None


def _shifted(before: float, after: float) -> tuple[float, float]:
    """Both values moved off zero: by 1 for counts and from a zero, else (down to zero) by 1 % of `before`."""
    if before > 0 and after > 0:
        return before, after
    counts = float(before).is_integer() and float(after).is_integer()
    step = 1.0 if counts or before == 0 else before * 0.01
    return before + step, after + step


def factor(metric: Metric, before: float, after: float) -> float:
    """How many times better `after` is than `before`; values of a metric with a range are brought to [0, 1] first."""
    if metric.range is not None:
        before, after = (_share(metric, *metric.range, value) for value in (before, after))
        if before <= 0 or after <= 0:
            before, after = before + 0.01, after + 0.01
        ratio = after / before
    else:
        before, after = _shifted(before, after)
        ratio = after / before if metric.direction == "maximize" else before / after
    return min(LARGEST, max(1 / LARGEST, ratio))


def at_best(metric: Metric, measurement: Measurement) -> bool:
    """Whether nothing better than this value exists: all points, the end of a range, all tests, all lines, no fault."""
    low, high = metric.range or (0.0, measurement.possible or BEST.get(measurement.source, math.inf))
    if metric.direction == "maximize":
        return measurement.value >= high
    bounded = metric.range is not None or not measurement.source.startswith("score:")
    return bounded and measurement.value <= low


def improved(metric: Metric, before: float, ratio: float) -> float | None:
    """The value that is `ratio` times as good as `before`: the inverse of `factor`.

    None where there is no such value: from a zero, and beyond the end of a range.
    """
    if metric.range is None:
        if before <= 0 or ratio <= 0:
            return None
        after = before * ratio if metric.direction == "maximize" else before / ratio
        return after if math.isfinite(after) else None
    low, high = metric.range
    share = (before - low) / (high - low)
    share = (share if metric.direction == "maximize" else 1.0 - share) * ratio
    if not 0 < share <= 1 or not low <= before <= high:
        return None
    return low + (high - low) * (share if metric.direction == "maximize" else 1.0 - share)


def normalise(metric: Metric, baseline: float, measurement: Measurement) -> float:
    """Bring one value to [0, 1], larger is better.

    A declared range and points are absolute; everything else is relative to the baseline, r / (1 + r) with r
    the improvement factor, so that the baseline itself is 0.5.
    """
    if metric.range is not None:
        return _share(metric, *metric.range, measurement.value)
    if measurement.possible:
        return _share(metric, 0.0, measurement.possible, measurement.value)
    ratio = factor(metric, baseline, measurement.value)
    return ratio / (1.0 + ratio)


def _share(metric: Metric, low: float, high: float, value: float) -> float:
    """Where a value lies between two bounds, as a share of the way to the better one."""
    share = min(1.0, max(0.0, (value - low) / (high - low)))
    return share if metric.direction == "maximize" else 1.0 - share


def weighted_total(objectives: Iterable[Metric], baseline: Values, evaluation: Evaluation) -> float:
    """The weighted sum of the objectives' normalised values, in [0, 1]."""
    by_source = {measurement.source: measurement for measurement in evaluation.measurements}
    return sum(
        metric.weight * normalise(metric, baseline[str(metric.source)], by_source[str(metric.source)])
        for metric in objectives
    )


def log_effect(objectives: Iterable[Metric], before: Values, after: Values) -> float:
    """The weighted mean of the logarithms of the objectives' improvement factors; above 0 is better."""
    weights, total = 0.0, 0.0
    for metric in objectives:
        source = str(metric.source)
        weights += metric.weight
        total += metric.weight * math.log(factor(metric, before[source], after[source]))
    return total / (weights or 1.0)


def effects(
    blueprint: Blueprint, baseline: Evaluation, champion: Values | None, evaluation: Evaluation
) -> tuple[MetricEffect, ...]:
    """One row a metric that can be scored: raw values at the baseline, of the champion and now, and the score."""
    base = baseline.values()
    by_source = {measurement.source: measurement for measurement in evaluation.measurements}
    rows = []
    for metric in blueprint.metrics.metrics:
        source = str(metric.source)
        if unscorable([metric], evaluation) or unscorable([metric], baseline):
            continue  # said by the sentence of a failed gate
        measurement = by_source[source]
        rows.append(
            MetricEffect(
                name=metric.name,
                source=source,
                weight=metric.weight,
                direction=metric.direction,
                unit=metric.unit or measurement.unit,
                baseline=base[source],
                champion=None if champion is None else champion.get(source),
                raw=measurement.value,
                value=normalise(metric, base[source], measurement),
            )
        )
    return tuple(rows)
