"""Plans for the launcher: how one program is confined, with namespaces or without.

`namespaces_plan`: a new root in namespaces of its own, a Landlock domain and a system call filter on top. Needs no
privileges, for root or for ordinary users; what is not listed does not exist inside: namespaces(7).
`landlock_plan`: for kernels and containers that forbid user namespaces. What Landlock does not guard (Unix sockets by
path, datagrams, modes and times of files, other processes' limits) the filter refuses. See docs/sandbox.md.

Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h. The version (ABI) says which rights the
kernel knows: 2 moving across folders, 3 truncation, 5 device control, 6 abstract sockets and signals to outsiders.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from maabarium.sandbox.caps import Caps
from maabarium.sandbox.door import Private, Start
from maabarium.sandbox.file_access import DEVICES, FileAccess, access_of
from maabarium.sandbox.launcher import syscalls
from maabarium.sandbox.seccomp import confining_rules, filter_program, standalone_rules

__all__ = [
    "HOST", "HOSTS", "NOTE", "PRIVATE", "SCOPE_ABI", "fork_plan", "handled_rights", "hosts_file", "landlock_plan",
    "namespaces_plan", "path_rules", "private_places", "shown_at",
]  # fmt: skip

HOST = "sandbox"
PRIVATE = Private(Path("/home/candidate"), Path("/tmp"))
BESIDE = "/.beside"
"""Where a kept program has the folders of its sessions; what a session sees there is empty."""
POOL = "/.private"
"""Where the memory file system is mounted for a moment."""
SMALL = 256 * 1024
INODES = 262144
HOSTS = Path("/etc/hosts")
MASKED = ["kcore", "key-users", "keys", "kmsg", "sysrq-trigger", "timer_list"]
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}

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


def namespaces_plan(start: Start, caps: Caps, *, strict: bool, sealed: bool = True) -> dict[str, Any]:
    """The plan of one run: namespaces, the new root, rules and filter. Not `sealed`: for a program that is kept,
    without rules and filter, which would forbid it to make namespaces for its sessions."""
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
        "mounts": steps_of(files, private, caps.private, network=options.network, sealed=sealed),
        "filter": confining_filter(strict) if sealed else None,
        "landlock": write_domain(abi, files, private) if abi and sealed else None,
    }


def fork_plan(
    start: Start, caps: Caps, *, strict: bool, world: list[tuple[Any, ...]], source: Path, place: Path
) -> dict[str, Any]:
    """The plan of one session of a kept program, whose root was built by the steps `world`. `source`, a folder beside
    `place`, is seen at `place`; nothing else of what is beside them is. The command's folders lie beneath `place`."""
    options, abi, private = caps.options, syscalls.landlock_abi(), private_places(start.env)
    for step in world:  # the program has its own, which may be other ones
        if step[0] == "memory":
            private = {path: mode for _, path, mode in step[3]} | private
    writable = tuple(os.path.realpath(folder) for folder in start.command.writable)
    flags = syscalls.NEWUSER | syscalls.NEWNS | syscalls.NEWPID | syscalls.NEWIPC
    pool, attached = memory_steps("/tmp", caps.private, private, lambda path: path.startswith(f"{place}/"))
    covering = tuple(f"{path}/" for path in private)
    covered = [step for step in world if step[0] in ("read", "write") and step[1].startswith(covering)]
    covered = [step for step in covered if step[1] != str(place)]
    inner = [path.relative_to(place) for path in map(Path, writable) if place in path.parents]
    inner = [path for path in inner if os.path.lexists(source / path)]
    return {
        "unshare": flags | (0 if options.network else syscalls.NEWNET),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "host": "",
        "loopback": not options.network,
        "changes": [
            pool,
            *(("again", path, folder) for _, path, folder in covered),
            *(step for step in world if step[0] in ("link", "text") and step[1].startswith(covering)),
            ("only", f"{BESIDE}/{source.name}", BESIDE, str(place), str(place) in writable),
            *(("within", f"{BESIDE}/{source.name}/{path}", f"{place}/{path}") for path in inner),
            attached,
            ("terminals", "/dev/pts"),
            ("processes", "/proc", MASKED, True),
        ],
        "cwd": os.path.realpath(start.command.cwd),
        "limits": sorted(start.limits.items()),
        "reports": True,
        "filter": confining_filter(strict),
        "landlock": write_domain(abi, FileAccess((), writable, {}), private) if abi else None,
    }


