"""Resource limits of a process that waits at its gate, set from outside on its process id. Starts and ends nothing.

`prlimit(2)` lets the parent set them, exactly and with an error for each. Where the call is missing (macOS),
`shell_settings` has the waiting shell set what it can.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
from collections.abc import Mapping
from pathlib import Path

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError

__all__ = ["CAN_LIMIT_FROM_OUTSIDE", "apply_limits", "limit_notes", "limits_of", "shell_settings"]

MEGABYTE = 1024 * 1024
CAN_LIMIT_FROM_OUTSIDE = hasattr(resource, "prlimit")
NPROC_UNBOUND = "[sandbox] processes does not bind for root: the kernel exempts uid 0 from RLIMIT_NPROC"


def limits_of(options: SandboxOptions, timeout: float) -> dict[int, int]:
    """Soft limits by resource number, in the kernel's units (seconds, bytes, counts).

    CPU time is a backstop for the case that this program dies before the process does: all cores for the whole
    timeout, and then some.
    """
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: math.ceil(timeout) * (os.cpu_count() or 1) + 5,
    }
    if options.memory_mb is not None:
        limits[resource.RLIMIT_AS] = options.memory_mb * MEGABYTE
    if options.file_mb is not None:
        limits[resource.RLIMIT_FSIZE] = options.file_mb * MEGABYTE
    if options.open_files is not None:
        limits[resource.RLIMIT_NOFILE] = options.open_files
    if options.processes is not None:
        limits[resource.RLIMIT_NPROC] = options.processes + tasks_of_user(os.getuid())
    return limits


def limit_notes(options: SandboxOptions) -> tuple[str, ...]:
    """Sentences about limits that were asked for and do not hold here."""
    notes = []
    if options.processes is not None and os.getuid() == 0:
        notes.append(NPROC_UNBOUND)
    if not CAN_LIMIT_FROM_OUTSIDE and options.memory_mb is not None:
        notes.append("[sandbox] memory_mb may not hold: this system has no limit on address space")
    return tuple(notes)


def apply_limits(pid: int, limits: Mapping[int, int]) -> None:
    """Set soft and hard limits of a running child, never above what it has.

    Raises SandboxError naming the limit when the kernel refuses; a child that is gone already is no error.
    """
    for number, value in limits.items():
        with contextlib.suppress(ProcessLookupError):
            try:
                ceiling = resource.prlimit(pid, number)[1]
                bound = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
                resource.prlimit(pid, number, (bound, bound))
            except ProcessLookupError:
                raise
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
