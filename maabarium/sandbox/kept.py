"""A program that is kept ready in a world of its own and forks itself for every session (inside: `launcher.forks`).

A session may do what the same command could if it were started alone: own namespaces, limits, group, clock, filter and
Landlock domain. The program itself only ever runs what it was started with; it hears of a session and forks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Completed, KeptProgram
from maabarium.sandbox.clock import PerfClock
from maabarium.sandbox.door import Start
from maabarium.sandbox.fork_door import Fork, ForkDoor
from maabarium.sandbox.launch_plans import BESIDE, fork_plan, namespaces_plan, shown_at
from maabarium.sandbox.launcher_door import READY, LaunchDoor
from maabarium.sandbox.runner import Runner

__all__ = ["LAUNCHER", "ForkingRunner", "Kept"]

FORKS = "MAABARIUM_FORKS"
"""Names the folder of the package whose module `forks` a program that is kept imports to be able to fork."""
LAUNCHER = Path(__file__).parent / "launcher"
SLICE = 0.1
"""Seconds between looks at `cancel` while a program becomes ready."""
DAYS = 10 * 86400.0


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
        self._lock = threading.Lock()
        self._waiting: dict[Path, Future[ReadySession]] = {}
        """By folder: the next session there, ready or about to be."""
        self._background = ThreadPoolExecutor(2, thread_name_prefix="maabarium-kept")
        self.facts: Mapping[str, Any] = {}
        try:
            self._begin(command)
        except OSError as error:  # no clock of the kernel's, or no descriptors or processes any more
            self.close()
            raise SandboxError(f"no program can be kept here: {error}") from error
        except BaseException:
            self.close()
            raise

    def _begin(self, command: Command) -> None:
        self._wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stack.callback(self._wire.close)
        self._stack.callback(self._drop_ready)
        with theirs:
            whole = Command(
                argv=command.argv,
                cwd=command.cwd,
                env={**command.env, FORKS: str(LAUNCHER)},
                timeout=DAYS,
                writable=(self._folder,),
                readable=(*command.readable, LAUNCHER),
                channel=theirs,
            )
            start = self._runner.prepared(whole, self._stack)
            world = namespaces_plan(start, self._runner.caps, strict=self._runner.strict, sealed=False)
            self._world = world["mounts"]
            place, beside = str(self._folder), ("write", BESIDE, True, str(self._folder.parent))
            shown = [(*step, str(self._source)) if step[:2] == ("write", place) else step for step in self._world]
            shown.insert(-1, beside)
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
        if not self.facts.get("unfit"):
            self._try(command)

    def _try(self, command: Command) -> None:
        """Make a session ready, to see whether that is possible here; the first one with folders like these takes it.
        Raises SandboxError."""
        private = {name: command.env[name] for name in ("HOME", "TMPDIR") if name in command.env}
        like = dataclasses.replace(command, argv=(), env=private, readable=())
        ready: Future[ReadySession] = Future()
        ready.set_result(self._session(like, self._source))
        self._waiting[self._source] = ready

    def _ready(self, deadline: float) -> Mapping[str, Any]:
        """What the program says when it is ready. Raises SandboxError with its last words when it ends or hangs."""
        self._wire.settimeout(SLICE)
        said = None
        while said is None:
            with contextlib.suppress(TimeoutError):
                said = self._wire.recv(64 * 1024)
            if said is None and time.monotonic() > deadline:
                raise SandboxError(f"the program to be kept was not ready after {READY:.0f} seconds")
            if self._runner.cancel.is_set():
                raise SandboxError("cancelled")
        self._wire.settimeout(READY)
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
        source = Path(os.path.realpath(folder))
        session = self._ready_for(command, source) or self._session(command, source)
        self._make_ready(command, source)
        try:
            return session.run(command)
        finally:
            self._clear_up(session)

    def _session(self, command: Command, source: Path) -> ReadySession:
        return ReadySession(self._runner, command, source, self._folder, self._world, self._wire)

    def _ready_for(self, command: Command, source: Path) -> ReadySession | None:
        """The session that was made ready for this folder, if it is of use."""
        with self._lock:
            waiting = self._waiting.pop(source, None)
        if waiting is None or waiting.cancel():
            return None
        with contextlib.suppress(SandboxError):
            session = waiting.result()
            if session.fits(command):
                return session
            session.close()
        return None

    def _make_ready(self, command: Command, source: Path) -> None:
        """In the background, make the next session of a folder ready."""
        with self._lock, contextlib.suppress(RuntimeError):  # closed meanwhile, or the interpreter is about to end
            if source not in self._waiting:
                self._waiting[source] = self._background.submit(self._session, command, source)

    def _clear_up(self, old: ReadySession) -> None:
        """In the background, give back what a session held."""
        try:
            self._background.submit(old.close)
        except RuntimeError:
            old.close()

    def _drop_ready(self) -> None:
        """After the end of the program: give back what waits for sessions that will not come."""
        self._background.shutdown()
        for waiting in self._waiting.values():
            with contextlib.suppress(SandboxError):
                waiting.result().close()

    def close(self) -> None:
        """End the program and all of its sessions."""
        self._stack.close()


class ReadySession:
    """One session that waits for its words, confined and limited as `command` says. It is used once. Raises
    SandboxError when it cannot be made ready."""

    def __init__(
        self,
        runner: ForkingRunner,
        command: Command,
        source: Path,
        place: Path,
        world: list[tuple[Any, ...]],
        wire: socket.socket,
    ) -> None:
        self._runner, self._command, self._source, self._place = runner, command, source, place
        plan = partial(fork_plan, caps=runner.caps, strict=runner.strict, world=world, source=source, place=place)
        self._growing = [str(shown_at(folder, place, source)) for folder in command.writable]
        """Places outside of which it must not take more than it is granted."""
        self._begun = False
        self._folders: list[tuple[Path, int]] = []
        """Places that it sees, and what was there when it was made ready: descriptors, so that no other file can have
        the same number."""
        try:
            with contextlib.ExitStack() as stack:
                start = runner.prepared(command, stack)
                for folder in self._places(start):
                    self._folders.append((folder, os.open(folder, os.O_PATH | os.O_CLOEXEC)))
                    stack.callback(os.close, self._folders[-1][1])
                self._door = ForkDoor(start, plan, wire)
                stack.callback(self._door.close)
                stack.callback(self._close_output)
                self._clock = PerfClock(self._door.pid)
                stack.callback(self._clock.close)
                self._door.make_ready()
                self._stack = stack.pop_all()
        except OSError as error:  # its helper, or the program, has ended meanwhile
            raise SandboxError(f"a session of a kept program could not be made ready: {error}") from error

    def _places(self, start: Start) -> set[Path]:
        """Folders outside, of which it holds one: a new one of the same name would not be seen."""
        inside = {*start.command.writable, start.command.cwd, Path(start.env["HOME"]), Path(start.env["TMPDIR"])}
        inside = {path for path in inside if path.is_relative_to(self._place)}
        return {self._source, *(shown_at(path, self._place, self._source) for path in inside)}

    def fits(self, command: Command) -> bool:
        """Whether it is what this command would get: same limits and folders, none of them made anew since."""
        mine = self._command
        alike = (command.cwd, command.env, command.writable) == (mine.cwd, mine.env, mine.writable)
        if not alike or command.timeout > mine.timeout:  # the time limits CPU time only, as a backstop
            return False
        try:
            same = all(os.path.samestat(os.fstat(held), folder.stat()) for folder, held in self._folders)
        except OSError:
            return False
        return same and self._door.is_waiting()

    def run(self, command: Command) -> Completed:
        """Tell it its words and follow it to the end."""
        self._begun = True
        start = self._door.start = dataclasses.replace(self._door.start, command=command)
        return self._runner.follow(start, Fork(self._door), self._door, self._clock, self._growing)

    def _close_output(self) -> None:
        if not self._begun:  # else it was closed in the end
            os.close(self._door.output)

    def close(self) -> None:
        """Give everything back, and end it if it still waits."""
        self._stack.close()


def end(process: subprocess.Popen[bytes], door: LaunchDoor) -> None:
    """End the kept program with everything in its world."""
    with contextlib.suppress(SandboxError):
        door.tree.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(READY)
