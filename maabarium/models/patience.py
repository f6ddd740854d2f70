"""Waiting that can be given up: for a rate, between two attempts, and for an answer that is under way.

Nothing here is a lock or an event, so that a signal handler may end all waiting. Times are seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import TypeVar

from maabarium.errors import ProviderError

__all__ = ["CLOSED", "SLICE", "Patience", "done"]

CLOSED = "closed"
"""The `reason` of the error that ends a wait."""
SLICE = 0.05
"""Nobody waits longer than this without looking whether he is still wanted."""

T = TypeVar("T")


class Patience:
    """A clock, a way to sleep, and whether anybody still wants what is waited for."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.clock = clock
        self._sleep = sleep
        self.over = False
        """Set it to end all waits."""

    def check(self) -> None:
        """Raise ProviderError when it is over."""
        if self.over:
            raise ProviderError("the run is ending, so no model is asked any more", reason=CLOSED)

    def sleep(self, seconds: float) -> None:
        """Sleep, in slices. Raises ProviderError when it is over."""
        while seconds > 0:
            self.check()
            self._sleep(min(seconds, SLICE))
            seconds -= SLICE
        self.check()

    def done(self, work: Callable[[], T]) -> Future[T]:
        """Do it in a thread of its own and wait for the end. When it is over the thread is left to itself."""
        return done(work, self.check, daemon=True)


def done(work: Callable[[], T], check: Callable[[], None], *, daemon: bool) -> Future[T]:
    """Run in a thread and wait; what `check` raises ends the wait. The end of the process waits for no daemon."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - carried to the thread that asks, as an executor does
            future.set_exception(error)

    check()
    threading.Thread(target=run, name="maabarium-model", daemon=daemon).start()
    while not wait_for([future], timeout=SLICE).done:
        check()
    return future
