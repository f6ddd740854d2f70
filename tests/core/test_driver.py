"""The driver with the real engine, real threads and a real executor; only the measuring is replaced by a value."""

from __future__ import annotations

import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest
from engine_fakes import COUNT, FakeTrees, MemoryJournal, answer_job, change, evaluation, make_blueprint, make_engine

from maabarium.engine.driver import Cancellation, Driver
from maabarium.engine.engine import Engine
from maabarium.errors import ProviderError
from maabarium.plugins.protocols import ProposalRequest
from maabarium.records import Measured, Outcome
from maabarium.worker.job import MeasureJob

TIME = {"name": "time", "weight": 1, "direction": "minimize", "source": "time", "noisy": True}


class Proposer:
    """Answers by number; an exception is raised, anything else is the answer."""

    def __init__(self, *answers: Any) -> None:
        self.answers = answers

    def propose(self, request: ProposalRequest) -> Any:
        answer = self.answers[request.number - 1] if request.number <= len(self.answers) else None
        if isinstance(answer, BaseException):
            raise answer
        return answer() if callable(answer) else answer


class Measuring(Executor):
    """A pool that gives every job to `measure` and writes down what ran beside what."""

    def __init__(self, workers: int, measure: Any) -> None:
        self._pool = ThreadPoolExecutor(workers)
        self._measure = measure
        self._lock = threading.Lock()
        self.running: list[MeasureJob] = []
        self.together: list[list[MeasureJob]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._pool.submit(self._work, args[1])

    def _work(self, job: MeasureJob) -> Measured:
        with self._lock:
            self.running.append(job)
            self.together.append(list(self.running))
        try:
            return self._measure(job)
        finally:
            with self._lock:
                self.running.remove(job)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def count_of(trees: FakeTrees, job: MeasureJob, seconds: float = 0.0) -> Measured:
    time.sleep(seconds)
    return answer_job(job, lambda tree: evaluation({"score:count": float(sum(map(len, trees.files[tree].values())))}))


def drive(engine: Engine, proposer: Any, executor: Executor, cancel: Cancellation | None = None) -> list[Outcome]:
    with executor:
        return list(Driver(engine, proposer, executor, None, cancel or Cancellation()).outcomes())  # type: ignore[arg-type]


def codes(outcomes: list[Outcome]) -> list[tuple[int, str, str]]:
    return [(o.number, o.verdict, o.reason_code) for o in outcomes]


def test_a_run_to_its_end() -> None:
    trees = FakeTrees()
    proposer = Proposer(change("a.py", "00"), change("a.py", ""))
    executor = Measuring(1, lambda job: count_of(trees, job))
    outcomes = drive(make_engine(trees, MemoryJournal()), proposer, executor)
    assert codes(outcomes) == [(0, "baseline", "baseline"), (1, "promoted", "kept"), (2, "rejected", "worse")]


@pytest.mark.parametrize(
    "broken", [ValueError("boom"), KeyError("x"), RecursionError(), SystemExit(3), ProviderError("away"), "text", 7]
)
def test_whatever_a_proposer_does_is_an_outcome(broken: Any) -> None:
    trees = FakeTrees()
    executor = Measuring(1, lambda job: count_of(trees, job))
    outcomes = drive(make_engine(trees, MemoryJournal()), Proposer(broken, change("a.py", "00")), executor)
    assert codes(outcomes)[1:] == [(1, "error", "provider_failed"), (2, "promoted", "kept")]
    assert outcomes[1].reason


def test_planning_seconds_are_the_proposers_own() -> None:
    def think() -> Any:
        time.sleep(0.2)
        return change("a.py", str(time.monotonic()))

    trees = FakeTrees()
    engine = make_engine(trees, MemoryJournal(), capacity=3, max_iterations=3)
    outcomes = drive(engine, Proposer(think, think, think), Measuring(3, lambda job: count_of(trees, job)))
    seconds = [outcome.phases["planning"] for outcome in outcomes if outcome.number]
    assert len(seconds) == 3
    assert all(0.2 <= each < 0.4 for each in seconds), seconds  # all three were asked for at once


def test_exclusive_jobs_run_alone_and_others_together() -> None:
    trees = FakeTrees()
    engine = make_engine(trees, MemoryJournal(), make_blueprint(TIME), capacity=3, max_iterations=6)

    def measure(job: MeasureJob) -> Measured:
        time.sleep(0.01)
        return answer_job(job, lambda tree: evaluation({"time": 0.5 if tree != trees.start_tree else 1.0}))

    executor = Measuring(3, measure)
    drive(engine, Proposer(*(change("a.py", str(n)) for n in range(1, 7))), executor)
    exclusive = [group for group in executor.together if any(job.exclusive for job in group)]
    assert exclusive and all(len(group) == 1 for group in exclusive)
    assert {job.stage for group in exclusive for job in group} == {"baseline", "calibrate", "pair"}


def test_several_workers_measure_at_once() -> None:
    trees = FakeTrees()
    engine = make_engine(trees, MemoryJournal(), capacity=3, max_iterations=6)
    executor = Measuring(3, lambda job: count_of(trees, job, 0.05))
    outcomes = drive(engine, Proposer(*(change(f"{n}.py", "1" * n) for n in range(1, 7))), executor)
    assert max(map(len, executor.together)) == 3
    assert sorted(outcome.number for outcome in outcomes) == list(range(7))
    assert all(outcome.verdict in ("baseline", "promoted") for outcome in outcomes)


class Broken(Executor):
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise BrokenExecutor("a process died")


class Dies(Executor):
    """Accepts work and loses it, as a pool does whose process is killed."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("a process died"))
        return future


class Cancels(Executor):
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


@pytest.mark.parametrize("executor", [Broken(), Dies(), Cancels()])
def test_a_broken_executor_is_an_error_with_its_reason(executor: Executor) -> None:
    engine = make_engine(FakeTrees(), MemoryJournal())
    outcomes = drive(engine, Proposer(), executor)
    assert codes(outcomes) == [(0, "baseline", "internal")]
    assert "the worker broke" in outcomes[0].reason
    assert engine.finish().state == "failed"


def test_a_worker_that_dies_later_costs_one_experiment() -> None:
    trees = FakeTrees()

    def measure(job: MeasureJob) -> Measured:
        if job.number == 1:
            raise OSError("no space left")
        return count_of(trees, job)

    proposer = Proposer(change("a.py", "00"), change("b.py", "00"))
    outcomes = drive(make_engine(trees, MemoryJournal()), proposer, Measuring(1, measure))
    assert codes(outcomes)[1:] == [(1, "error", "internal"), (2, "promoted", "kept")]


@pytest.mark.parametrize("hangs", ["proposing", "measuring"])
def test_cancel_ends_a_run_at_once(hangs: str) -> None:
    trees, cancel, release = FakeTrees(), Cancellation(), threading.Event()

    def measure(job: MeasureJob) -> Measured:
        if job.number:  # a sandbox ends its children when the event is set
            cancel.wait(10)
        return count_of(trees, job)

    def think() -> Any:
        threading.Timer(0.1, cancel.set).start()
        if hangs == "proposing":
            release.wait(10)
        return change("a.py", "00")

    began = time.monotonic()
    engine = make_engine(trees, MemoryJournal())
    outcomes = drive(engine, Proposer(think), Measuring(1, measure), cancel)
    took = time.monotonic() - began
    release.set()
    assert took < 0.1 + 0.5
    assert codes(outcomes)[1:] == ([(1, "cancelled", "interrupted")] if hangs == "measuring" else [])
    assert engine.finish().state == "interrupted"


def test_progress_says_what_is_under_way() -> None:
    trees = FakeTrees()
    seen: list[Any] = []
    engine = make_engine(trees, MemoryJournal(), make_blueprint(COUNT, acceptance={"max_pairs": 9}))

    def measure(job: MeasureJob) -> Measured:
        time.sleep(0.05)  # until the driver has written down that it runs
        seen.append(driver.progress())
        return count_of(trees, job)

    with Measuring(1, measure) as executor:
        driver = Driver(engine, Proposer(change("a.py", "00", "a summary")), executor, None, Cancellation())  # type: ignore[arg-type]
        assert driver.progress() is None
        list(driver.outcomes())
    assert [(p.number, p.phase, p.summary, p.pairs_max) for p in seen] == [
        (0, "evaluating", "baseline", 24), (1, "evaluating", "a summary", 9), (1, "confirming", "a summary", 9),
    ]  # fmt: skip
    assert driver.progress() is None
