"""The runner of every sandbox of ours: starts a program at a door, under caps, and leaves nothing of it behind.

How the program is confined is the door's matter, what it may use is the caps'. It must not know what an evaluation is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from maabarium.errors import SandboxError
from maabarium.folders import discard
from maabarium.plugins.processes import Command, Completed
from maabarium.sandbox.caps import MEGABYTE, Caps
from maabarium.sandbox.clock import CpuClock, probe_clock
from maabarium.sandbox.door import CHANNEL, Door, DoorMaker, Private, Start, find_program, scrubbed_environment
from maabarium.sandbox.one_core import pin
from maabarium.sandbox.process_tree import RUN_MARK, ProcessTree, new_mark
from maabarium.sandbox.supervision import Ending, KeptOutput, Supervision

__all__ = ["Child", "Runner", "Spent", "limit"]

SHORT = "/tmp"
UNSEEN_CPU = 0.02
"""Seconds by which a child's rusage may exceed the kernel's counter: what it used between fork and exec."""


class Spent(NamedTuple):
    """CPU seconds and the largest resident size (in the units of `ru_maxrss`) of a process and those it waited for."""

    cpu: float
    peak: int


class Waiting(Protocol):
    """What waits at a door. `pipe` is our non-blocking end of its output."""

    pid: int
    pipe: int
    over: int
    """A descriptor that is readable when it is over; -1: the end of the process itself tells."""
    returncode: int

    def reap(self) -> Spent:
        """After its end: `returncode` and the resources used. SandboxError when they cannot be known."""

    def abandon(self, tree: ProcessTree) -> None:
        """After an error: end it and its tree, whatever that takes."""


@dataclass
class Runner:
    """A `Sandbox` made of a door and caps. Any number of threads may call `run` at once."""

    name: str
    level: str
    held_by: str
    """What confines, for the header."""
    door: DoorMaker
    caps: Caps
    cancel: threading.Event
    private: Private | None = None
    """What HOME and TMPDIR name inside unless the command does; None: a folder on disk that goes with the run."""
    notes: tuple[str, ...] = ()

    def run(self, command: Command) -> Completed:
        """Run to the end, or kill the whole tree at the deadline, on a flood, or when `cancel` is set.

        The caller keeps both ends of the channel. What `watch` itself starts is counted by the CPU clock; it
        should start nothing. Raises SandboxError when the process cannot be started, limited or ended.
        """
        if self.cancel.is_set():
            return Completed(-signal.SIGKILL, "", 0.0, 0.0, 0, interrupted=True)
        with contextlib.ExitStack() as stack:
            start = self.prepared(command, stack)
            door = self.door(start)
            stack.callback(door.close)
            clock = probe_clock(door.tree)
            stack.callback(clock.close)
            return door.result(self.follow(start, Child(start, door), door, clock, self._growing(start)))

    def prepared(self, command: Command, stack: contextlib.ExitStack) -> Start:
        """What is to be started, with a mark and a control group of its own, which go when `stack` is closed."""
        private = self.private or private_folder(command, stack)
        mark = new_mark(os.environ.get(RUN_MARK))
        environment = self._environment(command, private, mark)
        start = Start(command, environment, mark, self.caps.rlimits(command.timeout), self.caps.group())
        stack.callback(start.group.close)
        return start

    def follow(self, start: Start, process: Waiting, door: Door, clock: CpuClock, growing: Iterable[str]) -> Completed:
        """Let a waiting process begin, watch it, end all that came of it. `growing`: folders that it may fill."""
        tree, reaped = door.tree, False
        try:
            if not tree.leader:  # it has not waited long
                tree.adopt(process.pid)
                limit(process.pid, start)
                if start.command.pin:
                    pin(process.pid)
            guard = self.caps.guard(lambda: set(tree.members()[0]) - door.helpers(), growing, start.group)
            door.open(process.pid, clock)
            output = KeptOutput(int(self.caps.options.output_mb * MEGABYTE))
            supervision = Supervision(
                process.pid, process.pipe, start.command, clock, output, self.cancel, guard, process.over
            )
            ending = supervision.follow()
            clock.read()  # a clock over /proc must look while the processes are still there
            tree.kill()
            usage = process.reap()
            reaped = True
            supervision.finish()
            return completed(process.returncode, ending, supervision, usage, clock)
        finally:
            os.close(process.pipe)
            if not reaped:
                process.abandon(tree)

    def _growing(self, start: Start) -> list[str]:
        """Folders on disk that the program may fill."""
        places = {str(place) for place in start.command.writable}
        if self.private is None:
            places |= {start.env["HOME"], start.env["TMPDIR"]}
        return sorted(places)

    def _environment(self, command: Command, private: Private, mark: str) -> dict[str, str]:
        own = {**command.env, RUN_MARK: mark}
        if command.channel is not None:
            own[CHANNEL] = str(command.channel.fileno())
        passed = self.caps.options.pass_env
        return scrubbed_environment(os.environ, own, cwd=command.cwd, private=private, pass_env=passed)


def private_folder(command: Command, stack: contextlib.ExitStack) -> Private:
    """A folder for HOME and TMPDIR that goes away with the run; none is made when the command names both. Its path is
    short: that of a Unix socket has at most 108 bytes."""
    if "HOME" in command.env and "TMPDIR" in command.env:
        return Private(command.cwd, command.cwd)
    folder = Path(tempfile.mkdtemp(prefix="maabarium-", dir=SHORT if os.access(SHORT, os.W_OK) else None))
    stack.callback(discard, folder)
    return Private(folder, folder)


class Child:
    """The process that was started at a door, leader of a new session. `pipe` is our end of its output."""

    def __init__(self, start: Start, door: Door) -> None:
        command = start.command
        argv, channel = list(command.argv), command.channel
        self.pipe, writing = os.pipe()
        self.over = -1
        self.returncode = -signal.SIGKILL
        try:
            os.set_blocking(self.pipe, False)
            find_program(argv[0], start.env["PATH"], command.cwd)
            if any("\0" in word for word in argv):
                raise ValueError("embedded null byte")
            self._process = subprocess.Popen(
                door.argv,
                cwd=command.cwd,
                env=door.env,
                stdin=door.stdin,
                stdout=writing,
                stderr=subprocess.STDOUT,
                close_fds=True,
                pass_fds=(*door.descriptors, *(() if channel is None else (channel.fileno(),))),
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as error:
            os.close(self.pipe)
            raise SandboxError(
                f"{argv[0] if argv else 'an empty command'} could not be started in {command.cwd}: {error}"
            ) from error
        finally:
            os.close(writing)
        self.pid = self._process.pid

    def reap(self) -> Spent:
        """Take the exit status and the resources used. Raises SandboxError when somebody else took them."""
        try:
            _, status, usage = os.wait4(self.pid, 0)
        except ChildProcessError as error:
            self._process.returncode = -signal.SIGKILL
            raise SandboxError(
                "the exit status of a child process was taken by other code of this program: "
                "something here ignores SIGCHLD or waits for all children; run Maabarium without it"
            ) from error
        self._process.returncode = self.returncode = os.waitstatus_to_exitcode(status)
        return Spent(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)

    def abandon(self, tree: ProcessTree) -> None:
        """After an error or Ctrl-C: end everything without hiding the error that is on its way, and without waiting
        for a process that does not die."""
        process = self._process
        with contextlib.suppress(SandboxError):
            tree.kill()
        deadline = time.monotonic() + 1.0
        while process.returncode is None:
            with contextlib.suppress(OSError):
                process.kill()  # it is not waited for yet, so the number is still its own
            if process.poll() is None and time.monotonic() > deadline:
                process.returncode = -signal.SIGKILL
            time.sleep(0.001)


def limit(pid: int, start: Start) -> None:
    """Move the waiting process into its control group."""
    try:
        start.group.join(pid)
    except OSError as error:
        raise SandboxError(f"the process could not be moved into its control group: {error}") from error


def completed(returncode: int, ending: Ending, seen: Supervision, usage: Spent, clock: CpuClock) -> Completed:
    """The record of a run. The rusage of the first process checks the clock, which a trick may have detached."""
    counted, waited_for = clock.read(), usage.cpu
    dodged = waited_for > counted * 1.05 + UNSEEN_CPU
    return Completed(
        returncode=returncode,
        output=seen.output.text(),
        duration=seen.ended - seen.began,
        cpu=max(0.0, (max(counted, waited_for) if dodged or not clock.complete else counted) - clock.own),
        peak_rss=seen.peak_rss(usage.peak),
        timed_out=ending == "timed_out",
        flooded=ending == "flooded" or (ending == "exited" and seen.output.flooded),
        interrupted=ending == "interrupted",
        stopped=ending == "stopped",
        cpu_complete=clock.complete and not dodged,
    )
