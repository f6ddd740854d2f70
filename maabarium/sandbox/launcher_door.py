"""The door of a program that confines itself before it begins: the parent's side of `launcher.program`.

A small Python program takes a plan, confines itself, reports "ready", and becomes the target's program when told "go".
When the leash is closed, or we are gone, it ends everything it started.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from maabarium.errors import SandboxError
from maabarium.sandbox.clock import CpuClock
from maabarium.sandbox.door import Door, Start, bare_environment
from maabarium.sandbox.process_tree import KILL_SECONDS, STUCK, ProcessTree, handle_of, state_and_parent

__all__ = ["READY", "LaunchDoor", "LaunchedTree", "complaint", "wait_for_end"]

PROGRAM = Path(__file__).parent / "launcher" / "boot.py"
MARSHAL = 4
"""The format's version: a kept program may be of an older Python than ours."""
READY = 30.0
"""Seconds until a program that is not ready is an error: starting an interpreter on a busy machine."""
FREEZING = 3.0
"""Seconds to bring everything to a halt before it is killed all the same."""


class LaunchDoor(Door):
    """The launcher in place of the waiting shell, which ends as the program ends. `plan` is asked when it has started,
    which takes time anyway."""

    stdin = subprocess.DEVNULL

    def __init__(self, start: Start, plan: Callable[[Start], Mapping[str, Any]]) -> None:
        self.start, self._plan = start, plan
        self._ours, self._theirs = socket.socketpair()
        reading, writing = os.pipe()
        self._held, self._leash = os.fdopen(reading, "rb", 0), os.fdopen(writing, "wb", 0)
        self._buffer = b""
        self.init = 0
        """Process 1 of the new pid namespace, as we see it; 0 when there is none."""
        self.descriptors = (self._theirs.fileno(), self._held.fileno())
        # No site packages, no environment, nothing of the target's.
        self.argv = [sys.executable, "-I", "-S", "-E", str(PROGRAM), *map(str, self.descriptors)]
        self.env = bare_environment(start.mark)
        self.tree = LaunchedTree(self, start)

    def open(self, pid: int, clock: CpuClock) -> None:
        """Hand over the plan, wait until the process is confined, note what that used, let it begin."""
        self._drop_theirs()  # the process has its copies: its end is seen now
        self._submit(self._whole_plan())
        clock.own = clock.read()
        self._begin(self.start.command.argv[0])

    def _whole_plan(self) -> bytes:
        """The plan of this way of confining, with what all have in common."""
        start, command = self.start, self.start.command
        common = {
            "parent": os.getpid(),
            "unshare": 0,
            "reports": False,
            "lasts": False,
            "argv": list(command.argv),
            "env": dict(start.env),
            "cwd": os.path.realpath(command.cwd),
            "keep": [] if command.channel is None else [command.channel.fileno()],
            "limits": sorted(start.limits.items()),
            "landlock": None,
        }
        return marshal.dumps(common | dict(self._plan(start)), MARSHAL)

    def _submit(self, plan: bytes) -> None:
        """Hand over a plan and wait until the process is confined. Raises SandboxError with its complaint."""
        self._ours.settimeout(READY)
        try:
            self._ours.sendall(len(plan).to_bytes(4, "little") + plan)
        except OSError as error:
            raise SandboxError(f"the sandbox's launcher did not start: {error}") from error
        deadline = time.monotonic() + READY
        while (line := self._line(deadline)) != b"R":
            if line.startswith(b"I"):
                self._note_first(line)
            elif line.startswith(b"E"):
                raise SandboxError(f"the sandbox could not be set up: {complaint(line)}")
            else:
                raise SandboxError("the sandbox's launcher ended before the program was confined")

    def _note_first(self, line: bytes) -> None:
        """The line that tells of process 1."""
        self.init = int(line[1:])

    def _begin(self, program: str) -> None:
        """Let the program begin. Raises SandboxError when it cannot be executed inside."""
        try:
            self._ours.sendall(b"G")
        except OSError:
            return  # killed meanwhile: the caller will find out
        line = self._line(time.monotonic() + READY)
        if line.startswith(b"E"):
            raise SandboxError(
                f"{program} could not be started in the sandbox: {complaint(line)}; "
                "[sandbox] readable lists files and folders that are to be seen there"
            )

    def _line(self, deadline: float) -> bytes:
        """The next line, without its end; empty when the other side has closed. SandboxError when it hangs."""
        while b"\n" not in self._buffer:
            self._ours.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._ours.recv(4096)
            except TimeoutError:
                raise SandboxError(f"the sandbox was not ready after {READY:.0f} seconds") from None
            except OSError:
                data = b""
            if not data:
                return b""
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def release(self) -> None:
        """Close leash and control: the helper ends all it started, and itself; one that still waits just ends."""
        self._ours.close()
        self._leash.close()

    def close(self) -> None:
        """Give all descriptors back."""
        self.release()
        self._drop_theirs()

    def _drop_theirs(self) -> None:
        self._theirs.close()
        self._held.close()


class LaunchedTree(ProcessTree):
    """The processes behind a launcher. With process 1 of a pid namespace at hand its end is the end of all."""

    def __init__(self, door: LaunchDoor, start: Start) -> None:
        super().__init__(start.mark)
        self._door, self._group = door, start.group

    def kill(self) -> None:
        """End everything. With namespaces: process 1, and the kernel kills the rest before its end is seen. Without:
        the helper kills what descends from it, then whatever still bears the marks is searched for.
        """
        if not self.leader:
            return
        if self._door.init:
            self._kill_namespace()
            return
        self._freeze()
        self._door.release()
        with handle_of(self.leader) as helper:
            ended = helper < 0 or wait_for_end([helper], KILL_SECONDS)
        super().kill()
        if not ended:
            raise SandboxError(STUCK)

    def _freeze(self) -> None:
        """Stop what runs before it is killed: each death would make room for another fork, a halt does not."""
        self._group.forbid_forks()
        deadline = time.monotonic() + FREEZING
        while time.monotonic() < deadline:
            moving = [pid for pid in self.members()[0] if pid != self.leader and state_and_parent(pid)[0] not in "TZX"]
            for pid in moving:
                with handle_of(pid) as handle, contextlib.suppress(OSError):
                    if handle >= 0 and self.owns(pid):
                        signal.pidfd_send_signal(handle, signal.SIGSTOP)
            if not moving:
                return

    def _kill_namespace(self) -> None:
        with handle_of(self._door.init) as first, handle_of(self.leader) as helper:
            self._kill_first()
            waiting = [handle for handle in (first, helper) if handle >= 0]
            if not wait_for_end(waiting, KILL_SECONDS):
                raise SandboxError(STUCK)

    def _kill_first(self) -> None:
        """Kill process 1, and let the helper go."""
        with handle_of(self._door.init) as first, contextlib.suppress(OSError):
            if first >= 0 and state_and_parent(self._door.init)[1] == self.leader:  # still the same process
                signal.pidfd_send_signal(first, signal.SIGKILL)
        self._door.release()


def complaint(line: bytes) -> str:
    """The sentence in an error line."""
    return line[1:].partition(b" ")[2].decode(errors="replace")


def wait_for_end(descriptors: Iterable[int], seconds: float) -> bool:
    """Whether all of these descriptors become readable in time; of processes: whether they end."""
    waiting = set(descriptors)
    deadline = time.monotonic() + seconds
    poll = select.poll()
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)
    while waiting:
        left = deadline - time.monotonic()
        ready = poll.poll(max(0.0, left) * 1000)
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            waiting.discard(descriptor)
        if left <= 0 and not ready:
            return False
    return True
