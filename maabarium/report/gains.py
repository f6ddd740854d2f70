"""What a stored run gained: by metric, by winner, what it could have found, and what to try when it gained nothing.

Pure arithmetic on records. Knows no terminal, no file and no template; raw texts stay untrusted in here.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from statistics import median

from maabarium.acceptance.estimate import Interval, deviation, median_interval
from maabarium.acceptance.sequential import detectable, test_of_gain
from maabarium.blueprint.schema import Metric
from maabarium.events import RunView, Sample
from maabarium.records import COMBINATION, EXHAUSTED, MetricEffect, Outcome, ReasonCode
from maabarium.report.levels import acceptance_of, calibration_ratios, decided, log_factor, metric_of, power, ranges_of
from maabarium.scoring import improved

__all__ = [
    "MetricGain", "advice", "baseline_failure", "decided", "metric_gains", "phase_seconds", "reasons",
    "smallest_gain", "spread_of",
]  # fmt: skip

OF_THE_SUITE = ("tests.cpu", "tests.duration")
"""Metrics of all tests together, in which what a change gains is lost."""
FEW = 6
"""Pairs below which the noise is not known."""
SCREENING = 2
"""Pairs that most candidates get before a share of the error budget is spent on them."""
MOST = 2
"""Pieces of advice at a time."""

HINTS: dict[ReasonCode, str] = {
    "worse": "let more files change (domain.target_files), allow more experiments, or try another proposer",
    "no_gain": "let more files change (domain.target_files), allow more experiments, or try another proposer",
    "too_small": "lower constraints.min_improvement to 0: what was found is better, by less than it asks for",
    "undecided": "measure longer work or a quieter machine, or raise acceptance.max_pairs",
    "gate_failed": "look at `maabarium history`: the changes broke the tests or rules",
    "guard_failed": "a guard forbids what the changes cost; raise its tolerance if that is acceptable",
    "timeout": "raise constraints.timeout_seconds if the suite itself is close to it",
    "duplicate": "the proposer repeats itself: let more files change, or try another proposer",
    "no_effect": "the proposer changes nothing: let more files change, or try another proposer",
    "out_of_bounds": "the proposer leaves domain.target_files, or changes tests in them: see `maabarium history`",
    "grader_unproven": "make the flaky tests end alike each time, or add rules that do (docs/rules.md)",
    "unparseable": "the proposer's answers cannot be read; try another model or proposer",
    "does_not_apply": "the proposer's edits do not fit the files; try another model or proposer",
    "provider_failed": "the model could not be asked; see the reasons in `maabarium history`",
    "policy_objection": "see the reasons in `maabarium history`; with promotion off nothing is ever kept",
    "internal": "something on our side broke; see the reasons in `maabarium history`",
}
RULE = (
    "counts all tests, among which a gain is lost: write a rule that times the work that matters "
    "(`maabarium init --rules` makes one to begin with; docs/rules.md), or measure longer work"
)
MEASURED: tuple[ReasonCode, ...] = ("worse", "no_gain", "undecided")
TRIED_ALL = (
    "all that the proposer knows was tried: let more files change (domain.target_files), or try another proposer"
)


PairRatios = Mapping[int, Mapping[str, list[float]]]
"""Log improvement factors of the pairs, by experiment and source."""


@dataclass(frozen=True)
class MetricGain:
    """One metric from the baseline to the last champion."""

    row: MetricEffect
    """The metric as the champion's outcome has it; its name, unit and so on are those of the metric."""
    baseline: float | None
    """Median of all that the baseline gave, alone and beside candidates."""
    champion: float | None
    """`baseline` times `factor` where pairs proved it, else as measured; the baseline's own when nothing was kept."""
    factor: float | None
    """Product of the confirmed steps; for what took no pairs, champion against baseline."""
    interval: Interval | None
    """95 % interval of `factor`; None when every step is exact, or one of them has too few pairs."""


def spread_of(outcome: Outcome) -> Interval | None:
    """The interval of an outcome's effect; None where nothing varied, as with pairs made for a noisy guard only."""
    bounds = outcome.interval
    return None if bounds is None or bounds[0] == bounds[1] else bounds


def baseline_failure(view: RunView) -> Outcome | None:
    """The baseline's outcome when it did not hold."""
    return next((each for each in view.outcomes if each.number == 0 and each.reason_code != "baseline"), None)


def metric_gains(view: RunView) -> tuple[MetricGain, ...]:
    """Every metric of the run, as the blueprint orders them; none when the baseline was not measured."""
    shown = view.champion or next((outcome for outcome in view.outcomes if outcome.number == 0), None)
    ratios, ranges, medians = pair_ratios(view), ranges_of(view), baseline_medians(view)
    gains = []
    for row in shown.metrics if shown is not None else ():
        steps = [ratios.get(winner.number, {}).get(row.source, []) for winner in view.kept]
        gains.append(_gain(row, metric_of(row, ranges), medians.get(row.source, row.baseline), steps))
    return tuple(gains)


