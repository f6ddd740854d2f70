"""How a program gets from "started" to "running under its limits": its environment, and one door for one run.

An environment is written from an allow-list, never copied and then cleaned: a secret that nobody thought of stays out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from maabarium.plugins.processes import Command, Completed
from maabarium.sandbox.caps import CAN_LIMIT_FROM_OUTSIDE, apply_limits, shell_settings
from maabarium.sandbox.cgroups import Group
from maabarium.sandbox.clock import CpuClock
from maabarium.sandbox.process_tree import RUN_MARK, ProcessTree

__all__ = [
    "CHANNEL", "Door", "DoorMaker", "PlainDoor", "Private", "Start", "bare_environment", "find_program",
    "scrubbed_environment",
]  # fmt: skip

CHANNEL = "MAABARIUM_CHANNEL"
"""Names the descriptor of the channel to the parent."""

INHERITED = ("LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""Passed on when set. An interpreter built with a shared library (as CI images and conda make them) does not
even start without the first; tools that look for the active environment go by the second. Neither is a secret."""

LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"

FIXED = {
    "LANG": LOCALE,
    "LC_ALL": LOCALE,
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    # Numeric libraries start one thread per core on import: noise for the clock, and unfair to pinned runs.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
"""The same for every process, so that two evaluations differ in the code only."""

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


class Private(NamedTuple):
    """What HOME and TMPDIR name, unless the command says otherwise."""

    home: Path
    temporary: Path


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
    def open(self, pid: int, clock: CpuClock) -> None:
        """Let the program begin; `clock` is told what was used before it did. SandboxError when it cannot."""

    def result(self, completed: Completed) -> Completed:
        """How the program ended, told from how what was started ended. SandboxError when it never began."""
        return completed

    def helpers(self) -> set[int]:
        """Processes of the tree that are ours and as large as what they were forked from: no memory of the program."""
        return set()

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""


DoorMaker = Callable[[Start], Door]
"""A way of confining."""


class PlainDoor(Door):
    """A shell that waits until its parent has limited it, and then *becomes* the program.

    Code of ours between fork and exec is not safe in a program with threads, and limiting after exec is a race. So the
    shell reads one line from its standard input first. If the parent dies before that, the read fails and nothing
    starts. Costs 0.6 ms; the shell adds PWD to the environment.
    """

    def __init__(self, start: Start) -> None:
        self._limits = start.limits
        self.stdin, ours = os.pipe()
        self._ends = os.fdopen(self.stdin, "rb", 0), os.fdopen(ours, "wb", 0)
        settings = [] if CAN_LIMIT_FROM_OUTSIDE else shell_settings(start.limits)
        self.argv = [SHELL, "-c", "; ".join([*settings, WAIT]), "sh", *start.command.argv]
        self.env = start.env
        self.tree = ProcessTree(start.mark)

    def open(self, pid: int, clock: CpuClock) -> None:
        """Limit the shell from outside and let it go on; what it used is too little to be told apart."""
        if CAN_LIMIT_FROM_OUTSIDE:
            apply_limits(pid, self._limits)
        with contextlib.suppress(BrokenPipeError):  # it died meanwhile: the caller will find out
            self._ends[1].write(b"\n")
        self._shut()

    def close(self) -> None:
        """Give the descriptors back; a shell that still waits ends with status 125."""
        self._shut()

    def _shut(self) -> None:
        for end in self._ends:
            end.close()


def scrubbed_environment(
    source: Mapping[str, str], own: Mapping[str, str], *, cwd: Path, private: Private, pass_env: Iterable[str] = ()
) -> dict[str, str]:
    """The environment of one process. Later wins: what every process gets, what
    `source`, our own environment, may pass on, `pass_env` of the blueprint (absent names are skipped), and `own`, the
    variables of the command itself."""
    env = dict(FIXED)
    # No empty and relative entries, which would find programs in the target's own folder.
    path = [entry for entry in source.get("PATH", os.defpath).split(os.pathsep) if entry.startswith("/")]
    env["PATH"] = os.pathsep.join(path) or os.defpath
    env["HOME"], env["TMPDIR"] = map(str, private)
    # Git must not find a repository above the tree: it would read that one's configuration and history.
    env["GIT_CEILING_DIRECTORIES"] = str(cwd.resolve().parent)
    env.update((name, source[name]) for name in (*INHERITED, *pass_env) if name in source)
    env.update(own)
    return env


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
