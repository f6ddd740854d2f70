"""The engine: asks for work, is told results, and decides. One thread; the only writer of store and branch.

It knows no futures, processes, terminals or pytest. Every transition is stored before it takes effect, and
`start` rebuilds the state from the stored transitions by the same methods that made them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from maabarium.acceptance.judge import RULES, Decision
from maabarium.blueprint.schema import Blueprint
from maabarium.engine.actions import Action, Done, RunRepository, RunStore
from maabarium.engine.checks import Checks, out_of_time, spent_budget
from maabarium.engine.run_state import RunState
from maabarium.engine.running_experiment import RunningExperiment, baseline_of, experiment_of
from maabarium.errors import BudgetError, MaabariumError, PluginError, ProposalError, WorkspaceError
from maabarium.events import (
    Decided,
    Journal,
    MeasuredEvent,
    Promoting,
    Proposed,
    RunFinished,
    RunRecord,
    RunStarted,
    RunStatus,
    Transition,
)
from maabarium.plugins.hookspecs import ExperimentStart, RunFinish, RunStart
from maabarium.plugins.manager import PluginManager, notify
from maabarium.plugins.protocols import ProposalRequest, Strategy
from maabarium.records import EXHAUSTED, Evaluation, Measured, Outcome, Proposal, ReasonCode
from maabarium.worker.job import MeasureJob

__all__ = ["Engine"]


class Engine:
    """The keep-winner loop as ask and tell. `capacity` is how many experiments may be under way at once; `began_with`
    is the blueprint of a resumed run whose budget has changed: what was measured under it is judged by it."""

    def __init__(
        self,
        blueprint: Blueprint,
        run: RunRecord,
        *,
        store: RunStore,
        repository: RunRepository,
        plugins: PluginManager,
        strategy: Strategy,
        began_with: Blueprint | None = None,
        capacity: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.blueprint = blueprint
        self.run = run
        self.state = RunState(began_with or blueprint, run.seed, repository, run.rules)
        self.stopping: Done | None = None
        self._store = store
        self._repository = repository
        self._plugins = plugins
        self._checks = Checks(blueprint, repository, plugins, strategy)
        self._capacity = capacity
        self._clock = clock
        self._began = clock()
        self._ready: deque[MeasureJob] = deque()
        self._proposing: set[int] = set()
        self._latest: Transition | None = None
        """The last event of the journal."""

    # --- starting and resuming ---

    def start(self) -> list[Outcome]:
        """Begin the run, or take it up; the known outcomes. ReplayError: a stored one would be decided otherwise."""
        journal = self._store.journal(self.run.run_id)
        self._latest = journal[-1] if journal else None
        notify(self._plugins, "run_start", RunStart(self.run.run_id, self.blueprint, bool(journal)))
        if not journal:
            self._append(RunStarted(run=self.run))
        self.state.rejections.update(self._store.rejections(self.run.target, apart_from=self.run.run_id))
        done = self._replay(journal)
        if not self.state.under_way and 0 not in self.state.outcomes:
            event = baseline_of(self.run, self.state.seed_of(0))
            self._append(event)
            self.state.add_proposal(event)
        for running in self.state.under_way.values():
            if running.job:
                self._restore(running)
                self._ready.append(running.job)
        return done

    def _restore(self, running: RunningExperiment) -> None:
        """Make the tree that is to be measured once more: the private repository may have been cleared away."""
        if running.tree == running.experiment.tree and running.proposal.edits:
            with suppress(ProposalError, WorkspaceError):  # the measurement will say what is wrong
                self._repository.examine(running.experiment.parent_tree, running.proposal.edits)

    def _replay(self, journal: Journal) -> list[Outcome]:
        """Repeat what was stored, then carry out what was decided but not concluded. Raises ReplayError.

        What earlier rules of acceptance decided stands as it is stored; the rest of such a run is decided by today's.
        """
        under_way = self.state.under_way
        pending: dict[int, Decision] = {}
        intents: dict[int, Promoting] = {}
        done: list[Outcome] = []
        for event in journal:
            if isinstance(event, Proposed):
                number, decision = event.experiment.number, self.state.add_proposal(event)
            elif isinstance(event, MeasuredEvent):
                number = event.measured.number
                decision = self.state.add_measurement(under_way[number], event.measured)
            elif isinstance(event, Promoting):
                intents[event.number] = event
                continue
            elif isinstance(event, Decided) and event.outcome.verdict != "cancelled":
                number, decision = event.outcome.number, None
                if self.run.rules == RULES:
                    self._checks.compare(under_way[number], event.outcome, pending.get(number))
                self._conclude(under_way[number], event.outcome)
                done.append(event.outcome)
            else:
                continue
            pending.pop(number, None)
            if decision:
                pending[number] = decision
        if self.run.rules < RULES:
            pending |= {number: self.state.winner_of_before(under_way[number]) for number in intents.keys() & under_way}
        for number, decision in pending.items():
            done += self._settle(under_way[number], decision, intents.get(number))
        return done

    # --- asking ---

    def ask(self) -> Action:
        """The next thing to do."""
        if self._ready:
            return self._ready.popleft()
        state = self.state
        known = state.outcomes.keys() | state.under_way.keys() | self._proposing
        number = next(n for n in count(1) if n not in known)  # a kill may have lost an earlier one, unproposed
        if self.stopping or (state.champions and number > self.run.max_iterations):
            if state.under_way or self._proposing:
                return None
            self._stop("completed", "kept", "all experiments are done")
            return self.stopping
        if not state.champions or len(state.under_way) + len(self._proposing) >= self._capacity:
            return None
        try:
            parent = self._checks.parent(state.champions)
        except PluginError as error:
            self._stop("failed", "internal", str(error))
            return self.ask()
        self._proposing.add(number)
        notify(self._plugins, "experiment_start", ExperimentStart(self.run.run_id, number))
        return self.state.request(number, parent)

    # --- being told ---

    def tell_proposal(
        self, request: ProposalRequest, answer: Proposal | MaabariumError | None, seconds: float
    ) -> list[Outcome]:
        """A proposer answered, failed, or (None) has nothing left; `seconds` is what it took."""
        self._proposing.discard(request.number)
        if answer is None:
            self._stop("completed", "exhausted", EXHAUSTED)
            return []
        if isinstance(answer, BudgetError):
            self._stop("completed", "budget_spent", str(answer))
            if not answer.calls:
                return []
        proposal = answer.model_copy(update={"calls": (), "drafts": ()}) if isinstance(answer, Proposal) else None
        experiment = experiment_of(request, proposal)
        tree, code, reason = self._checks.check_answer(experiment, answer, self.state.seen)
        event = Proposed(
            experiment=experiment.model_copy(update={"tree": tree}),
            proposal=proposal,
            reason_code=code,
            reason=reason,
            planning_seconds=seconds,
            calls=answer.calls,
            drafts=answer.drafts,
        )
        self._append(event)
        decision = self.state.add_proposal(event)
        running = self.state.under_way[request.number]
        known = None if decision else self.state.known(tree, self._store)
        if known is not None:
            return self.tell_measured(Measured(number=running.number, stage="screen", candidate=known))
        return self._proceed(running, decision)

    def tell_measured(self, measured: Measured) -> list[Outcome]:
        """A measurement came back."""
        running = self.state.under_way[measured.number]
        champion_tree = running.parent.tree if running.parent else ""
        self._append(MeasuredEvent(measured=measured, tree=running.tree, champion_tree=champion_tree))
        return self._proceed(running, self.state.add_measurement(running, measured))

    def cancel(self, reason: str) -> list[Outcome]:
        """Interrupted: what is under way is recorded as cancelled; a resumed run takes it up again."""
        self._ready.clear()
        cancelled = Decision("lose", "cancelled", "interrupted", reason)
        under_way = list(self.state.under_way.values())
        outcomes = [outcome for running in under_way for outcome in self._settle(running, cancelled)]
        self.stopping = Done("interrupted", "interrupted", reason)
        return outcomes

    def finish(self) -> Done:
        """Store the end of the run; once, if a run that had ended was resumed and nothing was left to do."""
        end = self.stopping or Done("interrupted", "interrupted", "the run was left before its end")
        finished = RunFinished(state=end.state, reason_code=end.reason_code, reason=end.reason)
        if finished != self._latest:
            self._append(finished)
        finish = RunFinish(self.run.run_id, end.state, end.reason, self.state.promoted)
        notify(self._plugins, "run_finish", finish)
        return end

    # --- deciding ---

    def _proceed(self, running: RunningExperiment, decision: Decision | None) -> list[Outcome]:
        if decision is None and running.job and running.pairs and out_of_time(self.blueprint.budget, self.seconds):
            decision = Decision("lose", reason_code="budget_spent", reason="the run's time was over before that")
        if decision:
            return self._settle(running, decision)
        if running.job:
            self._ready.append(running.job)
        return []

    def _settle(self, running: RunningExperiment, decision: Decision, intent: Promoting | None = None) -> list[Outcome]:
        """Carry a decision out and conclude the experiment."""
        commit = "" if running.number else self.run.start_commit
        if decision.next == "keep" and running.number and intent is None:  # with an intent it was settled before
            baseline, champion = self.state.baseline, self.state.champions[-1]
            decision = self._checks.check_winner(running, decision, baseline, champion, self.run)
        if decision.next == "keep" and running.number:
            try:
                commit = self._promote(running, intent)
            except WorkspaceError as error:
                decision = Decision("error", "error", "promotion_failed", str(error))
        baseline = self.state.baseline if running.number else running.settled() or Evaluation()
        outcome = running.outcome(self.blueprint, baseline, decision, branch=self.run.branch, commit=commit)
        self._append(Decided(outcome=outcome))
        self._conclude(running, outcome)
        notify(self._plugins, "experiment_finish", outcome)
        return [outcome]

    def _promote(self, running: RunningExperiment, intent: Promoting | None) -> str:
        """Commit and move the branch, with the intent stored in between. Safe to repeat after a kill."""
        began = time.perf_counter()
        if intent is None:
            parent = self.state.champions[-1].commit
            commit = self._repository.commit(running.tree, parent, running.number, running.proposal.summary)
            old = self._repository.branch_tip() or ""
            intent = Promoting(number=running.number, branch=self.run.branch, old=old, new=commit)
            self._append(intent)
        if self._repository.branch_tip() != intent.new:
            self._repository.promote(intent.new, intent.old or None)
        running.phases["promoting"] = time.perf_counter() - began
        return intent.new

    def _conclude(self, running: RunningExperiment, outcome: Outcome) -> None:
        self.state.conclude(running, outcome)
        if not running.number and not self.state.champions and outcome.verdict != "cancelled":
            self._stop("failed", outcome.reason_code, f"the baseline failed: {outcome.reason}")
        elif running.number:
            state, seconds = self.state, self.seconds
            latest = [state.outcomes[number] for number in sorted(state.outcomes, reverse=True) if number]
            reason = spent_budget(self.blueprint.budget, latest, state.evaluations, seconds)
            try:
                reason = reason or self._checks.reason_to_stop(latest, state.evaluations, seconds)
            except PluginError as error:
                self._stop("failed", "internal", str(error))
            if reason:
                self._stop("completed", "budget_spent", str(reason))
            if outcome.verdict == "promoted" and (left := self._checks.nothing_left(state.champions[-1])):
                self._stop("completed", "exhausted", left)

    @property
    def seconds(self) -> float:
        """How long the run has taken since it began or was taken up."""
        return self._clock() - self._began

    def _stop(self, status: RunStatus, code: ReasonCode, reason: str) -> None:
        self.stopping = self.stopping or Done(status, code, reason)

    def _append(self, transition: Transition) -> None:
        event = self._store.append(self.run.run_id, transition)
        self._latest = transition
        notify(self._plugins, "event", event)
