"""The engine: asks for work, is told results, and decides. One thread; the only writer of store and branch.

It knows no futures, processes, terminals or pytest. Every transition is stored before it takes effect, and
`start` rebuilds the standings from the stored transitions by the same methods that made them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count

from maabarium.acceptance.judge import Decision
from maabarium.blueprint.schema import Blueprint
from maabarium.engine.actions import Action, Done, Journalist, Measure, Propose, Trees, Wait
from maabarium.engine.budget import out_of_time, spent_budget
from maabarium.engine.checks import Scrutiny, thinking_of
from maabarium.engine.run_state import Standings
from maabarium.engine.running_experiment import RunningExperiment, baseline_of, experiment_of
from maabarium.engine.strategies import KeepWinner, Strategy
from maabarium.errors import BudgetError, MaabariumError, ProposalError, WorkspaceError
from maabarium.events import (
    Decided,
    Journal,
    MeasuredEvent,
    Promoting,
    Proposed,
    RunFinished,
    RunRecord,
    RunStarted,
    RunState,
    Transition,
)
from maabarium.plugins.hookspecs import ExperimentStart, RunFinish, RunStart
from maabarium.plugins.manager import PluginManager, notify
from maabarium.plugins.protocols import ProposalRequest
from maabarium.records import Evaluation, FileEdit, Measured, Outcome, Proposal, ReasonCode

__all__ = ["Engine"]


class Engine:
    """The keep-winner loop as ask and tell. `capacity` is how many experiments may be under way at once."""

    def __init__(
        self,
        blueprint: Blueprint,
        run: RunRecord,
        *,
        store: Journalist,
        trees: Trees,
        plugins: PluginManager,
        strategy: Strategy | None = None,
        capacity: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.blueprint = blueprint
        self.run = run
        self.standings = Standings(blueprint, run.seed, trees)
        self.stopping: Done | None = None
        self._store = store
        self._trees = trees
        self._plugins = plugins
        self._scrutiny = Scrutiny(blueprint, trees, plugins)
        self._strategy = strategy or KeepWinner()
        self._capacity = capacity
        self._clock = clock
        self._began = clock()
        self._ready: deque[Action] = deque()
        self._proposing: set[int] = set()
        self._latest: Transition | None = None
        """The last event of the journal."""

    # --- starting and resuming ---

    def start(self) -> list[Outcome]:
        """Begin the run, or take it up where its journal ends. Gives the outcomes that are already known."""
        journal = self._store.journal(self.run.run_id)
        self._latest = journal[-1] if journal else None
        notify(self._plugins, "run_start", RunStart(self.run.run_id, self.blueprint, bool(journal)))
        if not journal:
            self._append(RunStarted(run=self.run))
        done = self._replay(journal)
        if not self.standings.flights and 0 not in self.standings.outcomes:
            event = baseline_of(self.run, self.standings.seed_of(0))
            self._append(event)
            self.standings.take_off(event)
        for flight in self.standings.flights.values():
            if flight.job:
                self._restore(flight)
                self._ready.append(Measure(flight.job))
        return done

    def _restore(self, flight: RunningExperiment) -> None:
        """Make the tree that is to be measured once more: the private repository may have been cleared away."""
        if flight.tree == flight.experiment.tree and flight.proposal.edits:
            with suppress(ProposalError, WorkspaceError):  # the measurement will say what is wrong
                self._trees.examine(flight.experiment.parent_tree, flight.proposal.edits)

    def _replay(self, journal: Journal) -> list[Outcome]:
        """Repeat what was stored, then carry out what was decided but not concluded."""
        flights = self.standings.flights
        pending: dict[int, Decision] = {}
        intents: dict[int, Promoting] = {}
        done: list[Outcome] = []
        for event in journal:
            if isinstance(event, Proposed):
                number, decision = event.experiment.number, self.standings.take_off(event)
            elif isinstance(event, MeasuredEvent):
                number = event.measured.number
                decision = self.standings.absorb(flights[number], event.measured)
            elif isinstance(event, Promoting):
                intents[event.number] = event
                continue
            elif isinstance(event, Decided) and event.outcome.verdict != "cancelled":
                number, decision = event.outcome.number, None
                self._land(flights[number], event.outcome)
                done.append(event.outcome)
            else:
                continue
            pending.pop(number, None)
            if decision:
                pending[number] = decision
        for number, decision in pending.items():
            done += self._settle(flights[number], decision, intents.get(number))
        return done

    # --- asking ---

    def ask(self) -> Action:
        """The next thing to do."""
        if self._ready:
            return self._ready.popleft()
        standings = self.standings
        known = standings.outcomes.keys() | standings.flights.keys() | self._proposing
        number = next(n for n in count(1) if n not in known)  # a kill may have lost an earlier one, unproposed
        if self.stopping or (standings.champions and number > self.run.max_iterations):
            if standings.flights or self._proposing:
                return Wait()
            self._stop("completed", "kept", "all experiments are done")
            return self.stopping or Wait()
        if not standings.champions or len(standings.flights) + len(self._proposing) >= self._capacity:
            return Wait()
        self._proposing.add(number)
        notify(self._plugins, "experiment_start", ExperimentStart(self.run.run_id, number))
        return Propose(self._request(number))

    def _request(self, number: int) -> ProposalRequest:
        standings = self.standings
        champion = self._strategy.parent(standings.champions)

        def is_new(edits: Sequence[FileEdit]) -> bool:
            try:
                tree = self._trees.examine(champion.tree, edits)
            except ProposalError:
                return False
            return tree not in standings.seen

        return ProposalRequest(
            number=number,
            seed=standings.seed_of(number),
            blueprint=self.blueprint,
            champion=champion,
            baseline=standings.baseline,
            files=self._trees.view(champion.tree),
            targets=self._trees.targets(champion.tree),
            history=tuple(standings.attempts[key] for key in sorted(standings.attempts)),
            is_new=is_new,
        )

    # --- being told ---

    def tell_proposal(
        self, request: ProposalRequest, answer: Proposal | MaabariumError | None, seconds: float
    ) -> list[Outcome]:
        """A proposer answered, failed, or (None) has nothing left; `seconds` is what it took."""
        self._proposing.discard(request.number)
        if answer is None:
            self._stop("completed", "exhausted", "the proposer has nothing left to try")
            return []
        if isinstance(answer, BudgetError):
            self._stop("completed", "budget_spent", str(answer))
            if not answer.calls:
                return []
        calls, drafts = thinking_of(answer)
        proposal = answer.model_copy(update={"calls": (), "drafts": ()}) if isinstance(answer, Proposal) else None
        experiment = experiment_of(request, proposal)
        tree, code, reason = self._scrutiny.of_answer(experiment, answer, self.standings.seen)
        event = Proposed(
            experiment=experiment.model_copy(update={"tree": tree}),
            proposal=proposal,
            reason_code=code,
            reason=reason,
            planning_seconds=seconds,
            calls=calls,
            drafts=drafts,
        )
        self._append(event)
        decision = self.standings.take_off(event)
        flight = self.standings.flights[request.number]
        known = None if decision else self.standings.known(tree, self._store)
        if known is not None:
            return self.tell_measured(Measured(number=flight.number, stage="screen", candidate=known))
        return self._proceed(flight, decision)

    def tell_measured(self, measured: Measured) -> list[Outcome]:
        """A measurement came back."""
        flight = self.standings.flights[measured.number]
        champion_tree = flight.parent.tree if flight.parent else ""
        self._append(MeasuredEvent(measured=measured, tree=flight.tree, champion_tree=champion_tree))
        return self._proceed(flight, self.standings.absorb(flight, measured))

    def cancel(self, reason: str) -> list[Outcome]:
        """Interrupted: what is under way is recorded as cancelled; a resumed run takes it up again."""
        self._ready.clear()
        cancelled = Decision("lose", "cancelled", "interrupted", reason)
        flights = list(self.standings.flights.values())
        outcomes = [outcome for flight in flights for outcome in self._settle(flight, cancelled)]
        self.stopping = Done("interrupted", "interrupted", reason)
        return outcomes

    def finish(self) -> Done:
        """Store the end of the run; once, if a run that had ended was resumed and nothing was left to do."""
        end = self.stopping or Done("interrupted", "interrupted", "the run was left before its end")
        finished = RunFinished(state=end.state, reason_code=end.reason_code, reason=end.reason)
        if finished != self._latest:
            self._append(finished)
        finish = RunFinish(self.run.run_id, end.state, end.reason, self.standings.promoted)
        notify(self._plugins, "run_finish", finish)
        return end

    # --- deciding ---

    def _proceed(self, flight: RunningExperiment, decision: Decision | None) -> list[Outcome]:
        if decision is None and flight.job and flight.pairs and out_of_time(self.blueprint.budget, self._seconds):
            decision = Decision("lose", reason_code="budget_spent", reason="the run's time was over before that")
        if decision:
            return self._settle(flight, decision)
        if flight.job:
            self._ready.append(Measure(flight.job))
        return []

    def _settle(self, flight: RunningExperiment, decision: Decision, intent: Promoting | None = None) -> list[Outcome]:
        """Carry a decision out and conclude the experiment."""
        commit = "" if flight.number else self.run.start_commit
        if decision.next == "keep" and flight.number and intent is None:  # with an intent it was settled before
            decision = self._scrutiny.of_winner(flight, decision, self.standings.baseline, self.run)
        if decision.next == "keep" and flight.number:
            try:
                commit = self._promote(flight, intent)
            except WorkspaceError as error:
                decision = Decision("error", "error", "promotion_failed", str(error))
        baseline = self.standings.baseline if flight.number else flight.screened or Evaluation()
        outcome = flight.outcome(self.blueprint, baseline, decision, branch=self.run.branch, commit=commit)
        self._append(Decided(outcome=outcome))
        self._land(flight, outcome)
        notify(self._plugins, "experiment_finish", outcome)
        return [outcome]

    def _promote(self, flight: RunningExperiment, intent: Promoting | None) -> str:
        """Commit and move the branch, with the intent stored in between. Safe to repeat after a kill."""
        began = time.perf_counter()
        if intent is None:
            parent = self.standings.champions[-1].commit
            commit = self._trees.commit(flight.tree, parent, flight.number, flight.proposal.summary)
            old = self._trees.branch_tip() or ""
            intent = Promoting(number=flight.number, branch=self.run.branch, old=old, new=commit)
            self._append(intent)
        if self._trees.branch_tip() != intent.new:
            self._trees.promote(intent.new, intent.old or None)
        flight.phases["promoting"] = time.perf_counter() - began
        return intent.new

    def _land(self, flight: RunningExperiment, outcome: Outcome) -> None:
        self.standings.land(flight, outcome)
        if not flight.number and not self.standings.champions and outcome.verdict != "cancelled":
            self._stop("failed", outcome.reason_code, f"the baseline failed: {outcome.reason}")
        elif flight.number:
            standings, seconds = self.standings, self._seconds
            latest = [standings.outcomes[number] for number in sorted(standings.outcomes, reverse=True) if number]
            reason = spent_budget(self.blueprint.budget, latest, standings.evaluations, seconds)
            reason = reason or self._scrutiny.of_run(latest, standings.evaluations, seconds)
            if reason:
                self._stop("completed", "budget_spent", str(reason))

    @property
    def _seconds(self) -> float:
        return self._clock() - self._began

    def _stop(self, state: RunState, code: ReasonCode, reason: str) -> None:
        self.stopping = self.stopping or Done(state, code, reason)

    def _append(self, transition: Transition) -> None:
        event = self._store.append(self.run.run_id, transition)
        self._latest = transition
        notify(self._plugins, "event", event)
