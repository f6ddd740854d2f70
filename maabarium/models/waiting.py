"""Waiting that can be cancelled: for a rate, between two attempts, and for an answer that is under way.

What cancels is neither a lock nor an event, so that a signal handler may do it. Times are seconds.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from maabarium.errors import ProviderError

__all__ = ["CLOSED", "MINUTE", "SLICE", "CancelToken", "RateLimit", "run_in_thread"]

CLOSED = "closed"
"""The `reason` of the error that ends a wait."""
SLICE = 0.05
"""Nobody waits longer than this without looking whether it was cancelled."""

MINUTE = 60.0

T = TypeVar("T")


class CancelToken:
    """A clock, a way to sleep, and whether all that waits by them is cancelled."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.clock = clock
        self._sleep = sleep
        self.cancelled = False
        """Set it to end all waits."""

    def check(self) -> None:
        """Raise ProviderError once it is cancelled."""
        if self.cancelled:
            raise ProviderError("the run is ending, so no model is asked any more", reason=CLOSED)

    def sleep(self, seconds: float) -> None:
        """Sleep, in slices. Raises ProviderError once it is cancelled."""
        while seconds > 0:
            self.check()
            self._sleep(min(seconds, SLICE))
            seconds -= SLICE
        self.check()

    def run(self, work: Callable[[], T]) -> Future[T]:
        """Do it in a thread of its own and wait for the end. Once it is cancelled the thread is left to itself."""
        self.check()
        return run_in_thread(work, self.check)


def run_in_thread(work: Callable[[], T], check: Callable[[], None], *, daemon: bool = True) -> Future[T]:
    """Run in a thread and wait; what `check` raises ends the wait. The end of the process waits for no daemon."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - carried to the thread that asks, as an executor does
            future.set_exception(error)

    threading.Thread(target=run, name="maabarium-model", daemon=daemon).start()
    while not wait([future], timeout=SLICE).done:
        check()
    return future


class RateLimit:
    """Lets at most `per_minute` pass in any 60 seconds, whoever asks, in the order of asking.

    A token bucket of that size, refilled at that rate, lets nearly twice as many through when it starts full. So
    this one holds a tenth, at least one, and refills at the rate that is left (the generic cell rate algorithm of
    ITU-T I.371). What counts is the moment of passing, not the one that was planned: a thread that wakes late takes
    its successors with it.
    """

    def __init__(self, per_minute: int, cancellation: CancelToken) -> None:
        burst = 1 + per_minute // 10
        self._interval = MINUTE / (per_minute - burst + 1)
        self._slack = (burst - 1) * self._interval
        self._cancellation = cancellation
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._due = float("-inf")
        """When the bucket is full again."""
        self._held = float("-inf")

    def take(self) -> None:
        """Wait for a place: first come, first served. Raises ProviderError once all waiting is cancelled."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
        try:
            while wait := self._wait(ticket):
                self._cancellation.sleep(min(wait, SLICE))
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def hold(self, seconds: float) -> None:
        """Let nobody pass for a while: the server said so."""
        with self._changed:
            self._held = max(self._held, self._cancellation.clock() + seconds)

    def _wait(self, ticket: object) -> float:
        """Wait for our turn, then take the place (0), or say how long it takes until there is one."""
        with self._changed:
            while self._queue[0] is not ticket:
                self._cancellation.check()
                self._changed.wait(SLICE)
            self._cancellation.check()
            now = self._cancellation.clock()
            wait = max(self._due - self._slack, self._held) - now
            if wait <= 0:
                self._due = max(self._due, now) + self._interval
                return 0.0
            return wait
