"""What the history says about the values of each parameter, under an additive model.

Every attempt of this arm carries, for each parameter it changed, the new value under the parameter's site and
the old one under `was <site>`. An attempt that changed one parameter tells what that change earned; one that
changed several tells it for the last of them once the others are known. Gains of one parameter form a graph
over its values, so that a value measured at an earlier champion is known relative to the present one.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maabarium.acceptance.judge import noisy_sources
from maabarium.plugins.protocols import ProposalRequest
from maabarium.records import Attempt
from maabarium.scoring import weighted_total

__all__ = ["WAS", "Comparison", "Effects", "Move", "Scalar", "comparisons", "value_data", "value_text"]

Scalar = str | int | float | bool

BROKEN = frozenset({
    "gate_failed", "guard_failed", "tests_lost", "timeout", "crashed", "out_of_memory", "output_flood", "import_failed",
    "unparseable", "does_not_apply", "out_of_bounds", "tampered", "differs_from_champion",
})  # fmt: skip
MEASURED = frozenset({"kept", "worse", "no_gain", "too_small", "undecided", "no_effect", "policy_objection"})
WAS = "was "


@dataclass(frozen=True)
class Move:
    """One parameter changed from one value to another."""

    site: str
    old: str
    new: str


@dataclass(frozen=True)
class Comparison:
    """One finished attempt of this arm: what it changed and what that earned over its parent."""

    number: int
    parent: int
    moves: tuple[Move, ...]
    gain: float
    """Above 0 better, 0 no difference that counts, below 0 worse; minus infinity when it broke something."""
    promoted: bool


@dataclass(frozen=True)
class Effects:
    """Gains between values of each parameter. Made by `Effects.of`."""

    edges: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """site -> value -> other value -> gain of changing to the other one."""

    @classmethod
    def of(cls, found: Sequence[Comparison]) -> Effects:
        """Solve the comparisons one unknown at a time; what stays ambiguous is left out."""
        effects, waiting = cls(), list(found)
        while (left := [each for each in waiting if not effects._learn(each)]) != waiting:
            waiting = left
        return effects

    def known(self, site: str, present: str) -> dict[str, float]:
        """Gain of each known value of the parameter over its present value (which is in it, with 0)."""
        graph = self.edges.get(site, {})
        gains = {present: 0.0}
        queue = deque([present])
        while queue:
            value = queue.popleft()
            for other, gain in graph.get(value, {}).items():
                if other not in gains:
                    total = gains[value] + gain
                    gains[other] = 0.0 if abs(total) < 1e-9 or math.isnan(total) else total
                    queue.append(other)
        return gains

    def _learn(self, comparison: Comparison) -> bool:
        """Add what the comparison says, if at most one of its moves is unknown."""
        unknown = comparison.moves[0] if len(comparison.moves) == 1 else None
        rest = comparison.gain
        for move in comparison.moves:
            gain = self.known(move.site, move.old).get(move.new)
            if unknown is move:
                continue  # measured by itself: the latest word on it
            if gain is not None and math.isfinite(gain):
                rest -= gain
            elif unknown is None:
                unknown = move
            else:
                return False
        if unknown is None:
            return True
        if math.isinf(rest) and len(comparison.moves) > 1:
            return True  # something broke, and several moves may be to blame
        graph = self.edges.setdefault(unknown.site, {})
        graph.setdefault(unknown.old, {})[unknown.new] = rest
        if math.isfinite(rest):
            graph.setdefault(unknown.new, {})[unknown.old] = -rest
        return True


def comparisons(request: ProposalRequest) -> tuple[Comparison, ...]:
    """All attempts of the history that changed parameters and were graded, in order."""
    totals = _totals(request)
    sources = noisy_sources(request.blueprint, request.baseline)
    noisy = any(str(metric.source) in sources for metric in request.blueprint.objectives)
    found = []
    for attempt in request.history:
        moves = _moves(attempt.data)
        gain = _gain(attempt, totals, noisy, request.blueprint.acceptance.min_effect) if moves else None
        if gain is not None:
            outcome = attempt.outcome
            found.append(Comparison(outcome.number, outcome.parent, moves, gain, outcome.verdict == "promoted"))
    return tuple(found)


def value_data(text: str) -> Scalar:
    """A value as a proposal carries it: numbers and booleans as such, anything else as source text."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if repr(value := kind(text)) == text:
                return value
    return {"True": True, "False": False}.get(text, text)


def value_text(value: Scalar) -> str:
    """The inverse of `value_data`."""
    return value if isinstance(value, str) else repr(value)


def _moves(data: Mapping[str, Scalar]) -> tuple[Move, ...]:
    sites = [key.removeprefix(WAS) for key in data if key.startswith(WAS) and key.removeprefix(WAS) in data]
    return tuple(Move(site, value_text(data[WAS + site]), value_text(data[site])) for site in sites)


def _totals(request: ProposalRequest) -> dict[int, float]:
    """Totals by experiment number; the history leaves out the baseline, whose total its measurements give."""
    totals = {each.outcome.number: each.outcome.total for each in request.history if each.outcome.total is not None}
    totals[request.champion.number] = request.champion.total
    if 0 not in totals:
        objectives, baseline = request.blueprint.objectives, request.baseline
        with contextlib.suppress(KeyError):  # a source that the baseline lacks
            totals[0] = weighted_total(objectives, baseline.values(), baseline)
    return totals


def _gain(attempt: Attempt, totals: Mapping[int, float], noisy: bool, min_effect: float) -> float | None:
    """What the attempt earned, on the scale of totals; None when it says nothing about its changes."""
    outcome = attempt.outcome
    if outcome.verdict in ("error", "cancelled"):
        return None
    if outcome.reason_code not in MEASURED:
        return -math.inf if outcome.reason_code in BROKEN else None
    if outcome.reason_code == "policy_objection" and outcome.total is None:
        return None
    before = totals.get(outcome.parent)
    if noisy and outcome.effect is not None and outcome.effect > 0:
        # A total is r / (1 + r) of the improvement factor r, whose slope at 1 is a quarter.
        gain = math.log(outcome.effect) / 4
    elif outcome.total is not None and before is not None:
        gain = outcome.total - before
    else:
        gain = 0.0
    least = max(min_effect, 0.01) / 2 if noisy else 1e-9
    if outcome.verdict == "promoted":
        return max(gain, 2 * least)
    if outcome.reason_code == "policy_objection" and gain > least:
        return gain  # good, though somebody did not want to keep it
    return gain if gain < -least else 0.0
