"""The driver: the only code that knows futures. It carries the engine's wishes to threads and executors.

It never looks into a job beyond `exclusive`, and knows no store, no git and no pytest.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass

from maabarium.engine.actions import Done, Measure, Propose
from maabarium.engine.engine import Engine
from maabarium.errors import MaabariumError
from maabarium.plugins.protocols import ProposalRequest, Proposer
from maabarium.records import Measured, Outcome, Phase, Proposal
from maabarium.worker.job import MeasureJob
from maabarium.worker.worker import Worker, run_measurement

__all__ = ["Driver", "Progress"]

POLL = 0.05
"""Seconds between two looks at the cancel event."""


@dataclass(frozen=True)
class Progress:
    """What is under way: `elapsed` in seconds, `pair` counts from 1 while confirming."""

    number: int
    phase: Phase
    pair: int
    pairs_max: int
    elapsed: float
    summary: str


@dataclass(frozen=True)
class Task:
    """Something that was handed out."""

    number: int
    began: float
    request: ProposalRequest | None = None
    job: MeasureJob | None = None


Answer = Measured | Proposal | MaabariumError | None


class ProposerThread:
    """Asks the proposer in one thread, a request at a time. A daemon: one that hangs must not hold up the end."""

    def __init__(self, proposer: Proposer) -> None:
        self._proposer = proposer
        self._requests: queue.SimpleQueue[tuple[Future[Answer], ProposalRequest] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="maabarium-propose", daemon=True).start()

    def submit(self, request: ProposalRequest) -> Future[Answer]:
        """Have the request answered when those before it are."""
        future: Future[Answer] = Future()
        self._requests.put((future, request))
        return future

    def end(self) -> None:
        """Let the thread end after what it is doing."""
        self._requests.put(None)

    def _work(self) -> None:
        while (item := self._requests.get()) is not None:
            future, request = item
            try:
                future.set_result(self._proposer.propose(request))
            except BaseException as error:  # noqa: BLE001 - carried to the engine's thread, as an executor does
                future.set_exception(error)


class Driver:
    """Runs an engine to its end, yielding outcomes as they come."""

    def __init__(
        self, engine: Engine, proposer: Proposer, executor: Executor, worker: Worker, cancel: threading.Event
    ) -> None:
        self.engine = engine
        self._proposer = proposer
        self._executor = executor
        self._worker = worker
        self._cancel = cancel
        self._waiting: deque[MeasureJob] = deque()
        self._under_way: dict[Future[Answer], Task] = {}
        self.why = "interrupted"

    def progress(self) -> Progress | None:
        """What was begun last and is still under way. Safe from any thread."""
        tasks = list(self._under_way.values())
        if not tasks:
            return None
        task = tasks[-1]
        stage = task.job.stage if task.job else None
        phase: Phase = "planning" if stage is None else "confirming" if stage in ("pair", "audit") else "evaluating"
        proposal = task.job.proposal if task.job else None
        return Progress(
            number=task.number,
            phase=phase,
            pair=task.job.pair if task.job else 0,
            pairs_max=self.engine.blueprint.acceptance.max_pairs,
            elapsed=time.monotonic() - task.began,
            summary=proposal.summary if proposal else "",
        )

    def outcomes(self) -> Iterator[Outcome]:
        """Drive to the end. A set cancel event ends it at once, with what was under way as cancelled."""
        proposing = ProposerThread(self._proposer)
        try:
            yield from self.engine.start()
            while not self._cancel.is_set():
                done = self._hand_out(proposing)
                if done is not None:
                    return
                finished, _ = wait(self._under_way, timeout=POLL, return_when=FIRST_COMPLETED)
                for future in sorted(finished, key=lambda one: self._under_way[one].number):
                    if not self._cancel.is_set():
                        yield from self._tell(self._under_way.pop(future), future)
            yield from self.engine.cancel(self.why)
            wait([future for future, task in self._under_way.items() if task.job], timeout=5)
        finally:
            proposing.end()

    def _hand_out(self, proposing: ProposerThread) -> Done | None:
        while True:
            action = self.engine.ask()
            if isinstance(action, Propose):
                request = action.request
                self._under_way[proposing.submit(request)] = Task(request.number, _now(), request=request)
            elif isinstance(action, Measure):
                self._waiting.append(action.job)
            else:
                break
        self._submit_waiting()
        return action if isinstance(action, Done) else None

    def _submit_waiting(self) -> None:
        """Hand out measurements; an exclusive one waits until it is alone, and nobody joins it."""
        running = [task.job for task in self._under_way.values() if task.job]
        while self._waiting:
            job = self._waiting[0]
            if any(other.exclusive for other in running) or (job.exclusive and running):
                return
            self._waiting.popleft()
            running.append(job)
            task = Task(job.number, _now(), job=job)
            try:
                future: Future[Answer] = self._executor.submit(run_measurement, self._worker, job)
            except (BrokenExecutor, RuntimeError) as error:
                future = Future()
                future.set_exception(error)
            self._under_way[future] = task

    def _tell(self, task: Task, future: Future[Answer]) -> list[Outcome]:
        error = CancelledError("cancelled") if future.cancelled() else future.exception()
        if task.request is not None:
            return self.engine.tell_proposal(task.request, _proposal(future, error), time.monotonic() - task.began)
        assert task.job is not None
        if error is not None:
            broken = f"the worker broke: {type(error).__name__}: {error}"
            return self.engine.tell_measured(
                Measured(number=task.number, stage=task.job.stage, pair=task.job.pair, problem=broken)
            )
        measured = future.result()
        assert isinstance(measured, Measured)
        return self.engine.tell_measured(measured)


def _proposal(future: Future[Answer], error: BaseException | None) -> Proposal | MaabariumError | None:
    """What a proposer said; whatever it raised or gave instead is an error with its name."""
    if error is None:
        answer = future.result()
        if answer is None or isinstance(answer, Proposal):
            return answer
        return MaabariumError(f"the proposer gave a {type(answer).__name__}, which is not a proposal")
    if isinstance(error, MaabariumError):
        return error
    return MaabariumError(f"the proposer broke: {type(error).__name__}: {error}")


def _now() -> float:
    return time.monotonic()
