"""The backend `bubblewrap`: the tool of that name builds the new root. Reaches `standard` and `strict`.

For systems where only it may make user namespaces (it carries an AppArmor profile on recent Ubuntu). The view, the
filter and the limits are the same as for `namespaces`; there is no Landlock on top. Supervision is that of
`subprocess`: `bwrap` waits at the gate like any program.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.protocols import Command, Completed
from maabarium.sandbox.caps import caps_of, rlimits_of
from maabarium.sandbox.cgroups import Group, controllers
from maabarium.sandbox.clock import CpuClock
from maabarium.sandbox.confined import folders_of
from maabarium.sandbox.door import Door, GateDoor
from maabarium.sandbox.environment import INHERITED, RUN_MARK
from maabarium.sandbox.limits import apply_limits
from maabarium.sandbox.namespaces import HOME, HOST, HOSTS, ROOT_UNBOUND, private_places
from maabarium.sandbox.process_tree import ProcessTree
from maabarium.sandbox.seccomp import confining_rules, filter_program
from maabarium.sandbox.subprocess import SubprocessSandbox
from maabarium.sandbox.syscall_numbers import NUMBERS
from maabarium.sandbox.usage import UsageGuard
from maabarium.sandbox.view import View, view_of

__all__ = ["BubblewrapSandbox"]

PROGRAM = "bwrap"
STARTED = b"child-pid"
"""What bwrap(1) writes to --json-status-fd once the world inside stands."""


class BubblewrapDoor(GateDoor):
    """The gate, behind which `bwrap` starts the program. `files` are the filter and, if the program is to have one
    of ours, the hosts file; they go over descriptors, as the arguments do."""

    def __init__(
        self, command: Command, env: Mapping[str, str], mark: str, arguments: list[str], files: Iterable[bytes]
    ) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise SandboxError("bubblewrap is gone: there is no bwrap in PATH any more")
        self.status, telling = os.pipe()
        os.set_blocking(self.status, False)
        self._files = [telling]
        for content in files:
            self._files.append(memory_file(content))
        words = ["--json-status-fd", "--seccomp", "--ro-bind-data"][: len(self._files)]
        numbered = [word for pair in zip(words, map(str, self._files), strict=True) for word in pair]
        numbered += ["/etc/hosts"] if len(words) > 2 else []
        inside = memory_file(b"\0".join(map(os.fsencode, [*numbered, *arguments])) + b"\0")
        self._files.append(inside)
        outer = dataclasses.replace(command, argv=[program, "--args", str(inside), "--", *command.argv])
        # Nothing of the program's environment: a variable of the dynamic linker would act before the confinement.
        own = {name: os.environ[name] for name in INHERITED if name in os.environ}
        super().__init__(outer, own | {RUN_MARK: mark, "PATH": env["PATH"]}, ProcessTree(mark), ())
        self.descriptors: tuple[int, ...] = tuple(self._files)
        self.guard: Callable[[], str] | None = None
        self.group: Group | None = None

    def open(self, pid: int, clock: CpuClock) -> float:
        """Join the group, begin."""
        if self.group is not None:
            try:
                self.group.join(pid)
            except OSError as error:
                raise SandboxError(f"the process could not be moved into its control group: {error}") from error
        for descriptor in self._files:
            os.close(descriptor)
        self._files = []
        if isinstance(self.guard, UsageGuard):
            self.guard.begin()
        return super().open(pid, clock)

    def stood(self) -> bool:
        """Whether the world inside was built; ask once, when the run is over."""
        with contextlib.suppress(BlockingIOError):
            return STARTED in os.read(self.status, 4096)
        return False

    def close(self) -> None:
        """Give everything back."""
        super().close()
        for descriptor in (*self._files, self.status):
            os.close(descriptor)
        self._files = []
        if self.group is not None:
            self.group.close()


class BubblewrapSandbox(SubprocessSandbox):
    """Starts processes in a world that `bwrap` builds. Any number of threads may call `run` at once."""

    name = "bubblewrap"

    def __init__(self, options: SandboxOptions, cancel: threading.Event) -> None:
        wanted = "standard" if options.level == "auto" else options.level
        if wanted == "trusted" or sys.platform != "linux" or os.uname().machine not in NUMBERS:
            raise SandboxError('the backend "bubblewrap" holds "standard" and "strict", on Linux for x86-64 and ARM64')
        if shutil.which(PROGRAM) is None:
            raise SandboxError("bubblewrap is not installed (there is no bwrap in PATH)")
        super().__init__(options.model_copy(update={"level": "trusted"}), cancel)
        self.level = wanted
        self.caps = caps_of(options)
        self.notes = ("[sandbox] network = true: the network is open",) if options.network else ()
        if os.getuid() == 0 and "pids" not in controllers():
            if wanted == "strict":
                raise SandboxError(f'[sandbox] level = "strict": {ROOT_UNBOUND}')
            self.notes = (*self.notes, ROOT_UNBOUND)

    def describe(self) -> str:
        """The level and how it is held, for the header."""
        return f"{self.level} (bubblewrap, seccomp)"

    def _private(self, command: Command) -> contextlib.AbstractContextManager[Path]:
        return contextlib.nullcontext(Path(HOME))

    def _limit(self, pid: int, command: Command) -> None:
        apply_limits(pid, dict(rlimits_of(self._options, command.timeout, namespaced=False)))

    def _door(self, command: Command, env: dict[str, str], mark: str) -> BubblewrapDoor:
        view = view_of(command, self._options, env)
        arguments = [*self._walls(), *furniture(view, private_places(*folders_of(env)), self.caps.private)]
        arguments += ["--clearenv", *(word for pair in env.items() for word in ("--setenv", *pair))]
        arguments += ["--chdir", os.path.realpath(command.cwd)]
        rules = confining_rules(strict=self.level == "strict")
        files = [filter_program(rules, os.uname().machine), *([] if self._options.network else [HOSTS])]
        door = BubblewrapDoor(command, env, mark, arguments, files)
        door.group = Group({"pids": self.caps.processes + 4, "memory": self.caps.memory})
        door.guard = UsageGuard(
            lambda: door.tree.members()[0],
            [str(place) for place in command.writable],
            memory=None if "memory" in door.group.bound else self.caps.memory,
            written=self.caps.written,
        )
        return door

    def _walls(self) -> list[str]:
        """Namespaces and privileges, bwrap(1)."""
        words = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        words += [] if self._options.network else ["--unshare-net"]
        words += ["--hostname", HOST, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        # uid 0 needs no capability to write to most of /proc/sys
        return [*words, "--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]

    def _run(self, command: Command, clock: CpuClock, door: Door) -> Completed:
        done = super()._run(command, clock, door)
        if isinstance(door, BubblewrapDoor) and not door.stood() and not (done.interrupted or done.timed_out):
            raise SandboxError(f"the sandbox could not be set up: {done.output.strip()[-500:]}")
        number = done.returncode - 128  # as a shell says it
        return dataclasses.replace(done, returncode=-number) if 0 < number < signal.NSIG else done


def furniture(view: View, private: Mapping[str, int], size: int) -> list[str]:
    """What is in the new root: what is above comes first, for it would cover what is beneath."""
    steps = [(path, ["--ro-bind", path, path]) for path in view.readable]
    steps += [(path, ["--bind", path, path]) for path in view.writable]
    steps += [(place, ["--symlink", target, place]) for place, target in view.links.items() if not_below(place, view)]
    for place, mode in private.items():
        steps.append((place, ["--perms", f"{mode:04o}", "--size", str(size), "--tmpfs", place]))
    return [word for _, words in sorted(steps, key=lambda step: step[0].count("/")) for word in words]


def not_below(place: str, view: View) -> bool:
    """Whether a link has to be made, because no bind brings it along."""
    return not any(place.startswith(path + "/") for path in (*view.readable, *view.writable))


def memory_file(content: bytes) -> int:
    """An anonymous file to be inherited, read from its beginning, memfd_create(2)."""
    descriptor = os.memfd_create("maabarium")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
