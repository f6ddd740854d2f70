"""A program that is kept ready in a world of its own and forks itself for every session (inside: `launcher.forks`).

A session may do what the same command could if it were started alone: own namespaces, limits, group, clock, filter and
Landlock domain. The program itself only ever runs what it was started with; it hears of a session and forks.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Completed, KeptProgram
from maabarium.sandbox.clock import PerfClock
from maabarium.sandbox.door import Start
from maabarium.sandbox.launch_plans import BESIDE, fork_plan, namespaces_plan
from maabarium.sandbox.launcher_door import READY, LaunchDoor, complaint
from maabarium.sandbox.process_tree import ProcessTree, handle_of
from maabarium.sandbox.runner import Runner, Spent

__all__ = ["LAUNCHER", "ForkingRunner", "Kept"]

FORKS = "MAABARIUM_FORKS"
"""Names the folder of the package whose module `forks` a program that is kept imports to be able to fork."""
LAUNCHER = Path(__file__).parent / "launcher"
DAYS = 10 * 86400.0
CREDENTIALS = struct.Struct("3i")
"""Process, user and group of who wrote a message, as the kernel says: unix(7)."""


class ForkingRunner(Runner):
    """A runner that can keep programs: `namespaces` with a CPU clock of the kernel."""

    strict: bool = False

    def keep(self, command: Command, folder: Path, source: Path) -> Kept:
        """Start a program to be kept, and wait until it is ready. At `folder` its sessions will see theirs, and it sees
        `source`; nothing else beside it. Raises SandboxError when it does not become ready, or none can be kept.
        """
        return Kept(self, command, folder, source)


class Kept(KeptProgram):
    """One program that is kept. `run` may be called by several threads at once."""

    def __init__(self, runner: ForkingRunner, command: Command, folder: Path, source: Path) -> None:
        self._runner, self._folder = runner, Path(os.path.realpath(folder))
        self._source = Path(os.path.realpath(source))
        self._stack = contextlib.ExitStack()
        self._output = os.memfd_create("maabarium")
        self._stack.callback(os.close, self._output)
        self.facts: Mapping[str, Any] = {}
        try:
            self._begin(command)
        except BaseException:
            self.close()
            raise

    def _begin(self, command: Command) -> None:
        self._wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stack.callback(self._wire.close)
        with theirs:
            whole = Command(
                argv=command.argv,
                cwd=command.cwd,
                env={**command.env, FORKS: str(LAUNCHER)},
                timeout=DAYS,
                writable=(),
                readable=(*command.readable, LAUNCHER),
                channel=theirs,
            )
            start = self._runner.prepared(whole, self._stack)
            world = namespaces_plan(start, self._runner.caps, strict=self._runner.strict, sealed=False)
            self._world = world["mounts"]
            folders = [
                ("write", BESIDE, True, str(self._folder.parent)),
                ("write", str(self._folder), True, str(self._source)),
            ]
            shown = [*self._world[:-1], *folders, self._world[-1]]
            door = LaunchDoor(
                Start(whole, start.env, start.mark, {}, start.group),
                lambda start: {**world, "mounts": shown, "lasts": True},
            )
            self._stack.callback(door.close)
            process = subprocess.Popen(
                door.argv,
                cwd=command.cwd,
                env=door.env,
                stdin=door.stdin,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                pass_fds=(*door.descriptors, theirs.fileno()),
                start_new_session=True,
            )
            self._stack.callback(end, process, door)
            door.tree.adopt(process.pid)
            clock = PerfClock(process.pid)  # also the trial whether there is one
            self._stack.callback(clock.close)
            door.open(process.pid, clock)
        self.facts = self._ready(time.monotonic() + READY)

    def _ready(self, deadline: float) -> Mapping[str, Any]:
        """What the program says when it is ready. Raises SandboxError with its last words when it ends or hangs."""
        self._wire.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            said = self._wire.recv(64 * 1024)
        except TimeoutError:
            raise SandboxError(f"the program to be kept was not ready after {READY:.0f} seconds") from None
        if not said:
            size = os.lseek(self._output, 0, os.SEEK_END)
            words = os.pread(self._output, 2000, max(0, size - 2000)).decode(errors="replace").strip()
            last = words.rpartition("\n")[2]
            raise SandboxError(f"the program to be kept ended: {last[-300:]}")
        facts: dict[str, Any] = json.loads(said)
        return facts

    def run(self, command: Command, folder: Path) -> Completed:
        """Run one session to its end, as `Sandbox.run` does; `command.argv` is what it is told. `folder` lies beside
        the one that the program was kept for and is seen in its place; the command's paths are those of the inside.
        Raises SandboxError when no session can be started: start the command cold then."""
        if self._runner.cancel.is_set():
            return Completed(-signal.SIGKILL, "", 0.0, 0.0, 0, interrupted=True)
        with contextlib.ExitStack() as stack:
            start = self._runner.prepared(command, stack)
            source = Path(os.path.realpath(folder))
            plan = partial(
                fork_plan,
                caps=self._runner.caps,
                strict=self._runner.strict,
                world=self._world,
                source=source,
                place=self._folder,
            )
            door = ForkDoor(start, plan, self._wire)
            stack.callback(door.close)
            clock = PerfClock(door.pid)
            stack.callback(clock.close)
            growing = [str(shown_at(place, self._folder, source)) for place in command.writable]
            return self._runner.follow(start, Fork(door), door, clock, growing)

    def close(self) -> None:
        """End the program and all of its sessions."""
        self._stack.close()


class ForkDoor(LaunchDoor):
    """The door of one session: a helper that the kept program has forked, which waits for the plan."""

    def __init__(self, start: Start, plan: Any, program: socket.socket) -> None:
        super().__init__(start, plan)
        self.output, self._writing = os.pipe()
        os.set_blocking(self.output, False)
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
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

    def _note_first(self, line: bytes) -> None:
        """Process 1 of the session is the only child of its helper; the number in the line is that of the inside."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", "rb") as file:  # noqa: PTH123
            self.init = int(file.read().split()[0])

    def _begin(self, program: str) -> None:
        command = self._start.command
        channel = [] if command.channel is None else [command.channel.fileno()]
        with contextlib.suppress(OSError):  # killed meanwhile: the caller will find out
            socket.send_fds(self._ours, [json.dumps(list(command.argv)).encode()], [self._writing, *channel])
        self._drop_writing()

    def last_word(self) -> tuple[int, Spent]:
        """Wait status of the session and what it used. Raises SandboxError when the helper was killed."""
        while (line := self._line(time.monotonic() + READY)) and not line.startswith(b"S"):
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


class Fork:
    """The helper of a session as the process that a runner follows; the kept program waits for it."""

    def __init__(self, door: ForkDoor) -> None:
        self._door = door
        self.pid, self.pipe = door.pid, door.output
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


def shown_at(path: Path, inner: Path, outer: Path) -> Path:
    """A path as a session sees it, beneath `inner`, as everybody else does: beneath `outer`."""
    real = Path(os.path.realpath(path))
    return outer / real.relative_to(inner) if real.is_relative_to(inner) else real


def end(process: subprocess.Popen[bytes], door: LaunchDoor) -> None:
    """End the kept program with everything in its world."""
    with contextlib.suppress(SandboxError):
        door.tree.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(READY)
