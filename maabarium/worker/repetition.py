"""A side of a pair as several sessions: how many are needed, and their evaluations as one. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from maabarium.acceptance.steadiness import LEAST_SECONDS, lasted
from maabarium.records import Evaluation, Measurement

__all__ = ["MOST_REPEATS", "joined", "merged", "repeats_needed"]

SLACK = 0.25
"""Share of a session by which a side may fall short of that: a block of 0.09 s is not run twice."""
MOST_REPEATS = 20
WHOLE_SECONDS = 1.0
"""Sessions that are measured as a whole are repeated for shorter timers, too, but not for longer than this in all."""


def repeats_needed(champion: Evaluation, sources: Iterable[str], seconds: float = LEAST_SECONDS) -> int:
    """How many sessions a side runs, so that each of these CPU-clocked sources has so many seconds behind it.

    `champion` is one evaluation of the champion's, whose `seconds` are those of one session. Sources that it has no
    seconds for ask for nothing. At least 1, at most MOST_REPEATS.
    """
    wanted = frozenset(sources)
    timed = [m for m in champion.measurements if m.source in wanted and m.clock == "cpu" and m.seconds]
    if not timed:
        return 1
    needed = math.ceil(seconds / lasted(champion, wanted) - SLACK)
    whole = max((m.seconds for m in timed if m.seconds and _is_time(m)), default=0.0)
    affordable = MOST_REPEATS if whole == 0 else int(WHOLE_SECONDS / whole)
    return max(1, min(needed, MOST_REPEATS, affordable))


def merged(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The evaluations of one side of a pair, at least one, as one; all of one tree, from sessions of one kind.

    Rates are all work over all seconds, other values the mean. The first evaluation with a failed gate is the answer
    for all. What is no number (tests, gates, log) is the last one's.
    """
    failed = next((evaluation for evaluation in evaluations if evaluation.failed_gate is not None), None)
    duration = sum(evaluation.duration for evaluation in evaluations)
    if failed is not None:
        return failed.model_copy(update={"duration": duration})
    by_source: dict[str, list[Measurement]] = {}
    for evaluation in evaluations:
        for measurement in evaluation.measurements:
            by_source.setdefault(measurement.source, []).append(measurement)
    together = tuple(_merged_values(seen) for seen in by_source.values() if len(seen) == len(evaluations))
    return evaluations[-1].model_copy(update={"measurements": together, "duration": duration})


def joined(side_by_side: Evaluation, in_turn: Evaluation, sources: frozenset[str]) -> Evaluation:
    """One side as it was measured both ways: `sources` by the sessions in turn, the rest side by side."""
    if in_turn.failed_gate is not None:
        return in_turn.model_copy(update={"duration": side_by_side.duration + in_turn.duration})
    kept = [m for m in side_by_side.measurements if m.source not in sources]
    known = {measurement.source for measurement in kept}
    kept += [measurement for measurement in in_turn.measurements if measurement.source not in known]
    duration = side_by_side.duration + in_turn.duration
    return side_by_side.model_copy(update={"measurements": tuple(kept), "duration": duration})


def _merged_values(seen: Sequence[Measurement]) -> Measurement:
    """One source of several sessions as one value."""
    values = [measurement.value for measurement in seen]
    spent = [measurement.seconds for measurement in seen if measurement.seconds is not None]
    seconds = sum(spent) if len(spent) == len(seen) else None
    if seconds and not all(map(_is_time, seen)):
        value = sum(value * part for value, part in zip(values, spent, strict=True)) / seconds
    else:
        value = values[0] if len(set(values)) == 1 else fmean(values)
    return seen[-1].model_copy(update={"value": value, "seconds": seconds})


def _is_time(measurement: Measurement) -> bool:
    """Whether the value is a time itself, not the rate at which something was done."""
    return measurement.seconds == measurement.value
