"""A new root in namespaces of its own, Landlock and a system call filter on top, as a plan for the launcher.

Needs no privileges, for root or for ordinary users. What is not listed does not exist inside: namespaces(7),
user_namespaces(7), pid_namespaces(7), mount_namespaces(7).
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maabarium.sandbox.caps import Caps
from maabarium.sandbox.door import Start
from maabarium.sandbox.file_access import DEVICES, FileAccess, access_of
from maabarium.sandbox.landlock import READ, Rights, handled_rights, path_rules
from maabarium.sandbox.launcher import syscalls
from maabarium.sandbox.seccomp import confining_rules, filter_program

__all__ = ["HOME", "HOST", "HOSTS", "namespaces_plan", "private_places"]

HOST = "sandbox"
HOME = Path("/home/candidate")
POOL = "/.private"
"""Where the memory file system is mounted for a moment."""
SMALL = 256 * 1024
INODES = 262144
HOSTS = b"127.0.0.1 localhost\n::1 localhost\n"
MASKED = ["kcore", "key-users", "keys", "kmsg", "sysrq-trigger", "timer_list"]
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}


def namespaces_plan(start: Start, caps: Caps, *, strict: bool) -> dict[str, Any]:
    """The plan of one run: namespaces, the new root, rules and filter."""
    options = caps.options
    files = access_of(start.command, options, start.env)
    private = private_places(start.env)
    flags = syscalls.NEWUSER | syscalls.NEWNS | syscalls.NEWPID | syscalls.NEWIPC | syscalls.NEWUTS
    flags |= syscalls.NEWCGROUP | (0 if options.network else syscalls.NEWNET)
    abi = syscalls.landlock_abi()
    return {
        "unshare": flags,
        "uid": os.getuid(),
        "gid": os.getgid(),
        "host": HOST,
        "loopback": not options.network,
        "mounts": steps_of(files, private, caps.private, network=options.network),
        "filter": filter_program(confining_rules(strict=strict), os.uname().machine),
        "landlock": write_domain(abi, files, private) if abi else None,
    }


def write_domain(abi: int, files: FileAccess, private: Mapping[str, int]) -> tuple[Rights, list[tuple[str, int]]]:
    """A Landlock domain for the new root: the listed places may be written, nothing else. What may be read is what
    is there, so reading is not handled, which spares a walk up the path for every file that is opened."""
    rights, scopes = handled_rights(abi)
    handled = rights & ~READ
    folders = [(place, handled) for place in (*private, "/dev/pts")]
    listed = path_rules(abi, [], [*files.writable, *(f"/dev/{name}" for name in DEVICES)])
    return (handled, scopes), [*((path, access & handled) for path, access in listed), *folders]


def private_places(env: Mapping[str, str]) -> dict[str, int]:
    """Folders in memory and their modes: home, temporary files, shared memory."""
    return {"/tmp": 0o1777, "/var/tmp": 0o1777, "/dev/shm": 0o1777, env["HOME"]: 0o700, env["TMPDIR"]: 0o700}


def steps_of(files: FileAccess, private: dict[str, int], size: int, *, network: bool) -> list[tuple[Any, ...]]:
    """The new root, step by step: what is above comes first, for it would cover what is beneath."""
    steps: list[tuple[Any, ...]] = [("device", f"/dev/{name}", f"/dev/{name}", False) for name in DEVICES]
    steps += [("link", f"/dev/{name}", target) for name, target in LINKS.items()]
    steps += [("terminals", "/dev/pts"), ("link", "/dev/ptmx", "pts/ptmx"), ("processes", "/proc", MASKED)]
    if not network:
        steps.append(("text", "/etc/hosts", HOSTS))
    rest: list[tuple[Any, ...]] = [shown(path) for path in files.readable]
    rest += [("write", path, path, os.path.isdir(path)) for path in files.writable]  # noqa: PTH112
    rest += [("link", place, target) for place, target in files.links.items()]
    data = f"size={size},nr_inodes={INODES},mode=0755"
    pool = [(str(number), place, mode) for number, (place, mode) in enumerate(private.items())]
    # One pool for all private places; those that lie beneath a bind are attached behind it.
    rest.sort(key=lambda step: step[1].count("/"))
    first = [entry for entry in pool if not files.holds(entry[1])]
    return [*steps, ("memory", POOL, data, pool, first), *rest, ("attach", POOL, [e for e in pool if e not in first])]


def shown(path: str) -> tuple[Any, ...]:
    """A step that shows a path: a bind, or for a small file of settings its content, which is much cheaper."""
    if path.startswith("/etc/"):
        with contextlib.suppress(OSError):
            info = os.stat(path)  # noqa: PTH116
            if stat.S_ISREG(info.st_mode) and info.st_size <= SMALL:
                return "text", path, content(path, info.st_mtime_ns)
    return "read", path, path, os.path.isdir(path)  # noqa: PTH112


@functools.lru_cache(256)
def content(path: str, stamp: int) -> bytes:
    """The content of a file of settings, read once."""
    return Path(path).read_bytes()
