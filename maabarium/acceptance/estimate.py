"""How large an effect is and how much pairs deviate, robustly: outliers move neither far. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from statistics import median

__all__ = ["Interval", "deviation", "median_interval"]

Interval = tuple[float, float]
COVERAGE = 0.98
"""Of `median_interval`, were all values independent. The pairs of one server share its memory layout, which costs
some of it: what is promised is 95 %."""
WINSORISED = 3 * 1.4826
"""Distances beyond so many median distances count as so many."""
TO_DEVIATION = math.sqrt(math.pi / 2)
"""Standard deviation over mean distance, of a Gaussian."""


def deviation(values: Sequence[float], centre: float | None = None) -> float:
    """The standard deviation of these values, 0 of fewer than two; about their median, or about a known `centre`.

    It is the mean distance, distances far beyond the median distance cut off, scaled to that of a Gaussian.
    """
    if len(values) < 2:
        return 0.0
    middle = median(values) if centre is None else centre
    distances = [abs(value - middle) for value in values]
    limit = WINSORISED * median(distances)
    mean = sum(min(distance, limit) for distance in distances) / len(distances)
    return TO_DEVIATION * mean * (math.sqrt(len(values) / (len(values) - 1)) if centre is None else 1.0)


def median_interval(values: Sequence[float]) -> Interval | None:
    """A distribution-free interval of the median, between order statistics; None below 6 values.

    Interpolated between two ranks (Hettmansperger and Sheather, 1986) so that it does not grow with each rank that
    just fails.
    """
    ordered = sorted(values)
    count = len(ordered)
    tails = list(accumulate(math.comb(count, k) * 0.5**count for k in range(count // 2)))
    covered = [1 - 2 * tail for tail in tails]
    """Coverage between the (k + 1)-th value from below and from above."""
    if count < 6:
        return None
    rank = max((k for k, share in enumerate(covered) if share >= COVERAGE), default=0)
    low, high = ordered[rank], ordered[count - 1 - rank]
    if covered[rank] <= COVERAGE or rank + 1 >= len(covered):
        return low, high
    part = (covered[rank] - COVERAGE) / (covered[rank] - covered[rank + 1])
    weight = (count - rank - 1) * part / (rank + 1 + (count - 2 * rank - 2) * part)
    return low + weight * (ordered[rank + 1] - low), high + weight * (ordered[count - 2 - rank] - high)
