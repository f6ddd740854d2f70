"""What a Landlock domain forbids and allows, and a plan for the launcher that needs no namespaces.

Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h. The version (ABI) says which rights the
kernel knows: 2 moving across folders, 3 truncation, 5 device control, 6 abstract sockets and signals to outsiders.

The plan is for kernels and containers that forbid user namespaces. What Landlock does not guard (Unix sockets by path,
datagrams, modes and times of files, other processes' limits) the filter refuses; so a program inside has no sockets but
pairs, not even on the loopback device, cannot change modes, and shares no memory by name. See docs/sandbox.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from maabarium.sandbox.caps import Caps
from maabarium.sandbox.door import Start
from maabarium.sandbox.file_access import DEVICES, access_of
from maabarium.sandbox.launcher import syscalls
from maabarium.sandbox.seccomp import filter_program, standalone_rules

__all__ = ["NOTE", "READ", "SCOPE_ABI", "Rights", "handled_rights", "landlock_plan", "path_rules"]

Rights = tuple[int, int]
"""File system, scopes. The network is left to the filter."""

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
FIRST = (1 << 13) - 1
SCOPES = 3  # abstract Unix sockets, signals
SCOPE_ABI = 6
READ = EXECUTE | READ_FILE | READ_DIR
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

PROCESS_FILES = (
    "cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "sys/kernel/osrelease", "sys/kernel/pid_max",
    "sys/vm/overcommit_memory", "uptime", "version",
)  # fmt: skip
"""What of /proc may be read: nothing about other processes."""
NOTE = (
    "without user namespaces: no sockets inside (not even loopback), no chmod, no named shared memory; the host's "
    "name and the existence of files outside can be seen"
)


def landlock_plan(start: Start, caps: Caps) -> dict[str, Any]:
    """The plan of one run: rules and filter."""
    files, abi = access_of(start.command, caps.options, start.env), syscalls.landlock_abi()
    private = [place for place in (start.env["HOME"], start.env["TMPDIR"]) if place != "/"]
    devices = [f"/dev/{name}" for name in DEVICES]
    facts = ["/proc/self", *(f"/proc/{name}" for name in PROCESS_FILES)]  # its own folder, not its children's
    rules = path_rules(abi, [*files.readable, *facts], [*files.writable, *private, *devices])
    return {
        "landlock": (handled_rights(abi), rules),
        "filter": filter_program(standalone_rules(network=caps.options.network), os.uname().machine),
    }


def handled_rights(abi: int) -> Rights:
    """What is forbidden unless a rule allows it."""
    rights = FIRST
    for version, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        rights |= right if abi >= version else 0
    return rights, SCOPES if abi >= SCOPE_ABI else 0


def path_rules(abi: int, readable: Iterable[str], writable: Iterable[str]) -> list[tuple[str, int]]:
    """Rules for paths, which reach beneath folders; on files only some rights are legal (else EINVAL)."""
    handled = handled_rights(abi)[0]
    rules = [(path, READ & handled) for path in readable] + [(path, handled) for path in writable]
    return [(path, access if Path(path).is_dir() else access & ON_FILES) for path, access in rules]
