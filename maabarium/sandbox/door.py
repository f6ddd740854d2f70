"""How a program gets from "started" to "running under its limits": one door for one run.

The plain door is a shell that waits; a confining backend brings its own. Clock, output, supervision and the end of all
processes are the runner's, the same behind every door.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maabarium.plugins.processes import Command, Completed
from maabarium.sandbox.caps import CAN_LIMIT_FROM_OUTSIDE, apply_limits, shell_settings
from maabarium.sandbox.cgroups import Group
from maabarium.sandbox.clock import CpuClock
from maabarium.sandbox.environment import INHERITED, RUN_MARK
from maabarium.sandbox.process_tree import ProcessTree

__all__ = ["Door", "DoorMaker", "PlainDoor", "Start", "bare_environment", "find_program"]

SHELL = "/bin/sh"
WAIT = 'read -r _ || exit 125; exec "$@" </dev/null'


@dataclass(frozen=True)
class Start:
    """What is to be started: the command, the program's environment, the run's mark, resource limits, group."""

    command: Command
    env: Mapping[str, str]
    mark: str
    limits: Mapping[int, int]
    group: Group


class Door(ABC):
    """What is started instead of the program, and what lets the program begin."""

    argv: Sequence[str]
    env: Mapping[str, str]
    stdin: int
    descriptors: tuple[int, ...] = ()
    """Inherited beside the channel."""
    tree: ProcessTree
    """All processes behind this door."""

    @abstractmethod
    def open(self, pid: int, clock: CpuClock) -> float:
        """Let the program begin; the CPU seconds that were used before it did. SandboxError when it cannot."""

    def result(self, completed: Completed) -> Completed:
        """How the program ended, told from how what was started ended. SandboxError when it never began."""
        return completed

    @abstractmethod
    def close(self) -> None:
        """Give everything back. Once more is no error."""


DoorMaker = Callable[[Start], Door]
"""A way of confining."""


class PlainDoor(Door):
    """A shell that waits until its parent has limited it, and then *becomes* the program.

    Code of ours between fork and exec is not safe in a program with threads, and limiting after exec is a race: on a
    busy machine a small program forks, leaves its session and cleans its environment before the parent gets its turn.
    So the shell reads one line from its standard input first. If the parent dies before that, the read fails and
    nothing starts. Costs 0.6 ms; the shell adds PWD to the environment.
    """

    def __init__(self, start: Start) -> None:
        self._limits = start.limits
        self._closed = False
        self.stdin, self._ours = os.pipe()
        settings = [] if CAN_LIMIT_FROM_OUTSIDE else shell_settings(start.limits)
        self.argv = [SHELL, "-c", "; ".join([*settings, WAIT]), "sh", *start.command.argv]
        self.env = start.env
        self.tree = ProcessTree(start.mark)

    def open(self, pid: int, clock: CpuClock) -> float:
        """Limit the shell from outside and let it go on; what it used is too little to be told apart."""
        if CAN_LIMIT_FROM_OUTSIDE:
            apply_limits(pid, self._limits)
        with contextlib.suppress(BrokenPipeError):  # it died meanwhile: the caller will find out
            os.write(self._ours, b"\n")
        self.close()
        return 0.0

    def close(self) -> None:
        """Give the descriptors back; a shell that still waits ends with status 125."""
        if not self._closed:
            self._closed = True
            os.close(self.stdin)
            os.close(self._ours)


def bare_environment(mark: str) -> dict[str, str]:
    """For a program of ours that confines another one: a variable of the dynamic linker would act before that."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | {RUN_MARK: mark}


def find_program(name: str, path: str, cwd: Path) -> None:
    """Raise OSError when there is no such program: the shell would only say so in the output."""
    place = cwd / name
    if "/" not in name:
        if shutil.which(name, path=path) is None:
            raise FileNotFoundError(f"there is no program of that name in {path}")
    elif not place.exists():
        raise FileNotFoundError(f"there is no file {place}")
    elif place.is_dir() or not os.access(place, os.X_OK):
        raise PermissionError(f"{place} is not executable")
