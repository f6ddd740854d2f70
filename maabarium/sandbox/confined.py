"""What the backends with a launcher have in common: one door that hands over a plan, one way to end everything.

A backend says which namespaces, mounts, rules and filters the plan holds. Supervision, clocks and output are those of
`SubprocessSandbox`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.protocols import Command
from maabarium.sandbox.caps import caps_of, rlimits_of
from maabarium.sandbox.cgroups import Group
from maabarium.sandbox.clock import CpuClock
from maabarium.sandbox.environment import INHERITED, RUN_MARK
from maabarium.sandbox.launch import Launch, handle_of, wait_for_end
from maabarium.sandbox.process_tree import PATIENCE, ProcessTree, state_and_parent
from maabarium.sandbox.subprocess import SubprocessSandbox
from maabarium.sandbox.syscall_numbers import NUMBERS
from maabarium.sandbox.usage import UsageGuard

__all__ = ["ConfinedSandbox", "LaunchDoor", "LaunchedTree"]


FREEZING = 3.0
"""Seconds to bring everything to a halt before it is killed all the same."""


class LaunchedTree(ProcessTree):
    """The processes behind a launcher. With process 1 of a pid namespace at hand its end is the end of all."""

    def __init__(self, mark: str, launch: Launch) -> None:
        super().__init__(mark)
        self._launch = launch
        self.group: Group | None = None

    def kill(self) -> None:
        """End everything. With namespaces: process 1, and the kernel kills the rest before its end is seen. Without:
        the helper kills what descends from it, then whatever still bears the marks is searched for.
        """
        if not self._leader:
            return
        if self._launch.init:
            self._kill_namespace()
            return
        self._freeze()
        self._launch.release()
        with handle_of(self._leader) as helper:
            ended = helper < 0 or wait_for_end([helper], PATIENCE)
        super().kill()
        if not ended:
            raise SandboxError("processes of an evaluation do not die, even of SIGKILL; look at them with ps")

    def _freeze(self) -> None:
        """Stop what runs before it is killed: each death would make room for another fork, a halt does not."""
        if self.group is not None:
            self.group.close_door()
        deadline = time.monotonic() + FREEZING
        while time.monotonic() < deadline:
            moving = [pid for pid in self.members()[0] if pid != self._leader and state_and_parent(pid)[0] not in "TZX"]
            for pid in moving:
                with handle_of(pid) as handle, contextlib.suppress(OSError):
                    if handle >= 0 and self.owns(pid):
                        signal.pidfd_send_signal(handle, signal.SIGSTOP)
            if not moving:
                return

    def _kill_namespace(self) -> None:
        with handle_of(self._launch.init) as first, handle_of(self._leader) as helper:
            if first >= 0 and self._is_ours():
                signal.pidfd_send_signal(first, signal.SIGKILL)
            self._launch.release()
            waiting = [handle for handle in (first, helper) if handle >= 0]
            if not wait_for_end(waiting, PATIENCE):
                raise SandboxError("processes of an evaluation do not die, even of SIGKILL; look at them with ps")

    def _is_ours(self) -> bool:
        """Whether the number of process 1 still is a child of the helper, which has not been waited for."""
        try:
            with open(f"/proc/{self._launch.init}/stat", "rb") as file:  # noqa: PTH123
                return int(file.read().rpartition(b")")[2].split()[1]) == self._leader
        except OSError:
            return False


class LaunchDoor:
    """The launcher in place of the gate."""

    stdin: int = subprocess.DEVNULL

    def __init__(
        self, command: Command, env: Mapping[str, str], launch: Launch, plan: Callable[[], dict[str, Any]], mark: str
    ) -> None:
        self._launch = launch
        self._command = command
        self._plan = plan
        self.argv: Sequence[str] = launch.argv()
        # Nothing of the program's environment: a variable of the dynamic linker would act before the confinement.
        self.env: Mapping[str, str] = {name: os.environ[name] for name in INHERITED if name in os.environ} | {
            RUN_MARK: mark
        }
        self.path = env["PATH"]
        self.descriptors: tuple[int, ...] = launch.descriptors
        self.tree = LaunchedTree(mark, launch)
        self.group: Group | None = None
        self.guard: Callable[[], str] | None = None

    def open(self, pid: int, clock: CpuClock) -> float:
        """Hand over the plan, wait until the process is confined, note what that used, let it begin."""
        self._launch.started()
        plan = self._plan()
        if self.group is not None:
            try:
                self.group.join(pid)
            except OSError as error:
                raise SandboxError(f"the process could not be moved into its control group: {error}") from error
        self._launch.submit(plan)
        own = clock.read()
        if isinstance(self.guard, UsageGuard):
            self.guard.begin()
        self._launch.open(self._command.argv)
        return own

    def close(self) -> None:
        """Close the leash and the group."""
        self._launch.close()
        if self.group is not None:
            self.group.close()


class ConfinedSandbox(SubprocessSandbox):
    """A sandbox whose programs are launched with a plan. Raises SandboxError at construction for what it lacks."""

    namespaced = False
    reached: tuple[str, ...] = ("standard",)

    def __init__(self, options: SandboxOptions, cancel: threading.Event) -> None:
        wanted = "standard" if options.level == "auto" else options.level
        if wanted not in self.reached:
            raise SandboxError(
                f'[sandbox] level = "{wanted}" cannot be held by the backend "{self.name}", which reaches '
                + " and ".join(f'"{level}"' for level in self.reached)
            )
        if sys.platform != "linux" or os.uname().machine not in NUMBERS:
            raise SandboxError(f'the backend "{self.name}" knows Linux on {" and ".join(NUMBERS)} only')
        super().__init__(options.model_copy(update={"level": "trusted"}), cancel)
        self.level = wanted
        self.caps = caps_of(options)
        self.notes = self._notes()

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self._options.network:
            notes.append("[sandbox] network = true: the network is open")
        return tuple(notes)

    def describe(self) -> str:
        """The level and how it is held, for the header."""
        return f"{self.level} ({self.name})"

    def _door(self, command: Command, env: dict[str, str], mark: str) -> LaunchDoor:
        launch = Launch()
        try:
            door = LaunchDoor(command, env, launch, lambda: self._plan(command, env), mark)
            door.group = door.tree.group = self._group()
            bound = door.group.bound if door.group is not None else set[str]()
            door.guard = UsageGuard(
                lambda: door.tree.members()[0],
                self._growing(command, env),
                memory=None if "memory" in bound else self.caps.memory,
                written=self.caps.written,
            )
        except BaseException:
            launch.close()
            raise
        return door

    def _group(self) -> Group | None:
        """A control group for the caps that need one."""
        return Group({"pids": self.caps.processes + 2, "memory": self.caps.memory})

    def _growing(self, command: Command, env: Mapping[str, str]) -> list[str]:
        """Folders on disk that the program may fill."""
        return [str(place) for place in command.writable]

    def _limit(self, pid: int, command: Command) -> None:
        """Nothing from outside: the limits are in the plan, so that the launcher itself is not under them."""

    def _plan(self, command: Command, env: dict[str, str]) -> dict[str, Any]:
        """What every plan holds."""
        return {
            "parent": os.getpid(),
            "unshare": 0,
            "argv": list(command.argv),
            "env": env,
            "cwd": os.path.realpath(command.cwd),
            "keep": [] if command.channel is None else [command.channel.fileno()],
            "limits": rlimits_of(self._options, command.timeout, namespaced=self.namespaced),
            "landlock": None,
            "filter": b"",
        }


def folders_of(env: Mapping[str, str]) -> tuple[Path, Path]:
    """HOME and TMPDIR of an environment."""
    return Path(env["HOME"]), Path(env["TMPDIR"])
