"""Waiting that can be cancelled: for a rate, between two attempts, and for an answer that is under way.

Nothing here is a lock or an event, so that a signal handler may cancel. Times are seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from maabarium.errors import ProviderError

__all__ = ["CLOSED", "SLICE", "CancelToken", "run_in_thread"]

CLOSED = "closed"
"""The `reason` of the error that ends a wait."""
SLICE = 0.05
"""Nobody waits longer than this without looking whether it was cancelled."""

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
