"""The core that both sides of a pair share, and how they take turns on it. Called by runners and by workers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

__all__ = ["Metronome", "pin"]

TURN = 1
"""Milliseconds after which another process of the core has its turn. Left to itself, the kernel looks every 4 ms or so,
and a virtual machine's speed changes within less: equal programs of 0.1 s then deviated by 1.3 to 2.9 %, and by 0.6
to 1.3 % with turns of 0.5 to 1 ms; at 0.25 ms nothing was gained but switches."""
PROGRAM = f"""
import os, select
poll, on = select.poll(), False
poll.register(0, select.POLLIN)
while True:
    if poll.poll({TURN} if on else None):
        said = os.read(0, 1)
        if not said:
            break
        on = said == b"1"
"""


def the_core() -> int:
    """Always the same, so that both sides meet the same cache and clock."""
    return max(os.sched_getaffinity(0))


def pin(pid: int) -> None:
    """Keep a waiting process, and all that it will start, on the core of pairs."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, {the_core()})


class Metronome:
    """Makes processes on the core of pairs take turns that are shorter than the kernel's. A worker has one.

    A program that does nothing wakes there every millisecond. Whoever runs is stopped for it, and when it sleeps
    again the kernel chooses anew: who has had less. It costs 1 to 2 % of that core. It leads a session of its own: in
    one with busy programs (the user's shell) its waking up gave those nearly all of the core for seconds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Short turns while this is open, by one caller at a time; without effect where it cannot be started."""
        self._say(b"1")
        try:
            yield
        finally:
            self._say(b"0")

    def close(self) -> None:
        """End the program; the next use starts another. It also ends by itself, with the process that started it."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.communicate()

    def _say(self, what: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):  # somebody has ended it, or there is no process to be had
            if self._process is not None and self._process.poll() is not None:
                self._process.communicate()
                self._process = None
            if self._process is None:
                words = [sys.executable, "-I", "-S", "-c", PROGRAM]
                self._process = subprocess.Popen(words, stdin=subprocess.PIPE, bufsize=0, start_new_session=True)
                pin(self._process.pid)
            assert self._process.stdin is not None
            self._process.stdin.write(what)
