"""The engine, one rule at a time, and what a kill at any instant leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from engine_fakes import (
    COUNT,
    RUN,
    FakeTrees,
    Killed,
    MemoryJournal,
    answer_job,
    change,
    drive,
    evaluation,
    make_blueprint,
    make_engine,
    run_record,
)  # fmt: skip

from maabarium import hookimpl
from maabarium.engine.actions import Done
from maabarium.engine.engine import Engine
from maabarium.errors import Problem, ProposalError, ProviderError, WorkspaceError
from maabarium.events import Decided, Promoting
from maabarium.plugins.protocols import ProposalRequest
from maabarium.records import Evaluation, Gate, LineMap, Measured, Outcome, TestResult
from maabarium.store import Store
from maabarium.worker.job import MeasureJob

TIME = {"name": "time", "weight": 1, "direction": "minimize", "source": "time", "noisy": True}
# What the proposer says to experiments 1 to 8: winners, losers, nonsense, and a provider that is away.
SCRIPT: tuple[Any, ...] = (
    change("a.py", "3"), change("b.py", "-"), ProposalError("unparseable", "no code in it"), change("a.py", "3"),
    ProviderError("away"), change("b.py", "5"), change("/etc", "1"), change("c.py", "1"),
)  # fmt: skip


def propose(request: ProposalRequest) -> Any:
    return SCRIPT[request.number - 1] if request.number <= len(SCRIPT) else None


class Worker:
    """Measures the fake trees: the sum of all digits; a file with a dash fails its tests."""

    def __init__(self, trees: FakeTrees, source: str = "score:count") -> None:
        self.trees, self.source = trees, source

    def value(self, tree: str) -> Evaluation:
        texts = [content.decode() for content in self.trees.files[tree].values()]
        gate = Gate(name="tests", passed="-" not in texts, reason_code="tests_lost", detail="a test fails")
        total = sum(float(text) for text in texts if text.isdigit())
        return evaluation({self.source: 1 / (1 + total) if self.source == "time" else total}, gate)

    def __call__(self, job: MeasureJob) -> Measured:
        return answer_job(job, self.value)


def facts(outcomes: list[Outcome]) -> list[tuple[Any, ...]]:
    """What must not depend on where a run was killed."""
    return [(o.number, o.verdict, o.reason_code, o.reason, o.total, o.tree, o.commit, o.pairs) for o in outcomes]


EXPECTED = [
    ("baseline", "baseline"), ("promoted", "kept"), ("rejected", "tests_lost"), ("invalid", "unparseable"),
    ("invalid", "no_effect"), ("error", "provider_failed"), ("promoted", "kept"), ("invalid", "out_of_bounds"),
    ("promoted", "kept"),
]  # fmt: skip


def whole_run(trees: FakeTrees, store: Any, *, noisy: bool = False) -> tuple[Engine, list[Outcome]]:
    engine = make_engine(trees, store, make_blueprint(TIME if noisy else COUNT))
    return engine, drive(engine, propose, Worker(trees, "time" if noisy else "score:count"))


@pytest.mark.parametrize("noisy", [False, True])
def test_a_run_keeps_winners_and_says_why_others_lost(noisy: bool) -> None:
    trees = FakeTrees()
    engine, outcomes = whole_run(trees, MemoryJournal(), noisy=noisy)
    assert [(o.verdict, o.reason_code) for o in outcomes] == EXPECTED
    assert engine.finish() == Done("completed", "exhausted", "the proposer has nothing left to try")
    assert trees.branch == outcomes[-1].commit
    assert [trees.commits[o.commit][0] == o.tree for o in outcomes if o.verdict == "promoted"] == [True] * 3
    assert trees.commits[outcomes[6].commit][1] == outcomes[1].commit


@pytest.mark.parametrize("noisy", [False, True])
def test_a_kill_before_any_transition_changes_nothing(noisy: bool) -> None:
    whole = MemoryJournal()
    _, expected = whole_run(FakeTrees(), whole, noisy=noisy)
    for die_at in range(len(whole.lines)):
        trees = FakeTrees()
        store = MemoryJournal(die_at=die_at)
        with pytest.raises(Killed):
            whole_run(trees, store, noisy=noisy)
        after = MemoryJournal(store.lines)
        _, outcomes = whole_run(trees, after, noisy=noisy)
        assert facts(outcomes) == facts(expected), die_at
        assert len(after.lines) == len(whole.lines)
        assert trees.branch == expected[-1].commit
        assert len(trees.moves) == 3


@pytest.mark.parametrize("when", ["before_promote", "after_promote"])
def test_a_kill_around_the_move_of_the_branch_is_made_good(when: str) -> None:
    _, expected = whole_run(FakeTrees(), MemoryJournal())

    def die() -> None:
        setattr(trees, when, lambda: None)
        raise Killed

    trees, store = FakeTrees(), MemoryJournal()
    setattr(trees, when, die)
    with pytest.raises(Killed):
        whole_run(trees, store)
    assert isinstance(store.journal(RUN)[-1], Promoting)
    _, outcomes = whole_run(trees, MemoryJournal(store.lines))
    assert facts(outcomes) == facts(expected)
    assert len(trees.moves) == 3


def test_a_plugin_cannot_change_its_mind_after_the_branch_moved() -> None:
    class Refuses:
        @hookimpl
        def maabarium_decide(self, request: Any) -> Any:
            return ("rejected", "policy_objection", "not on a Friday")

    def die() -> None:
        trees.after_promote = lambda: None
        raise Killed

    trees, store = FakeTrees(), MemoryJournal()
    trees.after_promote = die
    with pytest.raises(Killed):
        whole_run(trees, store)
    engine = make_engine(trees, MemoryJournal(store.lines), None, Refuses())
    known = engine.start()
    assert (known[-1].number, known[-1].verdict, known[-1].commit) == (1, "promoted", trees.branch)


def test_the_real_store_resumes_as_the_fake_one(tmp_path: Path) -> None:
    trees = FakeTrees()
    with Store.open(tmp_path / "m.db") as store:
        _, outcomes = whole_run(trees, store)
        lines = [event.model_dump_json() for event in store.journal(RUN)]
    trees = FakeTrees()
    with Store.open(tmp_path / "cut.db") as store:
        for event in MemoryJournal(lines[:6]).journal(RUN):
            store.append(RUN, event)
        _, again = whole_run(trees, store)
        assert {o.number: o.verdict for o in store.view(RUN).outcomes} == {o.number: o.verdict for o in outcomes}
    assert [o.verdict for o in again] == [o.verdict for o in outcomes]


def test_a_cancelled_experiment_is_taken_up_again() -> None:
    trees, store = FakeTrees(), MemoryJournal()
    engine = make_engine(trees, store)
    assert engine.start() == []
    action = engine.ask()
    assert isinstance(action, MeasureJob)
    assert engine.ask() is None
    assert [(o.number, o.verdict) for o in engine.cancel("Ctrl-C")] == [(0, "cancelled")]
    assert engine.finish() == Done("interrupted", "interrupted", "Ctrl-C")
    _, outcomes = whole_run(trees, MemoryJournal(store.lines))
    assert [(o.verdict, o.reason_code) for o in outcomes] == EXPECTED


def test_a_failed_baseline_ends_the_run() -> None:
    trees = FakeTrees()
    gate = Gate(name="tests", passed=False, reason_code="tests_lost", detail="1 test fails")
    engine = make_engine(trees, MemoryJournal())
    outcomes = drive(engine, propose, lambda job: answer_job(job, lambda tree: evaluation({}, gate)))
    assert [(o.verdict, o.reason_code) for o in outcomes] == [("baseline", "tests_lost")]
    assert engine.finish().state == "failed"


@pytest.mark.parametrize("values", [{}, {"score:count": -1.0}, {"score:count": float("nan")}])
def test_a_baseline_without_a_usable_number_ends_the_run(values: dict[str, float]) -> None:
    engine = make_engine(FakeTrees(), MemoryJournal())
    drive(engine, propose, lambda job: answer_job(job, lambda tree: evaluation(values)))
    assert (engine.finish().state, engine.finish().reason_code) == ("failed", "gate_failed")


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e308, 0.0])
@pytest.mark.parametrize("metric", [COUNT, TIME, {**TIME, "direction": "maximize"}])
def test_no_number_of_a_candidate_breaks_the_run(value: float, metric: dict[str, Any]) -> None:
    trees, source = FakeTrees(), metric["source"]
    script = [change("a.py", "1"), None]
    engine = make_engine(trees, MemoryJournal(), make_blueprint(metric), max_iterations=3)

    def measured(tree: str) -> Evaluation:
        return evaluation({source: 1e-300 if tree == trees.start_tree else value})

    outcomes = drive(engine, lambda request: script[request.number - 1], lambda job: answer_job(job, measured))
    assert outcomes[1].verdict in ("promoted", "rejected")
    if value in (-1.0, float("inf")) or value != value:
        assert (outcomes[1].reason_code, outcomes[1].total) == ("gate_failed", None)


def test_our_own_breakage_is_an_error_of_that_experiment_alone() -> None:
    trees = FakeTrees()
    bench = Worker(trees)

    def measure(job: MeasureJob) -> Measured:
        return Measured(number=1, stage="screen", problem="disk full") if job.number == 1 else bench(job)

    outcomes = drive(make_engine(trees, MemoryJournal()), propose, measure)
    assert (outcomes[1].verdict, outcomes[1].reason_code, outcomes[1].reason) == ("error", "internal", "disk full")
    assert outcomes[3 + 3].verdict == "promoted"


def test_a_branch_that_moved_away_is_not_overwritten() -> None:
    trees = FakeTrees()

    def elsewhere() -> None:
        raise WorkspaceError("the branch moved")

    trees.before_promote = elsewhere
    _, outcomes = whole_run(trees, MemoryJournal())
    assert (outcomes[1].verdict, outcomes[1].reason_code) == ("error", "promotion_failed")
    assert trees.branch is None


def test_promotion_can_be_off() -> None:
    trees = FakeTrees()
    engine = make_engine(trees, MemoryJournal(), promote=False)
    outcomes = drive(engine, propose, Worker(trees))
    assert trees.branch is None and outcomes[1].reason_code == "policy_objection"
    assert "promotion is off" in outcomes[1].reason


def test_plugins_object_stop_and_are_told() -> None:
    class Plugin:
        told: list[str] = []  # noqa: RUF012

        @hookimpl
        def maabarium_check_proposal(self, request: Any) -> list[Problem]:
            return [Problem("c.py", "is frozen")] if request.proposal.edits[0].path == "c.py" else []

        @hookimpl
        def maabarium_should_stop(self, request: Any) -> str | None:
            return "enough" if request.experiments == 8 else None

        @hookimpl
        def maabarium_event(self, event: Any) -> None:
            self.told.append(event.type)

    trees, store = FakeTrees(), MemoryJournal()
    engine = make_engine(trees, store, None, Plugin())
    outcomes = drive(engine, propose, Worker(trees))
    assert (outcomes[-1].verdict, outcomes[-1].reason_code) == ("invalid", "policy_objection")
    assert engine.finish().reason == "enough"
    assert Plugin.told == [event.type for event in store.journal(RUN)]


def test_what_an_earlier_run_measured_is_not_measured_again() -> None:
    trees, store = FakeTrees(), MemoryJournal()
    tree = trees.examine(trees.start_tree, change("a.py", "0" * 3).edits)
    store.known[tree] = evaluation({"score:count": 0.0})
    asked: list[tuple[int, str]] = []

    def measure(job: MeasureJob) -> Measured:
        asked.append((job.number, job.stage))
        return Worker(trees)(job)

    script = [change("a.py", "000"), None]
    outcomes = drive(make_engine(trees, store), lambda request: script[request.number - 1], measure)
    assert outcomes[1].reason_code == "no_gain"
    assert asked == [(0, "baseline")]


def test_a_part_that_an_earlier_run_measured_answers_for_nothing() -> None:
    """It ended at a test that was lost under the baseline of then; this run may not even require that one."""
    trees, store = FakeTrees(), MemoryJournal()
    tree = trees.examine(trees.start_tree, change("a.py", "0" * 3).edits)
    gate = Gate(name="tests", passed=False, detail="test_a failed")
    store.known[tree] = evaluation({}, gate).model_copy(update={"not_run": 7})
    script = [change("a.py", "000"), None]
    outcomes = drive(make_engine(trees, store), lambda request: script[request.number - 1], Worker(trees))
    assert outcomes[1].reason_code == "no_gain" and outcomes[1].metrics
    assert {event.measured.candidate.not_run for event in store.measured() if event.measured.candidate} == {0}


def test_a_worker_is_told_which_tests_rejected_candidates() -> None:
    class Remembers(MemoryJournal):
        def rejections(self, target: str, apart_from: str) -> Mapping[str, int]:
            assert (target, apart_from) == (run_record(FakeTrees()).target, RUN)
            return {"t.py::old": 2, "t.py::a": 1}

    trees, store = FakeTrees(), Remembers()
    jobs: list[MeasureJob] = []

    def measure(job: MeasureJob) -> Measured:
        jobs.append(job)
        if not job.number:
            return Worker(trees)(job)
        test = TestResult(id="t.py::a", outcome="failed")
        lost = evaluation({}, Gate(name="tests", passed=False)).model_copy(update={"tests": (test,), "not_run": 3})
        return Measured(number=job.number, stage="screen", candidate=lost)

    script = [change("a.py", "1"), change("a.py", "22"), None]
    outcomes = drive(make_engine(trees, store), lambda request: script[request.number - 1], measure)
    assert [dict(job.rejections) for job in jobs] == [
        {},
        {"t.py::old": 2, "t.py::a": 1},
        {"t.py::a": 2, "t.py::old": 2},
    ]
    assert [job.baseline_tree for job in jobs] == ["", trees.start_tree, trees.start_tree]
    assert outcomes[1].not_run == 3 and outcomes[1].failing == ("t.py::a",)


def test_a_stale_winner_is_rebased_and_measured_anew_or_conflicts() -> None:
    for path, expected in (("b.py", "promoted"), ("a.py", "rejected")):
        trees, store = FakeTrees(), MemoryJournal()
        bench = Worker(trees)
        engine = make_engine(trees, store, capacity=2, max_iterations=2)
        engine.start()
        first = engine.ask()
        assert isinstance(first, MeasureJob)
        engine.tell_measured(bench(first))
        requests = [action for action in (engine.ask(), engine.ask()) if isinstance(action, ProposalRequest)]
        engine.tell_proposal(requests[0], change("a.py", "3"), 0.0)
        engine.tell_proposal(requests[1], change(path, "9"), 0.0)
        jobs = [action for action in (engine.ask(), engine.ask()) if isinstance(action, MeasureJob)]
        engine.tell_measured(bench(jobs[0]))
        audit = engine.ask()
        assert isinstance(audit, MeasureJob) and audit.stage == "audit"
        assert engine.tell_measured(bench(audit))[0].verdict == "promoted"
        outcomes = engine.tell_measured(bench(jobs[1]))
        while isinstance(action := engine.ask(), MeasureJob):
            outcomes = engine.tell_measured(bench(action))
        assert [o.verdict for o in outcomes] == [expected]
        if expected == "promoted":
            assert trees.files[outcomes[0].tree] == {"a.py": b"3", "b.py": b"9", "c.py": b"0"}
            stages = [event.measured.stage for event in store.measured() if event.measured.number == 2]
            assert stages == ["screen", "screen", "audit"]
        else:
            assert outcomes[0].reason_code == "stale_conflict"


def test_is_new_tells_a_proposer_what_was_tried() -> None:
    trees = FakeTrees()
    answers: list[bool] = []

    def ask(request: ProposalRequest) -> Any:
        answers.append(request.is_new(SCRIPT[0].edits))
        answers.append(request.is_new(change("/etc", "1").edits))
        return propose(request)

    drive(make_engine(trees, MemoryJournal(), max_iterations=2), ask, Worker(trees))
    assert answers == [True, False, False, False]


def test_the_journal_alone_names_every_outcome() -> None:
    store = MemoryJournal()
    _, outcomes = whole_run(FakeTrees(), store)
    assert [e.outcome for e in store.journal(RUN) if isinstance(e, Decided)] == outcomes


def test_a_number_whose_proposal_was_lost_in_a_kill_is_given_again() -> None:
    trees, store = FakeTrees(), MemoryJournal()
    bench = Worker(trees)
    engine = make_engine(trees, store, capacity=2, max_iterations=3)
    engine.start()
    first = engine.ask()
    assert isinstance(first, MeasureJob)
    engine.tell_measured(bench(first))
    requests = [action for action in (engine.ask(), engine.ask()) if isinstance(action, ProposalRequest)]
    engine.tell_proposal(requests[1], change("a.py", "3"), 0.0)  # number 2 is stored, number 1 is not
    again = make_engine(trees, MemoryJournal(store.lines), capacity=1, max_iterations=3)
    outcomes = drive(again, lambda request: change("b.py", str(request.number)), bench)
    assert sorted(outcome.number for outcome in outcomes) == [0, 1, 2, 3]


def test_a_proposer_is_told_where_the_lines_that_ran_are_now() -> None:
    """The baseline alone is traced; a winner's lines have moved."""
    trees = FakeTrees()
    trees.start_tree = trees._keep({"a.py": b"one\ntwo\n", "b.py": b"0\n"})
    lines = LineMap(hits={"a.py": {1: 3, 2: 9}, "b.py": {1: 1}})
    seen = []

    def propose_lines(request: ProposalRequest) -> Any:
        seen.append(request.champion.evaluation.lines)
        return change("a.py", f"new\n{request.files.read('a.py').decode()}") if request.number <= 2 else None

    def value(tree: str) -> Evaluation:
        count = trees.files[tree]["a.py"].count(b"new")
        found = evaluation({"score:count": count})
        return found if count else found.model_copy(update={"lines": lines})

    engine = make_engine(trees, MemoryJournal())
    outcomes = drive(engine, propose_lines, lambda job: answer_job(job, value))
    assert [outcome.verdict for outcome in outcomes] == ["baseline", "promoted", "promoted"]
    assert [found.hits for found in seen] == [
        {"a.py": {shift + 1: 3, shift + 2: 9}, "b.py": {1: 1}} for shift in (0, 1, 2)
    ]
