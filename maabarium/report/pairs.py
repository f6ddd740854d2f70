"""The pairs of a stored run: their factors, and what the baseline gave in all of them. Knows no verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import median

from maabarium.events import RunView, Sample
from maabarium.report.rules import log_factor, metric_of, ranges_of

__all__ = ["PairRatios", "baseline_medians", "pair_ratios"]

PairRatios = Mapping[int, Mapping[str, list[float]]]
"""Log improvement factors of the pairs, by experiment and source."""


def pair_ratios(view: RunView) -> PairRatios:
    """Log factors of all complete pairs. Pairs that an experiment made before it was re-based are left out."""
    rows = {(o.number, row.source): row for o in view.outcomes for row in o.metrics}
    ranges = ranges_of(view)
    sides: dict[tuple[int, str, int], dict[str, float]] = {}
    for sample in _counting(view):
        if (sample.number, sample.source) in rows:
            sides.setdefault((sample.number, sample.source, sample.pair), {})[sample.side] = sample.value
    found: dict[int, dict[str, list[float]]] = {}
    for number, source, pair in sorted(sides):
        side = sides[number, source, pair]
        ratio = log_factor(metric_of(rows[number, source], ranges), side.get("champion"), side.get("candidate"))
        if ratio is not None:
            found.setdefault(number, {}).setdefault(source, []).append(ratio)
    return found


def baseline_medians(view: RunView) -> dict[str, float]:
    """By source: the median of all that the baseline gave, alone and beside candidates. Only sources with pairs."""
    outcomes = {outcome.number: outcome for outcome in view.outcomes}
    first = min((number for number, o in outcomes.items() if o.verdict == "promoted"), default=math.inf)
    beside = {number for number, outcome in outcomes.items() if outcome.parent == 0 and 0 < number <= first}
    seen: dict[str, list[float]] = {}
    for sample in _counting(view):
        if sample.side == "champion" and sample.number in beside and math.isfinite(sample.value):
            seen.setdefault(sample.source, []).append(sample.value)
    alone = {row.source: row.baseline for row in (outcomes[0].metrics if 0 in outcomes else ())}
    for source, values in seen.items():
        value = alone.get(source)
        values += [value] if value is not None and math.isfinite(value) else []
    return {source: median(values) for source, values in seen.items()}


def _counting(view: RunView) -> Iterator[Sample]:
    pairs = {outcome.number: outcome.pairs for outcome in view.outcomes}
    return (sample for sample in view.samples if sample.pair <= pairs.get(sample.number, 0))
