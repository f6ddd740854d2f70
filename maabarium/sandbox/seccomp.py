"""System call filters as classic BPF programs: which calls are refused, and with what answer. Installs nothing.

Deny lists, as container runtimes use them: administration, ways around a namespace, known attack surface.
Documentation/userspace-api/seccomp_filter.rst; struct seccomp_data is nr, arch, instruction pointer, six arguments of
64 bits. Numbers of calls: arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h for aarch64 (which
leaves out the old calls that have a newer form). From 424 on they are the same everywhere.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["ARCHITECTURES", "NUMBERS", "Refusal", "confining_rules", "filter_program", "standalone_rules"]

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_* of include/uapi/linux/audit.h."""

_COMMON = {
    "clone3": 435, "fchmodat2": 452, "file_setattr": 469, "fsconfig": 431, "fsmount": 432, "fsopen": 430,
    "fspick": 433, "io_uring_enter": 426, "io_uring_register": 427, "io_uring_setup": 425,
    "landlock_create_ruleset": 444, "memfd_secret": 447, "mount_setattr": 442, "move_mount": 429, "open_tree": 428,
    "open_tree_attr": 467, "pidfd_getfd": 438, "process_madvise": 440, "process_mrelease": 448, "quotactl_fd": 443,
    "removexattrat": 466, "setxattrat": 463,
}  # fmt: skip

_X86_64 = {
    "acct": 163, "add_key": 248, "adjtimex": 159, "bpf": 321, "chmod": 90, "chown": 92, "chroot": 161,
    "clock_adjtime": 305, "clock_settime": 227, "clone": 56, "delete_module": 176, "fanotify_init": 300, "fchmod": 91,
    "fchmodat": 268, "fchown": 93, "fchownat": 260, "finit_module": 313, "fremovexattr": 199, "fsetxattr": 190,
    "futimesat": 261, "init_module": 175, "ioctl": 16, "ioperm": 173, "iopl": 172, "ioprio_set": 251, "kcmp": 312,
    "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250, "lchown": 94, "lookup_dcookie": 212,
    "lremovexattr": 198, "lsetxattr": 189, "migrate_pages": 256, "modify_ldt": 154, "mount": 165, "move_pages": 279,
    "mq_open": 240, "msgget": 68, "name_to_handle_at": 303, "nfsservctl": 180, "open_by_handle_at": 304,
    "perf_event_open": 298, "pivot_root": 155, "prlimit64": 302, "process_vm_readv": 310, "process_vm_writev": 311,
    "ptrace": 101, "quotactl": 179, "reboot": 169, "removexattr": 197, "request_key": 249, "sched_setaffinity": 203,
    "sched_setattr": 314, "sched_setparam": 142, "sched_setscheduler": 144, "semget": 64, "setdomainname": 171,
    "sethostname": 170, "setns": 308, "setpriority": 141, "setrlimit": 160, "settimeofday": 164, "setxattr": 188,
    "shmget": 29, "socket": 41, "socketpair": 53, "swapoff": 168, "swapon": 167, "syslog": 103, "umount2": 166,
    "unshare": 272, "uselib": 134, "userfaultfd": 323, "utime": 132, "utimensat": 280, "utimes": 235, "vhangup": 153,
}  # fmt: skip

_AARCH64 = {
    "acct": 89, "add_key": 217, "adjtimex": 171, "bpf": 280, "chroot": 51, "clock_adjtime": 266, "clock_settime": 112,
    "clone": 220, "delete_module": 106, "fanotify_init": 262, "fchmod": 52, "fchmodat": 53, "fchown": 55,
    "fchownat": 54, "finit_module": 273, "fremovexattr": 16, "fsetxattr": 7, "init_module": 105, "ioctl": 29,
    "ioprio_set": 30, "kcmp": 272, "kexec_file_load": 294, "kexec_load": 104, "keyctl": 219, "lookup_dcookie": 18,
    "lremovexattr": 15, "lsetxattr": 6, "migrate_pages": 238, "mount": 40, "move_pages": 239, "mq_open": 180,
    "msgget": 186, "name_to_handle_at": 264, "nfsservctl": 42, "open_by_handle_at": 265, "perf_event_open": 241,
    "pivot_root": 41, "prlimit64": 261, "process_vm_readv": 270, "process_vm_writev": 271, "ptrace": 117,
    "quotactl": 60, "reboot": 142, "removexattr": 14, "request_key": 218, "sched_setaffinity": 122,
    "sched_setattr": 274, "sched_setparam": 118, "sched_setscheduler": 119, "semget": 190, "setdomainname": 162,
    "sethostname": 161, "setns": 268, "setpriority": 140, "setrlimit": 164, "settimeofday": 170, "setxattr": 5,
    "shmget": 194, "socket": 198, "socketpair": 199, "swapoff": 225, "swapon": 224, "syslog": 116, "umount2": 39,
    "unshare": 97, "userfaultfd": 282, "utimensat": 88, "vhangup": 58,
}  # fmt: skip

