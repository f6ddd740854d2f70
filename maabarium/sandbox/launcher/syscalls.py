"""System calls that Python 3.11 has no function for, each with its documentation. Knows no plan.

Every function raises OSError naming the call. Numbers: arch/x86/entry/syscalls/syscall_64.tbl and
include/uapi/asm-generic/unistd.h (aarch64).
"""

from __future__ import annotations

import ctypes
import os

MACHINE = os.uname().machine
NUMBERS = {
    "x86_64": {"perf_event_open": 298, "pivot_root": 155, "seccomp": 317},
    "aarch64": {"perf_event_open": 241, "pivot_root": 41, "seccomp": 277},
}
COMMON = {
    "open_tree": 428,
    "move_mount": 429,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}
"""The same on both, as all calls since 5.1."""

# namespaces(7), include/uapi/linux/sched.h
NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
# mount(2), include/uapi/linux/mount.h
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
MNT_DETACH = 2
# open_tree(2), move_mount(2), mount_setattr(2)
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x100, 0x1000, 0x8000
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
# prctl(2), include/uapi/linux/prctl.h, include/uapi/linux/securebits.h
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECUREBITS = 1, 4, 24, 28
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
SECUREBITS = 0x2F  # NOROOT, NO_SETUID_FIXUP and their locks, and KEEP_CAPS locked off
CAPABILITY_VERSION_3 = 0x20080522
LANDLOCK_CREATE_RULESET_VERSION, LANDLOCK_RULE_PATH_BENEATH = 1, 1
SECCOMP_SET_MODE_FILTER = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP, AF_INET, SOCK_DGRAM = 0x8913, 0x8914, 1, 2, 2
SOCK_CLOEXEC = os.O_CLOEXEC

libc = ctypes.CDLL(None, use_errno=True)


def checked(what: str, result: int, about: str = "") -> int:
    """The result of a call, or an OSError that names it, and the path that it is about."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}" + (f" ({about})" if about else ""))
    return result


def number_of(name: str) -> int:
    """The number of a system call here; OSError on a machine we do not know."""
    known = COMMON.get(name) or NUMBERS.get(MACHINE, {}).get(name)
    if known is None or MACHINE not in NUMBERS:
        raise OSError(38, f"{name}: system call number unknown on {MACHINE}")
    return known


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None, about: str = "") -> int:
    """A system call by number, syscall(2)."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return checked(name, libc.syscall(ctypes.c_long(number_of(name)), *words), about)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones, unshare(2). EINVAL for NEWUSER in a process with threads."""
    checked("unshare", libc.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2)."""
    words = [os.fsencode(word) for word in (source, target, kind)]
    checked(f"mount {kind or 'flags'} on {target}", libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(data)))


def unmount(target: str) -> None:
    """Lazy umount2(2)."""
    checked(f"umount2 {target}", libc.umount2(os.fsencode(target), MNT_DETACH))


def clone_tree(path: str) -> int:
    """A descriptor of a detached copy of the mounts at a path, open_tree(2)."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW
    return call("open_tree", AT_FDCWD, os.fsencode(path), flags, about=path)


def set_attributes(tree: int, attributes: int, *, recursive: bool = True) -> None:
    """mount_setattr(2) on a descriptor; `struct mount_attr` is attr_set, attr_clr, propagation, userns_fd."""
    buffer = ctypes.create_string_buffer(attributes.to_bytes(8, "little") + bytes(24), 32)
    call("mount_setattr", tree, b"", AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0), buffer, 32)


def attach(tree: int, target: str) -> None:
    """move_mount(2) of a detached tree, whose descriptor is closed."""
    call("move_mount", tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH, about=target)
    os.close(tree)


def pivot_here() -> None:
    """Make the working folder, which is a mount, the root, and drop the old one: pivot_root(2), its NOTES."""
    call("pivot_root", b".", b".")
    unmount(".")
    os.chdir("/")


