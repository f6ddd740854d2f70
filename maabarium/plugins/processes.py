"""Starting a process, the only way in which anything of a candidate runs: values and protocols."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any, Protocol, runtime_checkable

from maabarium.blueprint.schema import SandboxOptions

__all__ = [
    "Clockface",
    "Command",
    "Completed",
    "DescribesSandbox",
    "KeepsPrograms",
    "KeptProgram",
    "Sandbox",
    "SandboxFactory",
]


class Clockface(Protocol):
    """Clocks of the parent, readable while a child runs."""

    def cpu(self) -> float:
        """CPU seconds (user + system) of the whole process tree of the child so far."""

    def wall(self) -> float:
        """Monotonic wall seconds."""


@dataclass(frozen=True)
class Command:
    """One process to start: the only way in which anything of a candidate runs.

    `channel` is the child's end of a socket pair: it is inherited under the number in the environment
    variable `MAABARIUM_CHANNEL`. `watch` is called in the parent whenever `listen` is readable, with the
    clocks of the child's tree; it returns False when the conversation is over. `enough` is asked whenever the
    parent looks at the child: True ends the run as a deadline would, because its answer is known.
    """

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 60.0
    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    pin: bool = False
    """Keep the child on one core: a steadier clock for noisy measurements."""
    channel: socket | None = None
    listen: socket | None = None
    watch: Callable[[Clockface], bool] | None = None
    enough: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Completed:
    """How a process ended. `output` is the head and tail of stdout and stderr together, bounded, untrusted."""

    returncode: int
    """The exit status; negative: the signal that ended it."""
    output: str
    duration: float
    cpu: float
    peak_rss: int
    """Bytes, of the largest process."""
    timed_out: bool = False
    flooded: bool = False
    interrupted: bool = False
    stopped: bool = False
    """The parent knew enough (`Command.enough`) and ended it."""
    cpu_complete: bool = True
    """False when the CPU clock may have missed processes (see the sandbox's notes)."""
    signals_seen: bool = True
    """False when the sandbox learns of a signal only as a status of 128 + its number, as shells say it."""

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel or an rlimit ended it for lack of memory, as far as can be told."""
        killed = self.returncode == -signal.SIGKILL or (
            not self.signals_seen and self.returncode == 128 + signal.SIGKILL
        )
        return killed and not (self.timed_out or self.flooded or self.interrupted or self.stopped)

    @property
    def ending(self) -> str:
        """How it ended, in words: `SIGSEGV` or `status 3`; of a status that may stand for a signal both are said."""
        if self.returncode < 0:
            return _signal_name(-self.returncode)
        if 128 < self.returncode < 128 + signal.NSIG:
            return f"status {self.returncode}, as shells say of {_signal_name(self.returncode - 128)}"
        return f"status {self.returncode}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Sandbox(Protocol):
    """Starts processes under limits and leaves nothing of them behind."""

    name: str
    level: str

    def run(self, command: Command) -> Completed:
        """Run to the end, or kill the whole tree at the deadline, on a flood, or when `cancel` is set."""


class KeptProgram(Protocol):
    """A program that is ready and forks itself for every session."""

    facts: Mapping[str, Any]
    """What it said when it was ready."""

    def run(self, command: Command, folder: Path) -> Completed:
        """Run one session as `Sandbox.run` runs a command, with `folder` seen where the program was kept for.
        SandboxError when none can be started."""

    def close(self) -> None:
        """End the program with all its sessions."""


@runtime_checkable
class KeepsPrograms(Protocol):
    """A sandbox that can keep a program ready. In others every command is a start of its own."""

    def keep(self, command: Command, folder: Path, source: Path) -> KeptProgram:
        """Start a program and wait until it is ready. It sees `source`, a folder beside `folder` or that one itself, at
        `folder`, and its sessions theirs. Raises SandboxError."""


@runtime_checkable
class DescribesSandbox(Protocol):
    """A sandbox that says how it holds its level. Others are shown by level and name, and say nothing more."""

    held_by: str
    """What confines, for the header: `namespaces, landlock, seccomp`."""
    notes: tuple[str, ...]
    """Sentences about what was asked for and does not hold here, or does not hold at all."""


SandboxFactory = Callable[[SandboxOptions, threading.Event], Sandbox]
"""Makes a sandbox; the event is set by a signal and ends what runs at once."""
