"""The limits of a confined process as numbers: what the blueprint says, and what holds when it says nothing.

At `standard` and `strict` every limit has a value, so that no program can take the machine with it. Sets nothing.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

from maabarium.blueprint.schema import SandboxOptions
from maabarium.sandbox.limits import limits_of, tasks_of_user

__all__ = ["Caps", "caps_of", "rlimits_of"]

MEGABYTE = 1024 * 1024
PROCESSES = 512
OPEN_FILES = 4096
PRIVATE = 1024
"""Megabytes of home, temporary files and shared memory together, which live in memory."""
WRITTEN = 4096
"""Megabytes that one process tree may add to the folders it may write to."""
OWN_COUNT = (5, 14)
"""From this kernel on RLIMIT_NPROC counts per user namespace."""


@dataclass(frozen=True)
class Caps:
    """Bytes and counts; all of them bind the whole tree, but for `data` and the per-process limits."""

    memory: int
    data: int
    processes: int
    private: int
    written: int


def caps_of(options: SandboxOptions) -> Caps:
    """The caps for these options on this machine."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    memory = options.memory_mb * MEGABYTE if options.memory_mb is not None else physical * 3 // 4
    written = options.written_mb or WRITTEN
    return Caps(
        memory=memory,
        data=min(memory, physical // 2),
        processes=options.processes or PROCESSES,
        private=min(PRIVATE * MEGABYTE, written * MEGABYTE, physical // 4),
        written=written * MEGABYTE,
    )


def rlimits_of(options: SandboxOptions, timeout: float, *, namespaced: bool) -> list[tuple[int, int]]:
    """Resource limits, in the kernel's units, for a process that sets them on itself."""
    caps = caps_of(options)
    limits = limits_of(options.model_copy(update={"processes": None}), timeout)
    # Private writable memory. Address space is limited only when asked for: some programs reserve far more than
    # they use.
    limits[resource.RLIMIT_DATA] = caps.data
    limits.setdefault(resource.RLIMIT_NOFILE, OPEN_FILES)
    release = os.uname().release.split(".")
    counts_own = namespaced and (int(release[0]), int(release[1])) >= OWN_COUNT
    others = 2 if counts_own else tasks_of_user(os.getuid())
    limits[resource.RLIMIT_NPROC] = caps.processes + others
    return sorted(limits.items())
