"""Who else has a say: bounds and plug-ins on a proposal, on a winner, and on whether to go on.

Both can only be stricter than the engine. Writes nothing but git objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maabarium.acceptance.judge import Decision
from maabarium.blueprint.schema import Blueprint
from maabarium.engine.actions import RunRepository
from maabarium.engine.budget import since_promotion
from maabarium.engine.running_experiment import RunningExperiment
from maabarium.errors import BudgetError, MaabariumError, ProposalError, ProviderError, WorkspaceError
from maabarium.events import RunRecord
from maabarium.plugins.hookspecs import DecisionRequest, ProposalCheck, StopRequest
from maabarium.plugins.manager import PluginManager
from maabarium.records import Call, Draft, Evaluation, Experiment, Outcome, Proposal, ReasonCode

__all__ = ["Checks", "calls_and_drafts_of"]


@dataclass(frozen=True)
class Checks:
    """Looks at proposals before they cost an evaluation, and at winners before they are kept."""

    blueprint: Blueprint
    repository: RunRepository
    plugins: PluginManager

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
        objections = [str(p) for found in self.plugins.hook.maabarium_check_proposal(request=check) for p in found]
        return tree, "policy_objection" if objections else None, "; ".join(objections)

    def check_winner(
        self, running: RunningExperiment, decision: Decision, baseline: Evaluation, run: RunRecord
    ) -> Decision:
        """The decision itself, or a rejection: promotion may be off, and a plug-in may be stricter than the judge."""
        if not run.promote:
            reason = f"{decision.reason}; not kept, because promotion is off"
            return Decision("lose", "rejected", "policy_objection", reason, decision.effect, decision.interval)
        outcome = running.outcome(self.blueprint, baseline, decision, branch=run.branch)
        said = self.plugins.hook.maabarium_decide(request=DecisionRequest(self.blueprint, outcome))
        if said is None or said[0] == "promoted":
            return decision
        return Decision("lose", said[0], said[1], said[2], decision.effect, decision.interval)

    def reason_to_stop(self, latest: Sequence[Outcome], evaluations: int, seconds: float) -> str | None:
        """Why a plug-in wants the run to end, if one does. `latest`: outcomes without the baseline, newest first."""
        since = since_promotion(latest)
        promoted = sum(outcome.verdict == "promoted" for outcome in latest)
        request = StopRequest(self.blueprint, len(latest), promoted, since, evaluations, seconds)
        reason = self.plugins.hook.maabarium_should_stop(request=request)
        return str(reason) if reason else None


def calls_and_drafts_of(answer: Proposal | MaabariumError) -> tuple[tuple[Call, ...], tuple[Draft, ...]]:
    """What an answer cost and what was written on the way to it, also when nothing came of it."""
    if isinstance(answer, Proposal | ProposalError | ProviderError):
        return answer.calls, answer.drafts
    return (), ()