@functools.cache
def confining_filter(strict: bool) -> bytes:
    """The filter of a process in namespaces of its own, for this machine."""
    return filter_program(confining_rules(strict=strict), os.uname().machine)


def shown_at(path: Path, inner: Path, outer: Path) -> Path:
    """A path as a session sees it, beneath `inner`, as everybody else does: beneath `outer`."""
    real = Path(os.path.realpath(path))
    return outer / real.relative_to(inner) if real.is_relative_to(inner) else real


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
    return {env["HOME"]: 0o700, env["TMPDIR"]: 0o700} | {"/tmp": 0o1777, "/var/tmp": 0o1777, "/dev/shm": 0o1777}


def steps_of(
    files: FileAccess, private: dict[str, int], size: int, *, network: bool, sealed: bool
) -> list[tuple[Any, ...]]:
    """The new root, step by step: what is above comes first, for it would cover what is beneath."""
    steps: list[tuple[Any, ...]] = [("device", f"/dev/{name}", False) for name in DEVICES]
    steps += [("link", f"/dev/{name}", target) for name, target in LINKS.items()]
    steps += [("terminals", "/dev/pts"), ("link", "/dev/ptmx", "pts/ptmx"), ("processes", "/proc", MASKED, sealed)]
    steps.append(("text", str(HOSTS), hosts_file(network=network)))
    rest: list[tuple[Any, ...]] = [shown(path) for path in files.readable]
    rest += [("write", path, os.path.isdir(path)) for path in files.writable]  # noqa: PTH112
    rest += [("link", place, target) for place, target in files.links.items()]
    rest.sort(key=lambda step: step[1].count("/"))
    pool, attached = memory_steps(POOL, size, private, files.holds)
    return [*steps, pool, *rest, attached]


def memory_steps(
    top: str, size: int, private: Mapping[str, int], beneath: Callable[[str], bool]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """One pool for all private places, and the step behind the binds for those that lie beneath one."""
    data = f"size={size},nr_inodes={INODES},mode=0755"
    pool = [(str(number), place, mode) for number, (place, mode) in enumerate(private.items())]
    later = [entry for entry in pool if beneath(entry[1])]
    return ("memory", top, data, pool, [entry for entry in pool if entry not in later]), ("attach", later)


def shown(path: str) -> tuple[Any, ...]:
    """A step that shows a path: a bind, or for a small file of settings its content, which is much cheaper."""
    if path.startswith("/etc/"):
        with contextlib.suppress(OSError):
            info = os.stat(path)  # noqa: PTH116
            if stat.S_ISREG(info.st_mode) and info.st_size <= SMALL:
                return "text", path, content(path, info.st_mtime_ns)
    return "read", path, os.path.isdir(path)  # noqa: PTH112


@functools.lru_cache(256)
def content(path: str, stamp: int) -> bytes:
    """The content of a file of settings, read once."""
    return Path(path).read_bytes()


def hosts_file(*, network: bool) -> bytes:
    """Names of this machine inside; with a network, what the host's own file says as well."""
    names = f"127.0.0.1 localhost {HOST}\n::1 localhost {HOST}\n".encode()
    try:
        return names + (content(str(HOSTS), HOSTS.stat().st_mtime_ns) if network else b"")
    except OSError:
        return names


def landlock_plan(start: Start, caps: Caps) -> dict[str, Any]:
    """The plan of one run: rules and filter."""
    files, abi = access_of(start.command, caps.options, start.env), syscalls.landlock_abi()
    private = [place for place in (start.env["HOME"], start.env["TMPDIR"]) if place != "/"]
    devices = [f"/dev/{name}" for name in DEVICES]
    facts = ["/proc/self", *(f"/proc/{name}" for name in PROCESS_FILES)]  # its own folder, not its children's
    facts += [str(HOSTS)] if HOSTS.exists() else []  # the host's name is seen: it must be possible to look it up
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
