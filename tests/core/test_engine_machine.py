"""The engine under random proposals, answers in any order, cancels and kills: what must hold at every moment."""

from __future__ import annotations

from typing import Any

from engine_fakes import (
    RUN,
    FakeTrees,
    Killed,
    MemoryJournal,
    answer_job,
    change,
    evaluation,
    make_blueprint,
    make_engine,
)  # fmt: skip
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from maabarium.engine.actions import Done
from maabarium.engine.engine import Engine
from maabarium.errors import ProposalError, ProviderError
from maabarium.events import Decided, MeasuredEvent, Promoting, Proposed
from maabarium.plugins.protocols import ProposalRequest
from maabarium.records import Evaluation, Gate, Measured, Outcome
from maabarium.worker.job import MeasureJob

MOST = 8
answers: st.SearchStrategy[Any] = st.one_of(
    st.builds(change, st.sampled_from(["a.py", "b.py", "c.py"]), st.sampled_from(["0", "1", "3", "5", "9", "-"])),
    st.builds(change, st.sampled_from(["a.py", "/etc"]), st.none()),
    st.just(ProposalError("unparseable", "no code in it")),
    st.just(ProviderError("away")),
)


class EngineMachine(RuleBasedStateMachine):
    """Drives an engine by hand; everything in memory is lost at a kill, journal and repository stay."""

    engine: Engine
    capacity: int

    def __init__(self) -> None:
        super().__init__()
        self.trees, self.store = FakeTrees(), MemoryJournal()
        self.begin_again()

    @initialize(capacity=st.integers(1, 3))
    def configure(self, capacity: int) -> None:
        self.begin_again(capacity)

    def begin_again(self, capacity: int = 1) -> None:
        self.capacity = capacity
        self.requests: list[ProposalRequest] = []
        self.jobs: list[MeasureJob] = []
        self.engine = make_engine(self.trees, self.store, make_blueprint(), capacity=capacity, max_iterations=MOST)
        self.ended = False
        self.engine.start()
        self.ask()

    def value(self, tree: str) -> Evaluation:
        texts = [content.decode() for content in self.trees.files[tree].values()]
        gate = Gate(name="tests", passed="-" not in texts, reason_code="tests_lost", detail="a test fails")
        return evaluation({"score:count": float(sum(int(text) for text in texts if text.isdigit()))}, gate)

    def survive(self, work: Any, *arguments: Any) -> None:
        """Do it; if the process was to die on the way, start another."""
        try:
            work(*arguments)
        except Killed:
            self.trees.before_promote = self.trees.after_promote = lambda: None
            self.store = MemoryJournal(self.store.lines)
            self.begin_again(self.capacity)

    def ask(self) -> None:
        """Take all that the engine wants done now."""
        while not self.ended:
            action = self.engine.ask()
            if isinstance(action, ProposalRequest):
                self.requests.append(action)
            elif isinstance(action, MeasureJob):
                self.jobs.append(action)
            elif isinstance(action, Done):
                self.ended = True
                assert not self.jobs and not self.requests and not self.engine.state.under_way
            else:
                assert self.jobs or self.requests, "the engine waits for nobody"
                break
        assert len(self.engine.state.under_way) + len(self.requests) <= self.capacity

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), answer=answers)
    def propose(self, data: st.DataObject, answer: Any) -> None:
        request = self.requests.pop(data.draw(st.integers(0, len(self.requests) - 1)))
        self.survive(self.engine.tell_proposal, request, answer, 0.0)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), times=st.integers(1, 4))
    def measure(self, data: st.DataObject, times: int) -> None:
        for _ in range(times):
            if self.jobs:
                job = self.jobs.pop(data.draw(st.integers(0, len(self.jobs) - 1)))
                self.survive(self.engine.tell_measured, answer_job(job, self.value))

    @precondition(lambda self: any(job.number for job in self.jobs))
    @rule(data=st.data(), audit_differs=st.booleans())
    def measure_badly(self, data: st.DataObject, audit_differs: bool) -> None:
        job = data.draw(st.sampled_from([job for job in self.jobs if job.number]))
        self.jobs.remove(job)
        if audit_differs and job.stage == "audit":
            measured = answer_job(job, lambda tree: evaluation({"score:count": 77.0}))
        else:
            measured = Measured(number=job.number, stage=job.stage, problem="disk full")
        self.survive(self.engine.tell_measured, measured)

    @rule(more=st.integers(0, 9))
    def die_at_a_transition(self, more: int) -> None:
        self.store.die_at = len(self.store.lines) + more

    @rule(after=st.booleans())
    def die_at_the_next_promotion(self, after: bool) -> None:
        def die() -> None:
            raise Killed

        setattr(self.trees, "after_promote" if after else "before_promote", die)

    @precondition(lambda self: not self.ended)
    @rule()
    def cancel_and_resume(self) -> None:
        def work() -> None:
            running = set(self.engine.state.under_way)
            outcomes = self.engine.cancel("Ctrl-C")
            assert {outcome.number for outcome in outcomes} == running
            assert all(outcome.verdict == "cancelled" for outcome in outcomes)
            self.engine.finish()
            raise Killed

        self.survive(work)

    def decided(self) -> list[Outcome]:
        journal = self.store.journal(RUN)
        return [e.outcome for e in journal if isinstance(e, Decided) and e.outcome.verdict != "cancelled"]

    @invariant()
    def numbers_are_unique_and_within_the_limit(self) -> None:
        numbers = [outcome.number for outcome in self.decided()]
        assert len(numbers) == len(set(numbers))
        assert all(0 <= number <= MOST for number in numbers)
        proposed = [e.experiment.number for e in self.store.journal(RUN) if isinstance(e, Proposed)]
        assert len(proposed) == len(set(proposed))

    @invariant()
    def winners_strictly_improve_and_the_branch_is_the_last(self) -> None:
        winners = [outcome for outcome in self.decided() if outcome.verdict == "promoted"]
        totals = [outcome.total for outcome in winners]
        assert all(before < after for before, after in zip([0.5, *totals], totals, strict=False))
        assert self.trees.moves == [outcome.commit for outcome in winners]
        assert self.trees.branch == (winners[-1].commit if winners else None)
        commits = [self.trees.start_commit, *(outcome.commit for outcome in winners)]
        for parent, outcome in zip(commits, winners, strict=False):
            assert self.trees.commits[outcome.commit] == (outcome.tree, parent)
            assert outcome.total is not None and self.value(outcome.tree).failed_gate is None

    @invariant()
    def no_tree_is_screened_twice(self) -> None:
        screened = [
            event.tree
            for event in self.store.journal(RUN)
            if isinstance(event, MeasuredEvent) and event.measured.stage == "screen"
        ]
        assert len(screened) == len(set(screened))

    @invariant()
    def a_replay_gives_the_same_state(self) -> None:
        pending = [e for e in self.store.journal(RUN) if isinstance(e, Promoting)]
        kept = [outcome for outcome in self.decided() if outcome.verdict == "promoted"]
        assert [event.new for event in pending] == [outcome.commit for outcome in kept]
        if self.store.lines:
            again = make_engine(
                self.trees, MemoryJournal(self.store.lines), capacity=self.capacity, max_iterations=MOST
            )
            again.start()
            ours, theirs = self.engine.state, again.state
            assert theirs.champions == ours.champions
            assert {n: o for n, o in ours.outcomes.items() if o.verdict != "cancelled"}.keys() == theirs.outcomes.keys()
            assert theirs.seen == ours.seen
            assert {n: f.job for n, f in theirs.under_way.items()} == {n: f.job for n, f in ours.under_way.items()}

    def teardown(self) -> None:
        """Whatever happened, the run can be brought to its end, with every number accounted for."""
        self.store.die_at = None
        self.trees.before_promote = self.trees.after_promote = lambda: None
        self.begin_again(self.capacity)
        while self.jobs or self.requests:
            if self.jobs:
                self.engine.tell_measured(answer_job(self.jobs.pop(), self.value))
            else:
                request = self.requests.pop(0)
                self.engine.tell_proposal(request, change("a.py", f"1{request.number}"), 0.0)
            self.ask()
        assert self.engine.ask() == Done("completed", "kept", "all experiments are done")
        assert sorted(outcome.number for outcome in self.decided()) == list(range(MOST + 1))
        self.winners_strictly_improve_and_the_branch_is_the_last()


TestEngine = EngineMachine.TestCase
TestEngine.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
