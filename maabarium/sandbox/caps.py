"""What a run may use: what the blueprint says, and for a confined run a value for everything on which it is silent.

Limits per process are resource limits, set from outside with `prlimit(2)`, or by the process on itself; those of the
whole tree are a control group's, and of a guard that looks at what is used every few milliseconds, cheaply.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.sandbox.cgroups import Group, controllers
from maabarium.sandbox.file_access import tops

__all__ = [
    "CAN_LIMIT_FROM_OUTSIDE", "MEGABYTE", "NPROC_UNBOUND", "ROOT_UNBOUND", "Caps", "UsageGuard", "apply_limits",
    "bytes_below", "shell_settings",
]  # fmt: skip

MEGABYTE = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")
MEMORY_PERIOD = 0.1
"""Seconds between two sums of memory."""
SHARE = 10
"""A walk over the files may take one part in so many of the time."""
CAN_LIMIT_FROM_OUTSIDE = hasattr(resource, "prlimit")
PROCESSES = 512
OPEN_FILES = 4096
PRIVATE = 1024
"""Megabytes of home, temporary files and shared memory together, which live in memory."""
WRITTEN = 4096
"""Megabytes that one process tree may add to the folders it may write to."""
OWN_COUNT = (5, 14)
"""From this kernel on RLIMIT_NPROC counts per user namespace."""
NPROC_UNBOUND = "[sandbox] processes does not bind for root: the kernel exempts uid 0 from RLIMIT_NPROC"
ROOT_UNBOUND = (
    "[sandbox] processes does not bind for root here: the kernel exempts uid 0 from RLIMIT_NPROC, and no control group "
    "with pids can be made; run as an ordinary user, or let this user write to a pids control group"
)


@dataclass(frozen=True)
class Caps:
    """The caps of a blueprint's options on this machine."""

    options: SandboxOptions
    bounded: bool = False
    """Whether what the options leave open is capped, and the tree as a whole."""
    namespaced: bool = False
    """Whether processes are counted in a user namespace of their own."""
    helpers: int = 0
    """Processes of the confinement itself, which are members of the tree."""

    @property
    def memory(self) -> int:
        """Bytes of the whole tree."""
        return self.options.memory_mb * MEGABYTE if self.options.memory_mb is not None else physical() * 3 // 4

    @property
    def processes(self) -> int | None:
        """How many there may be at a time."""
        return (self.options.processes or PROCESSES) if self.bounded else self.options.processes

    @property
    def written(self) -> int:
        """Bytes that the tree may add to folders on disk."""
        return (self.options.written_mb or WRITTEN) * MEGABYTE

    @property
    def private(self) -> int:
        """Bytes of private folders in memory."""
        return min(PRIVATE * MEGABYTE, self.written, physical() // 4)

    def rlimits(self, timeout: float) -> dict[int, int]:
        """Soft and hard limits by resource number, in the kernel's units (seconds, bytes, counts)."""
        options = self.options
        # CPU time is a backstop for the case that we die before the process does: all cores for the whole timeout.
        limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_CPU: math.ceil(timeout) * (os.cpu_count() or 1) + 5}
        if options.memory_mb is not None:
            limits[resource.RLIMIT_AS] = self.memory
        if options.file_mb is not None:
            limits[resource.RLIMIT_FSIZE] = options.file_mb * MEGABYTE
        if options.open_files is not None or self.bounded:
            limits[resource.RLIMIT_NOFILE] = OPEN_FILES if options.open_files is None else options.open_files
        if self.bounded:
            # Private writable memory. Address space is limited only when asked for: some programs reserve far more
            # than they use.
            limits[resource.RLIMIT_DATA] = min(self.memory, physical() // 2)
        if self.processes is not None:
            release = os.uname().release.split(".")
            counts_own = self.namespaced and (int(release[0]), int(release[1])) >= OWN_COUNT
            limits[resource.RLIMIT_NPROC] = self.processes + (2 if counts_own else tasks_of_user(os.getuid()))
        return limits

    def group(self) -> Group:
        """A control group for one run; without caps in it where none can be made, or none is needed."""
        if not self.bounded or self.processes is None:
            return Group({})
        return Group({"pids": self.processes + self.helpers, "memory": self.memory})

    def guard(
        self, members: Callable[[], Iterable[int]], folders: Iterable[str], group: Group
    ) -> Callable[[], str] | None:
        """What to ask while a program runs: a sentence when it must end. What the group caps is not looked at."""
        if not self.bounded:
            return None
        memory = None if "memory" in group.bound else self.memory
        return UsageGuard(members, folders, memory=memory, written=self.written)

    def notes(self, unbound: str) -> tuple[str, ...]:
        """Sentences about what does not hold here; `unbound` is the one for root's number of processes."""
        notes = ["[sandbox] network = true: the network is open"] if self.bounded and self.options.network else []
        if self.processes is not None and os.getuid() == 0 and not (self.bounded and "pids" in controllers()):
            notes.append(unbound)
        if not CAN_LIMIT_FROM_OUTSIDE and self.options.memory_mb is not None:
            notes.append("[sandbox] memory_mb may not hold: this system has no limit on address space")
        return tuple(notes)


def physical() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def apply_limits(pid: int, limits: Mapping[int, int]) -> None:
    """Set soft and hard limits of a running child, never above what it has. Raises SandboxError naming the limit when
    the kernel refuses; a child that is gone already is no error."""
    for number, value in limits.items():
        try:
            ceiling = resource.prlimit(pid, number)[1]
            bound = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
            resource.prlimit(pid, number, (bound, bound))
        except ProcessLookupError:
            return
        except (OSError, ValueError) as error:
            raise SandboxError(f"resource limit {number} = {value} could not be set: {error}") from error


def tasks_of_user(uid: int) -> int:
    """Threads that belong to a user now: RLIMIT_NPROC counts all of them, not only ours."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.stat().st_uid == uid:
                count += sum(1 for _ in (entry / "task").iterdir())
    return count


def shell_settings(limits: Mapping[int, int]) -> list[str]:
    """Shell commands by which a shell sets the limits on itself and on what it becomes."""
    units = {
        resource.RLIMIT_CPU: ("t", 1),
        resource.RLIMIT_FSIZE: ("f", 512),
        resource.RLIMIT_NOFILE: ("n", 1),
        resource.RLIMIT_CORE: ("c", 512),
    }
    return [
        f"ulimit -{units[number][0]} {math.ceil(value / units[number][1])} || exit 126"
        for number, value in limits.items()
        if number in units
    ]


class UsageGuard:
    """Call it now and then; it answers with a sentence when a limit is passed, else with nothing. Make it when the
    program is about to begin: what is free then is what it may take. `memory` and `written` are bytes, `folders` the
    places that may grow on disk."""

    def __init__(
        self, members: Callable[[], Iterable[int]], folders: Iterable[str], *, memory: int | None, written: int
    ) -> None:
        self._members = members
        self._memory = memory
        self._written = written
        self._folders = tuple(folders)
        self._free = [free_bytes(folder) for folder in self._folders]
        self._next_memory = 0.0
        self._next_walk = 0.0

    def __call__(self) -> str:
        """A sentence, or nothing."""
        return self._disk() or self._ram()

    def _disk(self) -> str:
        lost = max((was - free_bytes(place) for was, place in zip(self._free, self._folders, strict=True)), default=0)
        now = time.monotonic()
        if lost < self._written or now < self._next_walk:
            return ""
        # Others may have filled the disk: count what is really there, also in files that have no name any more.
        total = sum(bytes_below(folder) for folder in tops(self._folders)) + self._nameless()
        self._next_walk = now + SHARE * (time.monotonic() - now)
        if total < self._written:
            return ""
        return f"it wrote more than {self._written // MEGABYTE} MB; [sandbox] written_mb raises the limit"

    def _nameless(self) -> int:
        """Bytes of deleted files that a member still holds open, proc_pid_fd(5)."""
        seen: dict[tuple[int, int], int] = {}
        for pid in self._members():
            with contextlib.suppress(OSError):
                for entry in os.scandir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        info = os.stat(entry.path)  # noqa: PTH116
                        if info.st_nlink == 0:
                            seen[info.st_dev, info.st_ino] = info.st_blocks * 512
        return sum(seen.values())

    def _ram(self) -> str:
        now = time.monotonic()
        if self._memory is None or now < self._next_memory:
            return ""
        self._next_memory = now + MEMORY_PERIOD
        if sum(resident_bytes(pid) for pid in self._members()) < self._memory:
            return ""
        return f"it used more than {self._memory // MEGABYTE} MB of memory; [sandbox] memory_mb sets the limit"


def free_bytes(folder: str) -> int:
    """Free bytes of the file system that holds a folder; 0 when it is gone."""
    try:
        state = os.statvfs(folder)
    except OSError:
        return 0
    return state.f_bfree * state.f_frsize


def bytes_below(folder: str) -> int:
    """Bytes that files below a folder take up; links and what vanishes meanwhile count nothing."""
    total = 0
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            stack.append(entry.path)
        except OSError:
            continue
    return total


def resident_bytes(pid: int) -> int:
    """Resident memory of a process without what it shares with files, proc_pid_statm(5); 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            _, resident, shared, *_ = file.read().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * PAGE
