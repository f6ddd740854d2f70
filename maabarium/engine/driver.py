"""Hands the engine's work to a thread and an executor and tells it the results.

The only code of the engine that waits for futures.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from maabarium.acceptance.calibration import MORE_PAIRS
from maabarium.engine.actions import Done
from maabarium.engine.engine import Engine
from maabarium.errors import MaabariumError
from maabarium.plugins.protocols import ProposalRequest, Proposer
from maabarium.records import PAIRED, Measured, Outcome, Phase, Proposal
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.worker import Worker

__all__ = ["Cancellation", "Driver", "Progress"]

POLL = 0.05
"""Seconds between two looks at the cancel event."""


class Cancellation(threading.Event):
    """Set when a run is to end at once, from any thread or signal handler; the first reason stands."""

    reason = "interrupted"

    def cancel(self, reason: str) -> None:
        """Set it, and say why."""
        if not self.is_set():
            self.reason = reason
        self.set()


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
    """Something that was handed out, and when on the monotonic clock."""

    work: ProposalRequest | MeasureJob
    began: float = field(default_factory=time.monotonic)

    @property
    def job(self) -> MeasureJob | None:
        """The measurement that it is, if it is one."""
        return self.work if isinstance(self.work, MeasureJob) else None


Answer = Proposal | MaabariumError | None


class ProposerThread:
    """Asks the proposer, one request after the other. A daemon: one that hangs must not hold up the end."""

    def __init__(self, proposer: Proposer) -> None:
        self._proposer = proposer
        self._requests: queue.SimpleQueue[tuple[Future[tuple[Answer, float]], ProposalRequest] | None] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._work, name="maabarium-propose", daemon=True).start()

    def submit(self, request: ProposalRequest) -> Future[tuple[Answer, float]]:
        """Have the request answered when those before it are: the answer, and the seconds that it took."""
        future: Future[tuple[Answer, float]] = Future()
        self._requests.put((future, request))
        return future

    def end(self) -> None:
        """Let the thread end after what it is doing."""
        self._requests.put(None)

    def _work(self) -> None:
        while (item := self._requests.get()) is not None:
            future, request = item
            began = time.monotonic()
            answer = self._answer(request)
            future.set_result((answer, time.monotonic() - began))

    def _answer(self, request: ProposalRequest) -> Answer:
        """What the proposer says; whatever it raises or gives instead is an error with its name."""
        try:
            answer: object = self._proposer.propose(request)
        except MaabariumError as error:
            return error
        except BaseException as error:  # noqa: BLE001 - a proposer of others must not end the thread
            return MaabariumError(f"the proposer broke: {type(error).__name__}: {error}")
        if answer is None or isinstance(answer, Proposal):
            return answer
        return MaabariumError(f"the proposer gave a {type(answer).__name__}, which is not a proposal")


class Driver:
    """Runs an engine to its end, yielding outcomes as they come."""

    def __init__(
        self, engine: Engine, proposer: Proposer, executor: Executor, worker: Worker, cancel: Cancellation
    ) -> None:
        self.engine = engine
        self._proposer = proposer
        self._executor = executor
        self._worker = worker
        self._cancel = cancel
        self._waiting: deque[MeasureJob] = deque()
        self._under_way: dict[Future[Any], Task] = {}

    def progress(self) -> Progress | None:
        """What was begun last and is still under way. Safe from any thread."""
        tasks = list(self._under_way.values())
        if not tasks:
            return None
        task, job = tasks[-1], tasks[-1].job
        phase: Phase = "evaluating" if job else "planning"
        if job and (job.stage in PAIRED or job.stage == "audit"):
            phase = "confirming"
        return Progress(
            number=task.work.number,
            phase=phase,
            pair=job.pair if job else 0,
            pairs_max=self.engine.blueprint.acceptance.max_pairs if task.work.number else MORE_PAIRS,
            elapsed=time.monotonic() - task.began,
            summary=job.proposal.summary if job and job.proposal else "",
        )

    def outcomes(self) -> Iterator[Outcome]:
        """Drive to the end. A set cancellation ends it at once, with what was under way as cancelled."""
        thread = ProposerThread(self._proposer)
        try:
            yield from self.engine.start()
            while not self._cancel.is_set():
                done = self._hand_out(thread)
                if done is not None:
                    return
                finished, _ = wait(self._under_way, timeout=POLL, return_when=FIRST_COMPLETED)
                for future in sorted(finished, key=lambda one: self._under_way[one].work.number):
                    if not self._cancel.is_set():
                        yield from self._tell(self._under_way.pop(future), future)
            self._executor.shutdown(wait=False, cancel_futures=True)
            yield from self.engine.cancel(self._cancel.reason)
            wait([future for future, task in self._under_way.items() if task.job], timeout=5)
        finally:
            thread.end()

    def _hand_out(self, thread: ProposerThread) -> Done | None:
        while True:
            action = self.engine.ask()
            if isinstance(action, ProposalRequest):
                self._under_way[thread.submit(action)] = Task(action)
            elif isinstance(action, MeasureJob):
                self._waiting.append(action)
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
            task = Task(job)
            try:
                future: Future[Measured] = self._executor.submit(run_measurement, self._worker, job)
            except (BrokenExecutor, RuntimeError) as error:
                future = Future()
                future.set_exception(error)
            self._under_way[future] = task

    def _tell(self, task: Task, future: Future[Any]) -> list[Outcome]:
        if isinstance(task.work, ProposalRequest):
            return self.engine.tell_proposal(task.work, *future.result())
        error = CancelledError("cancelled") if future.cancelled() else future.exception()
        if error is None:
            return self.engine.tell_measured(future.result())
        broken = f"the worker broke: {type(error).__name__}: {error}"
        job = task.work
        return self.engine.tell_measured(Measured(number=job.number, stage=job.stage, pair=job.pair, problem=broken))
