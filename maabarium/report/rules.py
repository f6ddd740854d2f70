"""What a stored run's blueprint says of its numbers: metrics, ranges, how gains are believed. Knows no layout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from maabarium.acceptance.judge import noisy_sources
from maabarium.blueprint.loading import parse
from maabarium.blueprint.schema import Acceptance, Blueprint, Metric, Metrics
from maabarium.errors import BlueprintError
from maabarium.events import RunView
from maabarium.records import MetricEffect
from maabarium.scoring import factor

__all__ = [
    "Ranges", "acceptance_of", "blueprint_of", "decides_by_pairs", "log_factor", "metric_of", "power", "ranges_of",
]  # fmt: skip

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


def decides_by_pairs(view: RunView) -> bool:
    """Whether an objective is noisy, so that effects are the evidence and a score is one sample beside another."""
    blueprint = blueprint_of(view)
    if blueprint is None or view.baseline is None:
        return False
    sources = {row.name: row.source for outcome in view.outcomes for row in outcome.metrics}
    metrics = tuple(
        metric.model_copy(update={"source": metric.source or sources.get(metric.name)})
        for metric in blueprint.metrics.metrics
    )
    bound = blueprint.model_copy(update={"metrics": Metrics(metrics=metrics)})
    noisy = noisy_sources(bound, view.baseline)
    return any(metric.source in noisy for metric in bound.objectives)


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