def _gain(row: MetricEffect, metric: Metric, usual: float | None, steps: list[list[float]]) -> MetricGain:
    """`usual` is the baseline's median, `steps` are the pairs of each winner; a winner without pairs has none."""
    before, after = row.baseline, row.raw
    total: float | None = None
    bounds: Interval | None = None
    if not steps:
        before = after = usual
    elif all(steps):
        total, bounds, before = sum(median(values) for values in steps), _combined(steps), usual
        reached = None if before is None else improved(metric, before, power(total))
        after = row.raw if reached is None else reached
    else:
        total = log_factor(metric, before, after)
    return MetricGain(row, before, after, None if total is None else power(total), bounds)


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
    return power(middle - math.sqrt(below)), power(middle + math.sqrt(above))


def smallest_gain(view: RunView) -> float | None:
    """The relative improvement that this run would have found in 8 of 10 cases, given the noise of its pairs.

    None when there were too few pairs to know the noise, or no gain could have been found.
    """
    ratios = pair_ratios(view)
    residuals = calibration_ratios(view)
    for outcome in view.outcomes:
        rows, measured = [row for row in outcome.metrics if row.weight > 0], ratios.get(outcome.number, {})
        weight = sum(row.weight for row in rows)
        columns = [(row.weight, measured[row.source]) for row in rows if row.source in measured]
        if not columns or len({len(values) for _, values in columns}) != 1:
            continue
        series = [sum(share * values[pair] for share, values in columns) / weight for pair in range(len(columns[0][1]))]
        if len(series) > 1:
            lost = math.sqrt(len(series) / (len(series) - 1))  # their own median lies close to so few values
            residuals += [lost * (value - median(series)) for value in series]
    if len(residuals) < FEW:
        return None
    tested = sum(outcome.pairs > SCREENING and outcome.verdict != "promoted" for outcome in view.outcomes)
    found = detectable(test_of_gain(acceptance_of(view), 1 + tested, deviation(residuals, 0.0)))
    return None if found is None else math.expm1(found)


def phase_seconds(view: RunView) -> dict[str, float]:
    """Seconds by phase, longest first, over all experiments (of workers side by side: added up)."""
    total: dict[str, float] = defaultdict(float)
    for outcome in view.outcomes:
        for phase, seconds in outcome.phases.items():
            total[phase] += seconds if math.isfinite(seconds) and seconds > 0 else 0.0
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def reasons(view: RunView) -> list[tuple[ReasonCode, int]]:
    """Why proposals were not kept, most frequent first."""
    counts = Counter(outcome.reason_code for outcome in decided(view) if outcome.verdict != "promoted")
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def pair_ratios(view: RunView) -> PairRatios:
    """Log factors of all complete pairs. Pairs that an experiment made before it was re-based are left out."""
    rows = {(o.number, row.source): row for o in view.outcomes for row in o.metrics}
    ranges = ranges_of(view)
    sides: dict[tuple[int, str, int], dict[str, float]] = {}
    for sample in _counting(view):
        if (sample.number, sample.source) in rows:
            sides.setdefault((sample.number, sample.source, sample.pair), {})[sample.side] = sample.value
    found: dict[int, dict[str, list[float]]] = {}
    for (number, source, _), side in sorted(sides.items(), key=itemgetter(0)):
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


def advice(view: RunView) -> list[str]:
    """What to do, the most useful first; empty when nobody knows."""
    if not view.run.promote:
        return ["promotion was off, so nothing could be kept; run without --maabarium-no-promote to keep winners"]
    codes = [code for code, _ in reasons(view)][:3]
    hints = dict(HINTS)
    found = []
    if codes and codes[0] in MEASURED:
        if suite := _of_the_suite(view):
            hints["undecided"] = f"{suite} {RULE}"
            found.append(hints["undecided"])
        if _exhausted(view):
            hints |= {"worse": TRIED_ALL, "no_gain": TRIED_ALL}
            codes.append("worse")
    found += [hints[code] for code in codes if code in hints]
    return list(dict.fromkeys(found))[:MOST]


def _of_the_suite(view: RunView) -> str:
    """The objective that measures all tests together, when nothing more telling is measured; else empty."""
    first = view.outcomes[0].metrics if view.outcomes else ()
    sources = [row.source for row in first if row.weight > 0]
    return sources[0] if sources and all(source in OF_THE_SUITE for source in sources) else ""


def _exhausted(view: RunView) -> bool:
    """Whether more experiments would be of no use; combinations come when each change alone was tried."""
    ended = view.state == "completed" and view.reason == EXHAUSTED
    return ended or any(outcome.origin.operator == COMBINATION for outcome in view.outcomes)
