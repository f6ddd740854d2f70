"""Ctrl-C, SIGTERM and SIGHUP while a run is under way: the first ends it in order, the second at once.

It knows neither runs nor pytest: whoever uses it says what "in order" is. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
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

    def __init__(self, cancel: Callable[[str], None], last_words: str) -> None:
        self.name = ""
        self._cancel = cancel
        self._last_words = last_words

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if number == signal.SIGHUP:
            leave_dead_terminal()
        if self.name:
            leave_at_once(self._last_words)
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        self._cancel(self.name)


@contextmanager
def watching(cancel: Callable[[str], None], last_words: str) -> Generator[Interruption]:
    """Send the first signal to `cancel`, until the block ends; at the second one print the last words and leave.

    Outside the main thread nothing is installed.

    A signal that is ignored (`nohup`, a job in the background) stays ignored.
    """
    interruption = Interruption(cancel, last_words)
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


def leave_dead_terminal() -> None:
    """Stop writing to a terminal that was closed: an error there would keep the run from ending in order.

    pytest holds copies of the descriptors and puts them back after capturing, so all that lead there are turned.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    dead = {device_of(descriptor) for descriptor in range(3) if not os.isatty(descriptor)} - {0, device_of(nowhere)}
    for name in os.listdir("/dev/fd"):  # noqa: PTH208
        if device_of(int(name)) in dead:
            os.dup2(nowhere, int(name), inheritable=os.get_inheritable(int(name)))
    os.close(nowhere)


def device_of(descriptor: int) -> int:
    """The character device behind a descriptor; 0 when it is something else, or closed."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return 0
    return found.st_rdev if stat.S_ISCHR(found.st_mode) else 0


def leave_at_once(last_words: str) -> None:
    """Kill all descendants, say the last words, and end this process."""
    for pid in children_of(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.write(2, f"\n{last_words}\n".encode(errors="replace"))
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
