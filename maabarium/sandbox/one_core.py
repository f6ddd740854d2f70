"""The core that both sides of a pair share, and how they take turns on it. Called by runners and by workers."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

__all__ = ["pin", "short_turns"]

TURN = 0.001
"""Seconds after which another process of the core has its turn. Left to itself, the kernel looks every 4 ms or so,
and a virtual machine's speed changes within less: equal programs of 0.1 s then deviated by 1.3 to 2.9 %, and by 0.6
to 1.3 % with turns of 0.5 to 1 ms; at 0.25 ms nothing was gained but switches. Beside other busy programs it takes up
to twice as long, for the kernel then leaves those on the core."""


def the_core() -> int:
    """Always the same, so that both sides meet the same cache and clock."""
    return max(os.sched_getaffinity(0))


def pin(pid: int) -> None:
    """Keep a waiting process (0: the calling thread), and all that it will start, on the core of pairs."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, {the_core()})


@contextlib.contextmanager
def short_turns() -> Iterator[None]:
    """While it is open, processes on the core of pairs take turns that are shorter than the kernel's.

    A thread that does nothing wakes there every millisecond. Whoever runs is stopped for it, and when it sleeps
    again the kernel chooses anew: who has had less. It costs 1 to 2 % of that core.
    """
    over = threading.Event()
    beat = threading.Thread(target=_beat, args=(over,), name="maabarium-turns", daemon=True)
    beat.start()
    try:
        yield
    finally:
        over.set()
        beat.join()


def _beat(over: threading.Event) -> None:
    pin(0)
    while not over.is_set():
        time.sleep(TURN)
