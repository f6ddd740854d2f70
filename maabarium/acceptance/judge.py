"""From what was measured of a candidate to what happens next: pairs, an audit, kept, or lost with a reason. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from maabarium.acceptance.estimate import Interval, median_interval
from maabarium.acceptance.sequential import PairTest, layout_matters, test_of_gain
from maabarium.acceptance.stable_tests import without_stable_tests
from maabarium.acceptance.steadiness import lasted
from maabarium.blueprint.schema import Blueprint, Metric
from maabarium.records import Champion, Evaluation, Measured, ReasonCode, Verdict
from maabarium.scoring import factor, log_effect, unscorable, weighted_total

__all__ = ["RULES", "Decision", "Judge", "noisy_sources"]

RULES = 4
"""Version of the rules in this room; a run keeps that with which it began. 1: one sample decided who was confirmed. 2:
sides were as long on a coarse instrument as on a fine one. 3: winners were kept although no test could have stopped
them."""

SHOWN = 0.05
"""Percent that are shown as more than 0.0."""
CLEARLY_WORSE = math.log(0.995)
"""What is called worse is also shown as such: `x0.99`, not `x1.00`."""
GUARD_ALPHA = 0.05
NOISY_TOLERANCE = 0.05
"""Tolerance of a noisy guard that names none: "not worse at all" can never be shown of a noisy number."""


@dataclass(frozen=True)
class Decision:
    """What comes next; `verdict`, `reason_code` and `reason` are set when it is the end."""

    next: Literal["pair", "audit", "keep", "lose", "error"]
    verdict: Verdict = "rejected"
    reason_code: ReasonCode = "worse"
    reason: str = ""
    effect: float | None = None
    interval: Interval | None = None
    promising: bool = False
    """With `pair`: the pairs after this one are evidence, at a share of the run's error budget."""


def noisy_sources(blueprint: Blueprint, baseline: Evaluation) -> frozenset[str]:
    """Sources whose values differ from run to run: declared so, taken by a clock, or seen to differ."""
    varying = {measurement.source for measurement in baseline.measurements if measurement.clock}.union(baseline.noisy)
    return frozenset(
        str(metric.source)
        for metric in blueprint.metrics.metrics
        if (metric.noisy if metric.noisy is not None else str(metric.source) in varying)
    )


def _lose(code: ReasonCode, reason: str, effect: float | None = None, interval: Interval | None = None) -> Decision:
    verdicts: dict[ReasonCode, Verdict] = {"tampered": "tampered", "out_of_bounds": "invalid"}
    return Decision("lose", verdicts.get(code, "rejected"), code, reason, effect, interval)


def _percent(log_ratio: float) -> str:
    share = math.expm1(log_ratio) * 100
    return f"{share:+.1f} %" if abs(share) >= SHOWN else "0.0 %"


def _lost(
    verdict: Literal["worse", "undecided"], ratios: Sequence[float], effect: float, bounds: Interval | None
) -> tuple[ReasonCode, str]:
    """What pairs that end a candidate allow to say. "Worse" is a claim: its interval, or each of several pairs, has to
    lie below 1, by what a percentage shows; else no gain was seen."""
    wins, count = sum(ratio > 0 for ratio in ratios), len(ratios)
    seen = (
        f"one pair, {_percent(effect)}"
        if count == 1
        else f"better in {wins} of {count} pairs, median {_percent(effect)}"
    )
    if verdict == "undecided":
        return "undecided", f"{seen}: not more than noise"
    below = bounds[1] < 1 if bounds else wins == 0 and count > 1
    return ("worse", seen) if below and effect < CLEARLY_WORSE else ("no_gain", f"{seen}: no gain")