NUMBERS = {"x86_64": _X86_64 | _COMMON, "aarch64": _AARCH64 | _COMMON}
"""Number by name for each machine; a name that is missing does not exist there."""

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
"""BPF_LD|W|ABS, BPF_JMP|JEQ|K, |JGE|K, |JSET|K, BPF_ALU|AND|K, BPF_RET|K."""
ALLOW, ERROR, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE = 0, 4
X32 = 0x40000000
NAMESPACES = 0x7E020000
"""All CLONE_NEW* flags of clone(2)."""
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
STREAM, SEQPACKET = 1, 5
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
RTTIME = 15
ADDR = 0xFFFFFFFF


@dataclass(frozen=True)
class Test:
    """A condition on one argument: `equal`, `bits` (any of them set), `nonzero`; with a mask on its low half."""

    argument: int
    kind: str
    value: int = 0
    mask: int = ADDR


@dataclass(frozen=True)
class Refusal:
    """A call that is answered with an error when all tests hold, and none of `unless` (a list of tests) does."""

    call: str
    error: int = errno.EPERM
    when: tuple[Test, ...] = ()
    unless: tuple[tuple[Test, ...], ...] = ()


ADMINISTRATION = (
    "acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime", "delete_module", "fanotify_init",
    "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter", "io_uring_register",
    "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie",
    "migrate_pages", "modify_ldt", "mount", "mount_setattr", "move_mount", "move_pages", "name_to_handle_at",
    "nfsservctl", "open_by_handle_at", "open_tree", "open_tree_attr", "perf_event_open", "pidfd_getfd", "pivot_root",
    "process_madvise", "process_mrelease", "process_vm_readv", "process_vm_writev", "quotactl", "quotactl_fd",
    "reboot", "request_key", "setdomainname", "sethostname", "setns", "settimeofday", "swapoff", "swapon", "syslog",
    "umount2", "unshare", "uselib", "userfaultfd", "vhangup",
)  # fmt: skip
"""Refused in every sandbox that filters."""

OTHERS = ("sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler")
"""The first argument is a process; 0 is the caller. Landlock does not guard them."""
METADATA = (
    "chmod", "chown", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "file_setattr", "fremovexattr",
    "fsetxattr", "futimesat", "lchown", "lremovexattr", "lsetxattr", "removexattr", "removexattrat", "setxattr",
    "setxattrat", "utime", "utimensat", "utimes",
)  # fmt: skip
"""Landlock does not guard modes, owners, times and attributes of files."""
SHARED = ("mq_open", "msgget", "semget", "shmget")
"""System V and POSIX objects without a path: shared with every process of the user."""


def confining_rules(*, strict: bool) -> list[Refusal]:
    """For a process in namespaces of its own."""
    rules = [Refusal(name) for name in ADMINISTRATION]
    if strict:
        rules += [Refusal("ptrace"), Refusal("memfd_secret")]
    rules.append(Refusal("clone3", errno.ENOSYS))  # its flags are behind a pointer; libraries fall back to clone
    rules.append(Refusal("clone", when=(Test(0, "bits", NAMESPACES),)))
    rules += [Refusal("ioctl", when=(Test(1, "equal", code),)) for code in (TIOCSTI, TIOCLINUX)]
    families = tuple((Test(0, "equal", family),) for family in (UNIX, INET, INET6, NETLINK))
    # Others (vsock, packet, Bluetooth, AF_ALG ...) are not bound to a network namespace, or are attack surface.
    return [*rules, Refusal("socket", errno.EAFNOSUPPORT, unless=families)]