def control(option: int, value: int = 0) -> None:
    """prctl(2) with one argument."""
    words = [ctypes.c_ulong(word) for word in (value, 0, 0, 0)]
    checked(f"prctl {option}", libc.prctl(ctypes.c_int(option), *words))


def drop_capabilities() -> None:
    """Give up all capabilities for good, capabilities(7): bounding and ambient set, securebits, then the rest."""
    # struct __user_cap_header_struct and two of __user_cap_data_struct (effective, permitted, inheritable), capget(2)
    header = ctypes.create_string_buffer(CAPABILITY_VERSION_3.to_bytes(4, "little") + bytes(4), 8)
    held = ctypes.create_string_buffer(24)
    checked("capget", libc.capget(header, held))
    if any(held.raw[0:4] + held.raw[12:16]):
        for number in range(64):
            try:
                control(PR_CAPBSET_DROP, number)
            except OSError:  # EINVAL: no capability of that number any more
                break
        control(PR_SET_SECUREBITS, SECUREBITS)
    checked("capset", libc.capset(header, ctypes.create_string_buffer(24)))


def landlock_abi() -> int:
    """Version of Landlock; 0 when there is none. Documentation/userspace-api/landlock.rst."""
    try:
        return call("landlock_create_ruleset", None, 0, LANDLOCK_CREATE_RULESET_VERSION)
    except OSError:  # ENOSYS: not built in; EOPNOTSUPP: switched off; EPERM: filtered
        return 0


def restrict(handled: tuple[int, int], rules: list[tuple[str, int]]) -> None:
    """Enter a Landlock domain: landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2). `handled`
    is file system, scopes: what is forbidden unless a rule allows it beneath a path, if there is such a path. Needs
    no_new_privs."""
    files, scopes = handled
    # struct landlock_ruleset_attr: handled_access_fs, handled_access_net (left to the filter), scoped
    attributes = ctypes.create_string_buffer(files.to_bytes(8, "little") + bytes(8) + scopes.to_bytes(8, "little"), 24)
    size = 24 if scopes else 8
    ruleset = call("landlock_create_ruleset", attributes, size, 0)
    try:
        for path, access in rules:
            try:
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            # struct landlock_path_beneath_attr is packed: u64 allowed_access, s32 parent_fd
            rule = ctypes.create_string_buffer(access.to_bytes(8, "little") + place.to_bytes(4, "little"), 12)
            call("landlock_add_rule", ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
            os.close(place)
        call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def filter_calls(program: bytes) -> None:
    """Install a seccomp filter, seccomp(2); `program` is an array of `struct sock_filter`. Needs no_new_privs."""
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: unsigned short len, padding, pointer
    head = (len(program) // 8).to_bytes(8, "little") + ctypes.addressof(code).to_bytes(8, "little")
    call("seccomp", SECCOMP_SET_MODE_FILTER, 0, ctypes.create_string_buffer(head, 16))


def raise_loopback() -> None:
    """Switch the loopback device of a new network namespace on, netdevice(7)."""
    wire = checked("socket", libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))
    try:
        request = ctypes.create_string_buffer(b"lo", 40)  # struct ifreq: name[16], then the flags
        checked("SIOCGIFFLAGS", libc.ioctl(wire, ctypes.c_ulong(SIOCGIFFLAGS), request))
        flags = int.from_bytes(request.raw[16:18], "little") | IFF_UP
        request = ctypes.create_string_buffer(b"lo".ljust(16, b"\0") + flags.to_bytes(2, "little"), 40)
        checked("SIOCSIFFLAGS", libc.ioctl(wire, ctypes.c_ulong(SIOCSIFFLAGS), request))
    finally:
        os.close(wire)


def set_host_name(name: str) -> None:
    """sethostname(2), in a UTS namespace of our own."""
    word = os.fsencode(name)
    checked("sethostname", libc.sethostname(word, ctypes.c_size_t(len(word))))
