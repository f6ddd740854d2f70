"""Watch one running process until it ends or has to: it decides *that* a run is over and why; killing is the caller's.

A daemon may hold the output pipe or the channel open for ever, so the loop ends with the process, not with its
descriptors.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from maabarium.plugins.processes import Clockface, Command

__all__ = ["HEAD", "TAIL", "Ending", "KeptOutput", "Supervision"]

Ending = Literal["exited", "timed_out", "flooded", "interrupted", "overdrawn", "stopped"]
"""`stopped`: the command had enough. `overdrawn`: it used more memory or disk than its sandbox grants."""

SLICE = 0.02
"""Seconds between looks at `cancel`, an event without a descriptor, and at the memory in use."""
CHUNK = 64 * 1024
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in one unit of `ru_maxrss`, getrusage(2)."""
HEAD = 64 * 1024
TAIL = 192 * 1024
"""Bytes kept of the beginning and of the end. Tests tell the cause at the end, programs at the beginning."""


class KeptOutput:
    """Collects bytes up to a limit; beyond `limit` it is a flood, and the caller ends the process."""

    def __init__(self, limit: int, head: int = HEAD, tail: int = TAIL) -> None:
        self.total = 0
        self._limit = limit
        self._room = head
        self._tail_size = tail
        self._head = bytearray()
        self._tail = bytearray()

    @property
    def flooded(self) -> bool:
        """Whether more came than the limit allows."""
        return self.total > self._limit

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self.total += len(data)
        taken = data[: self._room]
        self._head += taken
        self._room -= len(taken)
        self._tail += data[len(taken) :]
        # Cut now and then rather than each time: deleting from the front moves all the rest.
        if len(self._tail) > 2 * self._tail_size:
            del self._tail[: -self._tail_size]

    def text(self) -> str:
        """All that was kept, with a line that says how much is missing; escape sequences are left as they are."""
        tail = bytes(self._tail[-self._tail_size :])
        missing = self.total - len(self._head) - len(tail)
        gap = f"\n[... {missing} bytes left out ...]\n".encode() if missing else b""
        return (bytes(self._head) + gap + tail).decode("utf-8", errors="backslashreplace")


@contextlib.contextmanager
def exit_notice(pid: int) -> Iterator[int]:
    """A descriptor that becomes readable when a child ends; its exit status is not taken. ProcessLookupError."""
    if sys.platform == "darwin":
        with contextlib.closing(select.kqueue()) as queue:
            event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            queue.control([event], 0)
            yield queue.fileno()
        return
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass
class Supervision:
    """What is known about one running process. `pipe` is the non-blocking end of its output."""

    pid: int
    pipe: int
    command: Command
    clock: Clockface
    output: KeptOutput
    cancel: threading.Event
    guard: Callable[[], str] | None = None
    """Asked now and then; a sentence ends the run, and is added to its output."""
    over: int = -1
    """A descriptor that is readable when the run has ended by itself; -1: the end of `pid` tells."""
    sampled_rss: int = 0
    ended: float = 0.0
    """Monotonic time at which the loop saw the end."""

    def __post_init__(self) -> None:
        self._poll = select.poll()
        self._poll.register(self.pipe, select.POLLIN)
        self._open = True
        self.began = time.monotonic()
        self._deadline = self.began + self.command.timeout
        self._next_sample = self.began + SLICE / 2
        self._listen = self.command.listen if self.command.watch is not None else None
        if self._listen is not None:
            self._poll.register(self._listen, select.POLLIN)

    def follow(self) -> Ending:
        """Loop until the process ends by itself or there is a reason to end it."""
        ending: Ending | None = None
        with contextlib.ExitStack() as stack:
            try:
                notice = stack.enter_context(exit_notice(self.pid)) if self.over < 0 else self.over
                self._poll.register(notice, select.POLLIN)
            except ProcessLookupError:  # ended, and its status was taken by others: the caller will find out
                ending = "exited"
            while ending is None:
                ending = self._turn(notice)
            self.ended = time.monotonic()
        return ending

    def _turn(self, notice: int) -> Ending | None:
        """Wait a moment at most, serve what is ready, and say whether it is over."""
        now = time.monotonic()
        ready = dict(self._poll.poll(max(0.0, min(SLICE, self._deadline - now)) * 1000))
        if self.pipe in ready:
            self._read_output()
        if self._listen is not None and self._listen.fileno() in ready:
            self._converse(ready[self._listen.fileno()])
        if notice in ready:
            return "exited"
        if self.output.flooded:
            return "flooded"
        if self.cancel.is_set():
            return "interrupted"
        if self.command.enough is not None and self.command.enough():
            return "stopped"
        if now >= self._deadline:
            return "timed_out"
        if now >= self._next_sample:
            self._next_sample = now + SLICE
            self.sampled_rss = max(self.sampled_rss, peak_of_living(self.pid))
            if self.guard is not None and (objection := self.guard()):
                self.output.add(f"\n[ended by the sandbox: {objection}]\n".encode())
                return "overdrawn"
        return None

    def _read_output(self) -> bool:
        """Take one chunk; False when there is nothing now or nothing more to come."""
        if not self._open:
            return False
        try:
            data = os.read(self.pipe, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._poll.unregister(self.pipe)
            self._open = False
            return False
        self.output.add(data)
        return True

    def _converse(self, event: int) -> None:
        """Let `watch` take what came; leave when it is done, or when the other side is gone."""
        listen, watch = self._listen, self.command.watch
        if listen is None or watch is None:
            return
        if not watch(self.clock) or (event & select.POLLHUP and not has_more(listen)):
            self._poll.unregister(listen)
            self._listen = None

    def finish(self) -> None:
        """After the end of the tree: take what is still in the pipe and in the channel, and no more than that."""
        while not self.output.flooded and self._read_output():
            pass
        deadline = time.monotonic() + 1.0
        while self._listen is not None and time.monotonic() < deadline:
            ready = dict(self._poll.poll(0))
            if self._listen.fileno() not in ready:
                return
            self._converse(ready[self._listen.fileno()])

    def peak_rss(self, largest: int) -> int:
        """Bytes of the largest process. Between fork and exec a child shares our memory, and Linux counts that as its
        own peak (`exec_mmap` of fs/exec.c): what does not exceed our own peak is only an upper bound, and the sampled
        peak is taken, if there is one."""
        peak = largest * RSS_UNIT
        ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
        return peak if peak > ours or not self.sampled_rss else self.sampled_rss


def has_more(listen: socket.socket) -> bool:
    """Whether a socket whose other side is closed still holds data."""
    with contextlib.suppress(OSError):
        return bool(listen.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    return False


def peak_of_living(pid: int) -> int:
    """Peak resident bytes of a living process, VmHWM of proc_pid_status(5); 0 when unknown (a zombie has none)."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123
        return int(file.read().partition(b"VmHWM:")[2].split(None, 1)[0]) * 1024
    return 0
