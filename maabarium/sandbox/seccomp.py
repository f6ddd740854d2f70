"""System call filters as classic BPF programs: which calls are refused, and with what answer. Installs nothing.

Deny lists, as container runtimes use them: what they refuse is either administration, a way around a namespace, or a
known attack surface. Documentation/userspace-api/seccomp_filter.rst; struct seccomp_data is nr, arch, instruction
pointer, six arguments of 64 bits. The kernel keeps a bitmap of calls that are always allowed, so most cost nothing.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maabarium.sandbox.syscall_numbers import ARCHITECTURES, NUMBERS

__all__ = ["Refusal", "confining_rules", "filter_program", "standalone_rules"]

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, JUMP, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x05, 0x54, 0x06
"""BPF_LD|W|ABS, BPF_JMP|JEQ|K, |JGE|K, |JSET|K, BPF_JMP|JA, BPF_ALU|AND|K, BPF_RET|K."""
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
    """The program for a machine: an array of `struct sock_filter`. Raises KeyError for a machine we do not know.

    A foreign architecture (32-bit calls on a 64-bit kernel) kills the process; the x32 numbers are ENOSYS.
    """
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
    refuse = (RETURN, 0, 0, ERROR | rule.error)
    if not rule.when and not rule.unless:
        return [(JUMP_EQUAL, 0, 1, number), refuse]
    tests = [_all_of(rule.when)] if rule.when else []
    exceptions = [_all_of(group) for group in rule.unless]
    # behind it all: reload the number, then the next rule
    tail: Code = [(LOAD, 0, 0, NUMBER)]
    body: Code = [refuse]
    for exception in exceptions:  # holds: jump over what follows, to the tail
        body = [*_resolve(exception, yes=len(body), no=0), *body]
    for test in tests:  # does not hold: jump to the tail
        body = [*_resolve(test, yes=0, no=len(body)), *body]
    return [(JUMP_EQUAL, 0, len(body), number), *body, *tail]


def _all_of(tests: Sequence[Test]) -> list[tuple[Code, int]]:
    """For each test the loading code and the final jump's code word; resolved later."""
    found = []
    for test in tests:
        low = 16 + 8 * test.argument
        if test.kind == "nonzero":
            # either half: two loads, each with its own jump
            found.append(([(LOAD, 0, 0, low), (LOAD, 0, 0, low + 4)], 0))
            continue
        load: Code = [(LOAD, 0, 0, low)]
        if test.mask != ADDR:
            load.append((AND, 0, 0, test.mask))
        jump = JUMP_EQUAL if test.kind == "equal" else JUMP_ANY_BIT
        found.append(([*load, (jump, 0, 0, test.value)], 1))
    return found


def _resolve(parts: list[tuple[Code, int]], *, yes: int, no: int) -> Code:
    """Put the tests in a row; fall out behind them by `yes` instructions when all hold, by `no` when one fails."""
    code: Code = []
    for part, plain in reversed(parts):
        after = len(code)
        # reaching the end of `code` with success continues at `yes` beyond it
        success = 0 if code else yes
        failure = after + no
        if plain:
            load, (jump, _, _, value) = part[:-1], part[-1]
            code = [*load, (jump, success, failure, value), *code]
        else:
            first, second = part
            code = [
                first,
                (JUMP_EQUAL, 0, 2 + success, 0),
                second,
                (JUMP_EQUAL, failure, success, 0),
                *code,
            ]
    return code
