"""The backend `subprocess`: the level `trusted`, on every system, without privileges.

An own session, resource limits, a scrubbed environment, private home and temporary folder, and nothing left behind.
It keeps an *accident* from harming anything. It does not confine: the process reads and writes what its user may, and
has the network. It must not know what an evaluation is.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.folders import discard
from maabarium.plugins.protocols import Command, Completed
from maabarium.sandbox.clock import CpuClock, RunClock, probe_clock
from maabarium.sandbox.door import Door, GateDoor
from maabarium.sandbox.environment import CHANNEL, RUN_MARK, scrubbed_environment
from maabarium.sandbox.gate import find_program
from maabarium.sandbox.limits import CAN_LIMIT_FROM_OUTSIDE, apply_limits, limit_notes, limits_of, shell_settings
from maabarium.sandbox.output import KeptOutput
from maabarium.sandbox.process_tree import ProcessTree, new_mark
from maabarium.sandbox.supervision import Ending, Supervision

__all__ = ["SubprocessSandbox"]

MEGABYTE = 1024 * 1024
UNSEEN_CPU = 0.02
"""Seconds by which a child's rusage may exceed the kernel's counter: what it used between fork and exec."""


class SubprocessSandbox:
    """Starts processes at the level `trusted`. Any number of threads may call `run` at once.

    Raises SandboxError at construction for a level that it cannot hold: it never falls back.
    """

    name = "subprocess"
    level = "trusted"

    def __init__(self, options: SandboxOptions, cancel: threading.Event) -> None:
        if options.level not in ("auto", "trusted"):
            raise SandboxError(
                f'[sandbox] level = "{options.level}" cannot be held by the backend "subprocess", which reaches '
                '"trusted"; choose a backend that confines, or write level = "trusted" if you trust what is evaluated'
            )
        self._options = options
        self._cancel = cancel
        self.notes = limit_notes(options)
        """Sentences about what was asked for and does not hold on this system, for the header."""

    def run(self, command: Command) -> Completed:
        """Run to the end, or kill the whole tree at the deadline, on a flood, or when `cancel` is set.

        The caller keeps both ends of the channel. What `watch` itself starts is counted by the CPU clock; it
        should start nothing. Raises SandboxError when the process cannot be started, limited or ended.
        """
        if self._cancel.is_set():
            return Completed(-signal.SIGKILL, "", 0.0, 0.0, 0, interrupted=True)
        with contextlib.ExitStack() as stack:
            private = stack.enter_context(self._private(command))
            clock = probe_clock()
            stack.callback(clock.close)
            mark = new_mark(os.environ.get(RUN_MARK))
            door = self._door(command, self._environment(command, private, mark), mark)
            stack.callback(door.close)
            return self._run(command, clock, door)

    def _run(self, command: Command, clock: CpuClock, door: Door) -> Completed:
        process, pipe = self._start(command, door)
        tree, reaped = door.tree, False
        try:
            self._confine(process.pid, command, tree)
            clock.start(process.pid, tree)
            own = door.open(process.pid, clock)
            started = time.monotonic()
            supervision = Supervision(
                pid=process.pid,
                pipe=pipe,
                command=command,
                clock=RunClock(clock, own),
                output=KeptOutput(int(self._options.output_mb * MEGABYTE)),
                deadline=started + command.timeout,
                cancel=self._cancel,
                guard=door.guard,
            )
            ending = supervision.follow()
            clock.read()  # a clock over /proc must look while the processes are still there
            tree.kill()
            usage = reap(process)
            reaped = True
            supervision.finish()
            return completed(process.returncode, ending, supervision, usage, clock, started, own)
        finally:
            os.close(pipe)
            if not reaped:
                abandon(process, tree)

    def _private(self, command: Command) -> contextlib.AbstractContextManager[Path]:
        """What HOME and TMPDIR name unless the command does."""
        return private_folder(command)

    def _door(self, command: Command, env: dict[str, str], mark: str) -> Door:
        """How the program is started; a backend that confines has another door."""
        settings = [] if CAN_LIMIT_FROM_OUTSIDE else shell_settings(limits_of(self._options, command.timeout))
        return GateDoor(command, env, ProcessTree(mark), settings)

    def _environment(self, command: Command, private: Path, mark: str) -> dict[str, str]:
        own = dict(command.env)
        own[RUN_MARK] = mark
        if command.channel is not None:
            own[CHANNEL] = str(command.channel.fileno())
        return scrubbed_environment(os.environ, own, cwd=command.cwd, private=private, pass_env=self._options.pass_env)

    def _start(self, command: Command, door: Door) -> tuple[subprocess.Popen[bytes], int]:
        """Start the process at the door, leader of a new session; returns it and our end of its output."""
        argv = list(command.argv)
        reading, writing = os.pipe()
        try:
            os.set_blocking(reading, False)
            find_program(argv[0], door.path, command.cwd)
            if any("\0" in word for word in argv):
                raise ValueError("embedded null byte")
            process = subprocess.Popen(
                door.argv,
                cwd=command.cwd,
                env=door.env,
                stdin=door.stdin,
                stdout=writing,
                stderr=subprocess.STDOUT,
                close_fds=True,
                pass_fds=(*door.descriptors, *(() if command.channel is None else (command.channel.fileno(),))),
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as error:
            os.close(reading)
            raise SandboxError(
                f"{argv[0] if argv else 'an empty command'} could not be started in {command.cwd}: {error}"
            ) from error
        finally:
            os.close(writing)
        return process, reading

    def _confine(self, pid: int, command: Command, tree: ProcessTree) -> None:
        """Everything that is done to the waiting process from outside."""
        tree.adopt(pid)
        self._limit(pid, command)
        if command.pin and hasattr(os, "sched_setaffinity"):
            # Always the same core, so that both sides of a pair meet the same cache and clock.
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})

    def _limit(self, pid: int, command: Command) -> None:
        if CAN_LIMIT_FROM_OUTSIDE:
            apply_limits(pid, limits_of(self._options, command.timeout))


@contextlib.contextmanager
def private_folder(command: Command) -> Iterator[Path]:
    """A folder for HOME and TMPDIR that goes away with the run; none is made when the command names both."""
    if "HOME" in command.env and "TMPDIR" in command.env:
        yield command.cwd
        return
    folder = Path(tempfile.mkdtemp(prefix="maabarium-"))
    try:
        yield folder
    finally:
        discard(folder)


def reap(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """Take the exit status and the resources used. Raises SandboxError when somebody else took them."""
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except ChildProcessError as error:
        process.returncode = -signal.SIGKILL
        raise SandboxError(
            "the exit status of a child process was taken by other code of this program: "
            "something here ignores SIGCHLD or waits for all children; run Maabarium without it"
        ) from error
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def abandon(process: subprocess.Popen[bytes], tree: ProcessTree) -> None:
    """After an error or Ctrl-C: end everything without hiding the error that is on its way, and without waiting
    for a process that does not die."""
    with contextlib.suppress(SandboxError):
        tree.kill()
    deadline = time.monotonic() + 1.0
    while process.returncode is None:
        with contextlib.suppress(OSError):
            process.kill()  # it is not waited for yet, so the number is still its own
        if process.poll() is None and time.monotonic() > deadline:
            process.returncode = -signal.SIGKILL
        time.sleep(0.001)


def completed(
    returncode: int,
    ending: Ending,
    supervision: Supervision,
    usage: resource.struct_rusage,
    clock: CpuClock,
    started: float,
    own: float,
) -> Completed:
    """The record of a run. The rusage of the first process checks the clock, which a trick may have detached.

    `own` is the CPU time that was used before the program began.
    """
    counted, waited_for = clock.read(), usage.ru_utime + usage.ru_stime
    dodged = waited_for > counted * 1.05 + UNSEEN_CPU
    return Completed(
        returncode=returncode,
        output=supervision.output.text(),
        duration=supervision.ended - started,
        cpu=max(0.0, (max(counted, waited_for) if dodged or not clock.complete else counted) - own),
        peak_rss=supervision.peak_rss(usage),
        timed_out=ending == "timed_out",
        flooded=ending == "flooded" or (ending == "exited" and supervision.output.flooded),
        interrupted=ending == "interrupted",
        cpu_complete=clock.complete and not dodged,
    )
