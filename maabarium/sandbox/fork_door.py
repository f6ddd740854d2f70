"""The door of one session of a kept program: the parent's side of `launcher.forks`.

A helper that the kept program has forked takes the plan; what waits behind it is confined and becomes the session when
it is told its words. It may wait long: it is made ready before it is wanted.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from maabarium.errors import SandboxError
from maabarium.sandbox.clock import CpuClock
from maabarium.sandbox.door import Start
from maabarium.sandbox.launcher_door import READY, LaunchDoor, LaunchedTree, complaint, wait_for_end
from maabarium.sandbox.one_core import pin
from maabarium.sandbox.process_tree import KILL_SECONDS, STUCK, ProcessTree, handle_of
from maabarium.sandbox.runner import Spent, limit

__all__ = ["Fork", "ForkDoor"]

CREDENTIALS = struct.Struct("3i")
"""Process, user and group of who wrote a message, as the kernel says: unix(7)."""


class ForkDoor(LaunchDoor):
    """A session behind its helper. `program` is our end of the kept program's control socket. Raises SandboxError when
    that does not answer."""

    def __init__(self, start: Start, plan: Callable[[Start], Mapping[str, Any]], program: socket.socket) -> None:
        super().__init__(start, plan)
        self.tree = ForkedTree(self, start)
        self.output, self._writing = os.pipe()
        os.set_blocking(self.output, False)
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._end: bytes | None = None
        try:
            socket.send_fds(program, [b"F"], self.descriptors)
            self._drop_theirs()
            self.pid = self._first_word()
        except (OSError, SandboxError) as error:
            os.close(self.output)
            self.close()
            raise SandboxError(f"the kept program does not answer: {error}") from error

    def _first_word(self) -> int:
        """The number of the helper, as we see it, by the kernel's stamp on its first message."""
        self._ours.settimeout(READY)
        data, ancillary, _, _ = self._ours.recvmsg(2, socket.CMSG_SPACE(CREDENTIALS.size))
        if data != b"K\n":
            raise SandboxError(complaint(data) or "it has ended")
        stamps = [content for level, kind, content in ancillary if kind == socket.SCM_CREDENTIALS]
        return int(CREDENTIALS.unpack(stamps[0][: CREDENTIALS.size])[0])

    def make_ready(self) -> None:
        """Let the helper confine what will be the session. Raises SandboxError."""
        self.tree.adopt(self.pid)
        limit(self.pid, self.start)
        self._submit(self._whole_plan())

    def is_waiting(self) -> bool:
        """Whether the session still waits: nobody has ended it, or it would be heard."""
        poll = select.poll()
        poll.register(self._ours, select.POLLIN)
        return not self._buffer and not poll.poll(0)

    def open(self, pid: int, clock: CpuClock) -> None:
        """Let the session begin, on one core if asked; what was used until now is not its own."""
        if self.start.command.pin:  # the helpers are not: they make other sessions ready beside one that is timed
            for session in children_of(self.init):
                pin(session)
        clock.own = clock.read()
        self._begin("")

    def _note_first(self, line: bytes) -> None:
        """Process 1 of the session is the only child of its helper; the number in the line is that of the inside.
        There is none when it has died already: what the helper says next, or its end, tells why."""
        self.init = next(iter(children_of(self.pid)), 0)

    def _begin(self, program: str) -> None:
        command = self.start.command
        channel = [] if command.channel is None else [command.channel.fileno()]
        with contextlib.suppress(OSError):  # killed meanwhile: the caller will find out
            socket.send_fds(self._ours, [json.dumps(list(command.argv)).encode()], [self._writing, *channel])
        self._drop_writing()

    @property
    def over(self) -> int:
        """A descriptor that is readable when all processes of the session are dead, or its helper is."""
        return self._ours.fileno()

    def hear_end(self, seconds: float) -> bytes:
        """Wait until the helper says that all is dead, and how the session ended; empty when it was killed itself.
        Raises SandboxError when it says nothing."""
        if self._end is None:
            if not wait_for_end([self.over], seconds):
                raise SandboxError(STUCK)
            self._end = self._line(time.monotonic() + READY)
        return self._end

    def last_word(self) -> tuple[int, Spent]:
        """Wait status of the session and what it used. Raises SandboxError when nobody can tell."""
        line = self.hear_end(READY)
        if line.startswith(b"E"):
            raise SandboxError(f"a session of a kept program failed: {complaint(line)}")
        words = line[1:].split()
        if len(words) != 3:
            raise SandboxError("a session of a kept program ended without a word: was the program killed?")
        return int(words[0]), Spent(float(words[1]), int(words[2]))

    def helpers(self) -> set[int]:
        """The helper and process 1."""
        return {self.pid, self.init}

    def release(self) -> None:
        """Close the leash, and control for writing: the helper ends all it started, and tells how it ended."""
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_WR)
        self._leash.close()

    def close(self) -> None:
        """Give all descriptors back."""
        super().close()
        self._ours.close()
        self._drop_writing()

    def _drop_writing(self) -> None:
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1


def children_of(pid: int) -> list[int]:
    """Processes that a process of one thread has started; none when it is gone."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:  # noqa: PTH123
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


class ForkedTree(LaunchedTree):
    """The processes of a session. Its helper says when they are dead; itself it ends when it likes."""

    def __init__(self, door: ForkDoor, start: Start) -> None:
        super().__init__(door, start)
        self._fork = door

    def _kill_namespace(self) -> None:
        self._kill_first()
        if not self._fork.hear_end(KILL_SECONDS):
            super()._kill_namespace()


class Fork:
    """The helper of a session as the process that a runner follows; the kept program waits for it."""

    def __init__(self, door: ForkDoor) -> None:
        self._door = door
        self.pid, self.pipe, self.over = door.pid, door.output, door.over
        self.returncode = -signal.SIGKILL

    def reap(self) -> Spent:
        """How the session ended and what it used. Raises SandboxError when nobody can tell."""
        status, usage = self._door.last_word()
        self.returncode = os.waitstatus_to_exitcode(status)
        return usage

    def abandon(self, tree: ProcessTree) -> None:
        """End everything without hiding the error that is on its way."""
        with contextlib.suppress(SandboxError):
            tree.kill()
        with handle_of(self.pid) as handle, contextlib.suppress(OSError):
            if handle >= 0 and tree.owns(self.pid):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