@dataclass(frozen=True)
class Judge:
    """Judges candidates of one run against one champion.

    `deviation` is the known one of the log ratio of equal programs, 0 when nobody knows. `index`, from 1, says which
    share of the error budget the candidate has; 0 while it is not found promising.
    """

    blueprint: Blueprint
    baseline: Evaluation
    champion: Champion
    noisy: frozenset[str]
    deviation: float = 0.0

    @property
    def decides_by_pairs(self) -> bool:
        """Whether an objective is noisy, so that a gain must be shown statistically."""
        return any(metric.source in self.noisy for metric in self.blueprint.objectives)

    def _gates(self, evaluation: Evaluation, metrics: Iterable[Metric]) -> Decision | None:
        gate = evaluation.failed_gate
        if gate is not None:
            return _lose(gate.reason_code, gate.detail or f"the gate {gate.name} failed")
        problem = unscorable(metrics, evaluation)
        return _lose("gate_failed", problem) if problem else None

    def _guards(self, evaluation: Evaluation) -> Decision | None:
        base, values = self.baseline.values(), evaluation.values()
        for guard in self.blueprint.guards:
            source = str(guard.source)
            if source in self.noisy:
                continue
            ratio = factor(guard, base[source], values[source])
            if ratio < 1 - guard.tolerance - 1e-12:
                return _lose(
                    "guard_failed",
                    f"{guard.name} went from {base[source]:g} to {values[source]:g}, "
                    f"worse than the {guard.tolerance:.0%} that its guard allows",
                )
        return None

    def screen(self, evaluation: Evaluation) -> Decision:
        """After the first full evaluation: gates, guards, and the total where all objectives are exact."""
        failed = self._gates(evaluation, self.blueprint.metrics.metrics) or self._guards(evaluation)
        if failed:
            return failed
        unproven = without_stable_tests(self.blueprint, self.baseline)
        if unproven:
            return _lose("grader_unproven", unproven)
        objectives = self.blueprint.objectives
        if self.decides_by_pairs:
            return Decision("pair")
        total = weighted_total(objectives, self.baseline.values(), evaluation)
        needed = self.champion.total + self.blueprint.constraints.min_improvement
        if total > needed:
            return Decision("pair" if self.noisy else "audit")
        return self._not_enough(total, needed)

    def _not_enough(self, total: float, needed: float) -> Decision:
        """Of exact objectives: the same, better by too little, or worse."""
        before, least = self.champion.total, self.blueprint.constraints.min_improvement
        if math.isclose(total, before, abs_tol=1e-12):
            return _lose("no_gain", f"score {total:.4f}, the same as the champion's")
        if total > before:
            asked = f"constraints.min_improvement = {least:g} asks for more than {needed:.4f}"
            return _lose("too_small", f"better, but too little: score {before:.4f} -> {total:.4f}; {asked}")
        return _lose("worse", f"score {before:.4f} -> {total:.4f}")

    def confirm(self, screened: Evaluation, pairs: Sequence[Measured], index: int) -> Decision:
        """After each pair: gates of both sides, the sequential test of a noisy objective, then noisy guards."""
        last = pairs[-1]
        noisy = [metric for metric in self.blueprint.metrics.metrics if metric.source in self.noisy]
        sides = (("champion", last.champion or Evaluation()), ("candidate", last.candidate or Evaluation()))
        for metrics in ([], noisy):  # what one side loses ends the pair before the other is measured in full
            for side, evaluation in sides:
                failed = self._gates(evaluation, metrics)
                if failed and side == "champion":
                    why = f"the champion itself failed beside it: {failed.reason}"
                    return Decision("error", "error", "internal", why)
                if failed:
                    return failed
        ratios, effect, bounds = self.estimate(screened, pairs)
        if self.decides_by_pairs:
            test = test_of_gain(self.blueprint.acceptance, index, self.deviation)
            standing = test.judge(ratios, [pair.server for pair in pairs])
            if standing.verdict == "continue":
                return Decision("pair", effect=math.exp(effect), promising=standing.promising)
            if standing.verdict != "better":
                code, reason = _lost(standing.verdict, ratios, effect, bounds)
                return _lose(code, reason, math.exp(effect), bounds)
        guarded = self._noisy_guards(pairs)
        if guarded is not None:
            return guarded
        reason = f"better by {_percent(effect)} in {len(ratios)} pairs" if self.decides_by_pairs else "guards held"
        return Decision("audit", "promoted", "kept", reason, math.exp(effect), bounds)

    def estimate(self, screened: Evaluation, pairs: Sequence[Measured]) -> tuple[list[float], float, Interval | None]:
        """Log ratios of the pairs, their median, and the interval of the factor."""
        ratios = [self.pair_effect(screened, pair) for pair in pairs]
        interval = median_interval(ratios)
        return ratios, median(ratios), interval and (math.exp(interval[0]), math.exp(interval[1]))

    def pair_effect(self, screened: Evaluation, pair: Measured) -> float:
        """Weighted log ratio of one pair; deterministic objectives keep their screening values."""
        champion = self.champion.evaluation.values() | (pair.champion or Evaluation()).values()
        candidate = screened.values() | (pair.candidate or Evaluation()).values()
        return log_effect(self.blueprint.objectives, champion, candidate)

    def believed(self, screened: Evaluation | None, pairs: Sequence[Measured]) -> Decision:
        """The decision on a candidate that earlier rules decided to keep; its pairs, if any, say by how much."""
        effect = bounds = None
        if pairs:
            _, middle, bounds = self.estimate(screened or Evaluation(), pairs)
            effect = math.exp(middle)
        return Decision("keep", "promoted", "kept", "decided by the rules of an earlier version", effect, bounds)

    def shown(self, screened: Evaluation | None, pairs: Sequence[Measured]) -> tuple[list[float], list[float]]:
        """The log ratios of pairs, and the CPU seconds of a side of each (0 where no CPU clock reads what is noisy)."""
        ratios = [self.pair_effect(screened or Evaluation(), pair) for pair in pairs]
        return ratios, [lasted(pair.champion, self.noisy) for pair in pairs]

    def _noisy_guards(self, pairs: Sequence[Measured]) -> Decision | None:
        """Non-inferiority: the loss is shown to be within the tolerance, or more pairs are needed, or it fails."""
        for guard in self.blueprint.guards:
            source = str(guard.source)
            tolerance = guard.tolerance or NOISY_TOLERANCE
            if source not in self.noisy or tolerance >= 1:
                continue
            allowed = -math.log1p(-tolerance)
            margins = [
                math.log(factor(guard, pair.champion.values()[source], pair.candidate.values()[source])) + allowed
                for pair in pairs
                if pair.champion and pair.candidate
            ]
            test = PairTest(0.0, GUARD_ALPHA, self.blueprint.acceptance.max_pairs, screened=False)
            test = replace(test, by_server=layout_matters(allowed))
            verdict = test.judge(margins, [pair.server for pair in pairs]).verdict
            if verdict == "continue":
                return Decision("pair")
            if verdict != "better":
                held = sum(margin > 0 for margin in margins)
                return _lose(
                    "guard_failed",
                    f"{guard.name}: a loss of more than {tolerance:.0%} cannot be excluded "
                    f"({held} of {len(margins)} pairs within it)",
                )
        return None

    def audit(self, screened: Evaluation, audited: Evaluation, confirmed: Decision | None = None) -> Decision:
        """After the cold second run: what is not noisy must give the same numbers. `confirmed`: what pairs said."""
        failed = self._gates(audited, self.blueprint.metrics.metrics)
        if failed:
            return failed
        first, second = screened.values(), audited.values()
        for metric in self.blueprint.metrics.metrics:
            was, now = first[str(metric.source)], second[str(metric.source)]
            if metric.source not in self.noisy and not math.isclose(was, now, rel_tol=1e-9, abs_tol=1e-12):
                reason = f"{metric.name} gave {was:g}, then {now:g}: it is noisy; say `noisy = true`"
                return _lose("undecided", reason)
        if confirmed and self.decides_by_pairs:
            return replace(confirmed, next="keep")
        total = weighted_total(self.blueprint.objectives, self.baseline.values(), screened)
        effect = log_effect(self.blueprint.objectives, self.champion.evaluation.values(), first)
        return Decision("keep", "promoted", "kept", f"score {self.champion.total:.4f} -> {total:.4f}", math.exp(effect))
