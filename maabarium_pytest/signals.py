"""Ctrl-C, SIGTERM and SIGHUP while a run is under way: the first ends it in order, the second at once.

It knows neither runs nor pytest: whoever uses it says what "in order" is. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from maabarium.sandbox.process_tree import HAS_PROC, process_ids, state_and_parent

__all__ = ["Interruption", "children_of", "watching"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STATUS_INTERRUPTED = 2


class Interruption:
    """Which signal came first, if any."""

    def __init__(self, cancel: Callable[[str], None]) -> None:
        self.name = ""
        self._cancel = cancel

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.name:
            leave_at_once()
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        self._cancel(self.name)


@contextmanager
def watching(cancel: Callable[[str], None]) -> Generator[Interruption]:
    """Send the first signal to `cancel`, until the block ends. Outside the main thread nothing is installed.

    A signal that is ignored (`nohup`, a job in the background) stays ignored.
    """
    interruption = Interruption(cancel)
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, interruption)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_at_once() -> None:
    """Kill all descendants and end this process without another word."""
    for pid in children_of(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    os._exit(STATUS_INTERRUPTED)


def children_of(parent: int) -> list[int]:
    """All descendants of a process, nearest first; empty where there is no /proc."""
    if not HAS_PROC:
        return []
    parents = {pid: state_and_parent(pid)[1] for pid in process_ids()}
    found = [parent]
    for pid in found:
        found += [child for child, above in parents.items() if above == pid and child not in found]
    return found[1:]