def standalone_rules(*, network: bool) -> list[Refusal]:
    """For a process in the host's namespaces, together with Landlock: what Landlock does not guard is refused."""
    rules = [rule for rule in confining_rules(strict=True) if rule.call != "socket"]
    rules += [Refusal(name) for name in (*METADATA, *SHARED)]
    rules += [Refusal(name, when=(Test(0, "nonzero"),)) for name in OTHERS]
    rules.append(Refusal("setpriority", when=(Test(1, "nonzero"),)))
    rules.append(Refusal("ioprio_set", when=(Test(1, "nonzero"),)))
    rules.append(Refusal("prlimit64", when=(Test(0, "nonzero"), Test(2, "nonzero"))))
    # The private limit by which the parent knows its processes, see process_tree.
    rules.append(Refusal("prlimit64", when=(Test(1, "equal", RTTIME), Test(2, "nonzero"))))
    rules.append(Refusal("setrlimit", when=(Test(0, "equal", RTTIME),)))
    # No Unix socket but pairs, and no datagram pairs: those can still be sent to a path.
    allowed = tuple((Test(0, "equal", family),) for family in (INET, INET6)) if network else ()
    rules.append(Refusal("socket", errno.EPERM, unless=allowed))
    pairs = tuple((Test(0, "equal", UNIX), Test(1, "equal", kind, 0xF)) for kind in (STREAM, SEQPACKET))
    return [*rules, Refusal("socketpair", errno.EPERM, unless=pairs)]


def filter_program(rules: Iterable[Refusal], machine: str) -> bytes:
    """The program for a machine: an array of `struct sock_filter`. A foreign architecture (32-bit calls on a 64-bit
    kernel) kills the process; the x32 numbers are ENOSYS. Raises KeyError for a machine we do not know."""
    numbers = NUMBERS[machine]
    code = [(LOAD, 0, 0, ARCHITECTURE), (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]), (RETURN, 0, 0, KILL_PROCESS)]
    code.append((LOAD, 0, 0, NUMBER))
    if machine == "x86_64":
        code += [(JUMP_AT_LEAST, 0, 1, X32), (RETURN, 0, 0, ERROR | errno.ENOSYS)]
    for rule in rules:
        if rule.call in numbers:
            code += _block(numbers[rule.call], rule)
    code.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


Code = list[tuple[int, int, int, int]]


def _block(number: int, rule: Refusal) -> Code:
    """One call: skip it, or refuse it, or go on behind it with the number loaded again."""
    body: Code = [(RETURN, 0, 0, ERROR | rule.error)]
    if not rule.when and not rule.unless:
        return [(JUMP_EQUAL, 0, 1, number), *body]
    for group in rule.unless:  # holds: jump over what follows
        body = [*_jumps(group, yes=len(body), no=0), *body]
    body = [*_jumps(rule.when, yes=0, no=len(body)), *body]
    return [(JUMP_EQUAL, 0, len(body), number), *body, (LOAD, 0, 0, NUMBER)]


def _jumps(tests: Sequence[Test], *, yes: int, no: int) -> Code:
    """The tests in a row; fall out behind them by `yes` instructions when all hold, by `no` when one fails."""
    code: Code = []
    for test in reversed(tests):
        success, failure, low = (0 if code else yes), len(code) + no, 16 + 8 * test.argument
        if test.kind == "nonzero":  # either half
            high = [(LOAD, 0, 0, low + 4), (JUMP_EQUAL, failure, success, 0)]
            code = [(LOAD, 0, 0, low), (JUMP_EQUAL, 0, 2 + success, 0), *high, *code]
            continue
        mask = [(AND, 0, 0, test.mask)] if test.mask != ADDR else []
        jump = JUMP_EQUAL if test.kind == "equal" else JUMP_ANY_BIT
        code = [(LOAD, 0, 0, low), *mask, (jump, success, failure, test.value), *code]
    return code
