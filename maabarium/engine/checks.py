"""Who else has a say, always to be stricter: bounds, budget and plug-ins on proposals, winners, and going on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from maabarium.acceptance.judge import Decision
from maabarium.blueprint.schema import Blueprint, Budget
from maabarium.engine.actions import RunRepository
from maabarium.engine.running_experiment import RunningExperiment
from maabarium.errors import BudgetError, MaabariumError, PluginError, ProposalError, ReplayError, WorkspaceError
from maabarium.events import RunRecord
from maabarium.plugins.hookspecs import DecisionRequest, ProposalCheck, StopRequest
from maabarium.plugins.manager import FAILURES, PluginManager, ask, ask_lists
from maabarium.plugins.protocols import Strategy
from maabarium.records import REASON_CODES, Champion, Evaluation, Experiment, Outcome, Proposal, ReasonCode, Verdict
from maabarium.safe_text import listed
from maabarium.scoring import at_best

__all__ = ["Checks", "out_of_time", "spent_budget"]

Answer = TypeVar("Answer")

OVERRULING = ("promoted", "rejected", "invalid", "tampered", "error")
"""What a plug-in may make of a winner; `promoted` leaves it one."""
ONCE_WORSE = ("no_gain", "too_small")
"""Reasons that earlier versions stored as `worse`."""


@dataclass(frozen=True)
class Checks:
    """Looks at proposals before they cost an evaluation, and at winners before they are kept."""

    blueprint: Blueprint
    repository: RunRepository
    plugins: PluginManager
    strategy: Strategy

    def parent(self, champions: Sequence[Champion]) -> Champion:
        """The champion from which the next proposal starts. Raises PluginError when the strategy breaks."""
        chosen = self._of_strategy(lambda: self.strategy.parent(tuple(champions)))
        if chosen not in champions:
            kind = self.blueprint.strategy.kind
            raise PluginError(f'the strategy "{kind}" chose {chosen!r:.80}, which is no champion of this run')
        return chosen

    def _of_strategy(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except FAILURES as error:
            kind = self.blueprint.strategy.kind
            raise PluginError(f'the strategy "{kind}" failed: {type(error).__name__}: {error}') from error

    def check_answer(
        self, experiment: Experiment, answer: Proposal | MaabariumError, seen: Mapping[str, int]
    ) -> tuple[str, ReasonCode | None, str]:
        """The tree that an answer makes, and why it is not evaluated (None: it is). `seen`: tree -> experiment."""
        if isinstance(answer, ProposalError):
            return "", answer.reason_code, str(answer)
        if isinstance(answer, BudgetError):
            return "", "budget_spent", str(answer)
        if isinstance(answer, MaabariumError):
            return "", "provider_failed", str(answer)
        try:
            tree = self.repository.examine(experiment.parent_tree, answer.edits)
        except ProposalError as error:
            return "", error.reason_code, str(error)
        except WorkspaceError as error:
            return "", "internal", str(error)
        if tree == experiment.parent_tree:
            return tree, "no_effect", "the proposal changes nothing"
        if tree in seen:
            return tree, "duplicate", f"the same tree as experiment {seen[tree]}"
        check = ProposalCheck(self.blueprint, answer, experiment)
        try:
            objections = [str(problem) for problem in ask_lists(self.plugins, "check_proposal", check)]
        except PluginError as error:
            return tree, "internal", str(error)
        return tree, "policy_objection" if objections else None, "; ".join(objections)

    def check_winner(
        self, running: RunningExperiment, decision: Decision, baseline: Evaluation, champion: Champion, run: RunRecord
    ) -> Decision:
        """The decision itself, or a rejection: promotion may be off, strategy and plug-ins stricter than the judge."""
        rejected = replace(decision, next="lose", verdict="rejected", reason_code="policy_objection")
        if not run.promote:
            return replace(rejected, reason=f"{decision.reason}; not kept, because promotion is off")
        outcome = running.outcome(self.blueprint, baseline, decision, branch=run.branch)
        request = DecisionRequest(self.blueprint, outcome)
        try:
            if not self._of_strategy(lambda: self.strategy.replaces(outcome, champion)):
                kind = self.blueprint.strategy.kind
                return replace(rejected, reason=f'{decision.reason}; the strategy "{kind}" keeps the champion')
            plugin, said = next(ask(self.plugins, "decide", request), ("", None))
        except PluginError as error:
            return Decision("error", "error", "internal", str(error))
        match said:
            case None:
                return decision
            case [str(verdict), str(code), str(reason)] if verdict in OVERRULING and code in REASON_CODES:
                overruled = replace(rejected, verdict=cast(Verdict, verdict), reason_code=code, reason=reason)
                return decision if verdict == "promoted" else overruled
        wanted = "which is not (verdict, reason code, reason)"
        problem = f"the plug-in {plugin} answered maabarium_decide with {said!r:.80}, {wanted}"
        return Decision("error", "error", "internal", problem)

    def compare(self, running: RunningExperiment, stored: Outcome, decision: Decision | None) -> None:
        """Whether a replayed experiment was decided as it is stored. Raises ReplayError.

        What may have been decided elsewhere: the time was over between pairs; a winner was not let through.
        """
        if decision is None:
            matches = stored.reason_code == "budget_spent" and bool(running.pairs)
        elif decision.next == "keep" and running.number and stored.verdict != "promoted":
            others = any(True for _ in self.plugins.hook.maabarium_decide.get_hookimpls())
            matches = others or stored.reason_code in ("policy_objection", "promotion_failed", "internal")
        else:
            codes = (decision.reason_code, *(("worse",) if decision.reason_code in ONCE_WORSE else ()))
            matches = stored.verdict == decision.verdict and stored.reason_code in codes
        if not matches:
            now = f"{decision.verdict} ({decision.reason_code})" if decision else "not decided"
            raise ReplayError(
                f"experiment {stored.number} is stored as {stored.verdict} ({stored.reason_code}), but by what was "
                f"measured it is {now}: the run cannot be resumed with this version; start a new run"
            )

    def nothing_left(self, champion: Champion) -> str | None:
        """A sentence when no objective can get better than it is in this champion."""
        found = {measurement.source: measurement for measurement in champion.evaluation.measurements}
        objectives = self.blueprint.objectives
        if not all(each.source in found and at_best(each, found[str(each.source)]) for each in objectives):
            return None
        return f"nothing is left to gain: {listed(each.name for each in objectives)} cannot get better"

    def reason_to_stop(self, latest: Sequence[Outcome], evaluations: int, seconds: float) -> str | None:
        """Why a plug-in wants the run to end, if any. `latest`: newest first, without baseline. Raises PluginError."""
        since = _since_promotion(latest)
        promoted = sum(outcome.verdict == "promoted" for outcome in latest)
        request = StopRequest(self.blueprint, len(latest), promoted, since, evaluations, seconds)
        _, reason = next(ask(self.plugins, "should_stop", request), ("", None))
        return str(reason) if reason else None


def spent_budget(budget: Budget, latest: Sequence[Outcome], evaluations: int, seconds: float) -> str | None:
    """A sentence when a limit is reached, else None. `latest` are the outcomes, newest first, without the baseline."""
    failures = next((n for n, o in enumerate(latest) if o.verdict not in ("invalid", "error")), len(latest))
    since = _since_promotion(latest)
    if budget.consecutive_failures and failures >= budget.consecutive_failures:
        return f"{failures} experiments in a row were invalid or broke (budget.consecutive_failures)"
    if budget.patience and since >= budget.patience:
        return f"{since} experiments in a row without a promotion (budget.patience)"
    if budget.evaluations and evaluations >= budget.evaluations:
        return f"{evaluations} evaluations were made (budget.evaluations)"
    if out_of_time(budget, seconds):
        return f"{seconds:.0f} s have passed (budget.wall_seconds)"
    return None


def _since_promotion(latest: Sequence[Outcome]) -> int:
    """How many experiments ended since the last one that was kept; `latest` is newest first."""
    return next((n for n, outcome in enumerate(latest) if outcome.verdict == "promoted"), len(latest))


def out_of_time(budget: Budget, seconds: float) -> bool:
    """Whether the wall time is over."""
    return budget.wall_seconds is not None and seconds >= budget.wall_seconds
