"""The backend `landlock`: Landlock and a system call filter, without namespaces. Reaches `standard`.

For kernels and containers that forbid user namespaces. What Landlock does not guard (Unix sockets by path, datagrams,
modes and times of files, other processes' limits) the filter refuses; so a program inside has no sockets but pairs,
not even on the loopback device, cannot change modes, and shares no memory by name. See docs/sandbox.md.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.protocols import Command
from maabarium.sandbox.cgroups import controllers
from maabarium.sandbox.confined import ConfinedSandbox, folders_of
from maabarium.sandbox.landlock import SCOPE_ABI, handled_rights, path_rules
from maabarium.sandbox.launcher import syscalls
from maabarium.sandbox.limits import NPROC_UNBOUND
from maabarium.sandbox.seccomp import filter_program, standalone_rules
from maabarium.sandbox.view import DEVICES, view_of

__all__ = ["LandlockSandbox"]

PROCESS_FILES = (
    "cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "sys/kernel/osrelease", "sys/kernel/pid_max",
    "sys/vm/overcommit_memory", "uptime", "version",
)  # fmt: skip
"""What of /proc may be read: nothing about other processes."""
NOTES = (
    "without user namespaces: no sockets inside (not even loopback), no chmod, no named shared memory; the host's "
    "name and the existence of files outside can be seen",
)


class LandlockSandbox(ConfinedSandbox):
    """Starts processes in a Landlock domain. Any number of threads may call `run` at once."""

    name = "landlock"

    def __init__(self, options: SandboxOptions, cancel: threading.Event) -> None:
        super().__init__(options, cancel)
        self._abi = syscalls.landlock_abi()
        if self._abi < SCOPE_ABI:
            raise SandboxError(
                f'the backend "landlock" needs Landlock version {SCOPE_ABI} (Linux 6.12), which also keeps signals '
                f"inside; this kernel has {f'version {self._abi}' if self._abi else 'none, or it is forbidden here'}"
            )
        self.notes = (*self.notes, *NOTES)
        if os.getuid() == 0 and "pids" not in controllers():
            self.notes = (*self.notes, NPROC_UNBOUND)

    def describe(self) -> str:
        """The level and how it is held, for the header."""
        return f"{self.level} (landlock, seccomp)"

    def _growing(self, command: Command, env: Mapping[str, str]) -> list[str]:
        return sorted({*super()._growing(command, env), *map(str, folders_of(env))})

    def _plan(self, command: Command, env: dict[str, str]) -> dict[str, Any]:
        view = view_of(command, self._options, env)
        private = [str(place) for place in folders_of(env) if place != Path("/")]
        devices = [f"/dev/{name}" for name in DEVICES]
        facts = ["/proc/self", *(f"/proc/{name}" for name in PROCESS_FILES)]  # its own folder, not its children's
        rules = path_rules(self._abi, [*view.readable, *facts], [*view.writable, *private, *devices])
        return super()._plan(command, env) | {
            "landlock": (handled_rights(self._abi), rules),
            "filter": filter_program(standalone_rules(network=self._options.network), os.uname().machine),
        }
