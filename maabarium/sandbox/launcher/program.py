"""From a waiting process to the target's program: take the plan, confine, say so, wait for "go", become it.

With namespaces: helper -> process 1 (`init`) -> program; when process 1 ends the kernel kills everything beside it.
Without: helper -> program; the helper adopts orphans and ends them itself. The helper stays outside the confinement, so
that what is confined can neither signal nor trace it. The *leash* is a pipe whose other end only the parent holds: it
closes when the parent wants the end, or is gone. `namespaced` and `confine` also serve `forks`, where the program is a
fork of one that is kept.
"""

from __future__ import annotations

import marshal
import os
import resource
import select
import sys

from . import syscalls
from .mounts import build_root, change_root

TYPE_CHECKING = False  # importing `typing` would double the start-up time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

FAILED = 125
KILL, SIGPIPE, SIGXFSZ = 9, 13, 25
LOOK = 50
"""Milliseconds between two looks for orphans to bury."""


def main(control: int, leash: int) -> NoReturn:
    """The helper; the process that `namespaced` or `supervised` comes back in becomes the program."""
    sys.stdout = sys.stderr = None  # their descriptors are about to be closed
    try:
        os.set_inheritable(control, False)
        os.set_inheritable(leash, False)
        syscalls.control(syscalls.PR_SET_PDEATHSIG, KILL)
        plan = read_plan(control)
        if os.getppid() != plan["parent"]:  # it died before the signal was arranged
            os._exit(FAILED)
        if plan["unshare"]:
            namespaced(plan, control, leash, ended)
        else:
            supervised(plan, control, leash)
        os.setsid()
        syscalls.libc.signal(SIGPIPE, 0)  # the interpreter ignores them; a program expects the default
        syscalls.libc.signal(SIGXFSZ, 0)
        confine(plan, (control, *plan["keep"]))
        os.write(control, b"R\n")
        if os.read(control, 1) != b"G":
            os._exit(FAILED)
        os.execvpe(plan["argv"][0], plan["argv"], plan["env"])
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear it
        complain(control, error)
    os._exit(FAILED)


def read_plan(control: int) -> dict[str, Any]:
    """The plan that the parent sends; it is of an interpreter that we trust."""
    size = int.from_bytes(read_exactly(control, 4), "little")
    plan: dict[str, Any] = marshal.loads(read_exactly(control, size))
    return plan


def read_exactly(descriptor: int, size: int) -> bytes:
    """Bytes from a stream; ends this process when the other side is gone."""
    data = b""
    while len(data) < size:
        chunk = os.read(descriptor, size - len(data))
        if not chunk:
            os._exit(FAILED)
        data += chunk
    return data


def complain(control: int, error: BaseException) -> None:
    """Tell the parent what went wrong: errno and a sentence."""
    number, text = 0, f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        number, text = error.errno or 0, error.strerror or str(error)
        text += f": {error.filename}" if error.filename else ""
    try:  # noqa: SIM105 - contextlib costs start-up time
        os.write(control, f"E{number} {text[:2000]}\n".encode(errors="replace"))
    except OSError:
        pass  # nobody listens any more


def ended(status: int, usage: resource.struct_rusage) -> NoReturn:
    """End as the program ended: same exit status, same signal."""
    number = status & 0x7F
    if number:
        syscalls.libc.signal(number, 0)
        os.kill(os.getpid(), number)
    os._exit((status >> 8) & 0xFF if not number else FAILED)


# --- with namespaces ---


def namespaced(plan: dict[str, Any], control: int, leash: int, end: Callable[..., NoReturn]) -> None:
    """Enter new namespaces and start process 1 in them, and below it the process in which this returns. The helper
    waits for the end of all or the leash, and calls `end` with the program's wait status and the resources used."""
    if plan["lasts"]:
        syscalls.control(syscalls.PR_SET_PDEATHSIG, 0)  # sent when a thread of the parent ends; the leash tells
    syscalls.control(syscalls.PR_SET_DUMPABLE, 1)  # or /proc/self/uid_map belongs to root after a setuid
    syscalls.unshare(plan["unshare"])
    write_maps(plan["uid"], plan["gid"])
    result, telling = os.pipe()
    alive, held = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(held)
        os.close(result)
        os.close(leash)
        init(plan, control, alive, telling)
        return
    os.close(telling)
    os.write(control, f"I{first}\n".encode())
    close_all_but(result, leash, held, *((control,) if plan["reports"] else ()))
    poll = select.poll()
    poll.register(os.pidfd_open(first), select.POLLIN)
    poll.register(leash, 0)
    poll.poll()
    try:  # noqa: SIM105
        os.kill(first, KILL)
    except ProcessLookupError:
        pass
    usage = os.wait4(first, 0)[2]  # returns when everything in the namespace is dead: pid_namespaces(7)
    told = os.read(result, 4)
    end(int.from_bytes(told, "little") if len(told) == 4 else KILL, usage)


def write_maps(uid: int, gid: int) -> None:
    """Map one user and one group to themselves, user_namespaces(7)."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def init(plan: dict[str, Any], control: int, alive: int, telling: int) -> None:
    """Process 1: builds the world, starts the process in which this returns, buries orphans, and ends with it."""
    try:
        syscalls.control(syscalls.PR_SET_PDEATHSIG, KILL)
        poll = select.poll()
        poll.register(alive, 0)
        if poll.poll(0):  # the helper died before the signal was arranged
            os._exit(FAILED)
        if plan["host"]:
            syscalls.set_host_name(plan["host"])
        if plan["loopback"]:
            syscalls.raise_loopback()
        if "mounts" in plan:
            build_root(plan["mounts"])
        else:
            change_root(plan["changes"])
        child = os.fork()
        if child == 0:
            os.close(alive)
            os.close(telling)
            return
    except OSError as error:
        complain(control, error)
        os._exit(FAILED)
    close_all_but(telling, alive)
    for number in range(1, 65):  # what a process 1 does not handle cannot be sent from inside: pid_namespaces(7)
        syscalls.libc.signal(number, 0)
    while True:
        pid, status = os.wait()
        if pid == child and not os.WIFSTOPPED(status):  # we are its tracer if it says so, ptrace(2) PTRACE_TRACEME
            os.write(telling, status.to_bytes(4, "little"))
            os._exit(0)


# --- without ---


def supervised(plan: dict[str, Any], control: int, leash: int) -> None:
    """Start the process in which this returns. The helper stays outside, adopts its orphans, ends all of them, and ends
    as the program did."""
    syscalls.control(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    syscalls.control(syscalls.PR_SET_PDEATHSIG, 0)  # the leash tells; dying at once would leave the program alone
    child = os.fork()
    if child == 0:
        os.close(leash)
        return
    os.write(control, b"I0\n")
    close_all_but(leash)
    poll = select.poll()
    poll.register(os.pidfd_open(child), select.POLLIN)
    poll.register(leash, 0)
    statuses: dict[int, int] = {}
    while not poll.poll(LOOK):
        reap(statuses, os.WNOHANG)
    end_descendants(statuses)
    ended(statuses.get(child, KILL), resource.getrusage(resource.RUSAGE_CHILDREN))


def reap(statuses: dict[int, int], flags: int) -> bool:
    """Take the status of every child that has ended; False when there are no children at all."""
    try:
        while True:
            pid, status = os.waitpid(-1, flags)
            if pid == 0:
                return True
            statuses[pid] = status
    except ChildProcessError:
        return False


def end_descendants(statuses: dict[int, int]) -> None:
    """Kill children until there are none: the orphans of those that die become our children, prctl(2)."""
    own = os.getpid()
    while True:
        with open(f"/proc/{own}/task/{own}/children", "rb") as file:  # noqa: PTH123
            children = file.read().split()
        for pid in children:
            os.kill(int(pid), KILL)  # not waited for yet, so the number is still its own
        if not reap(statuses, os.WNOHANG):
            return
        if not children:
            select.poll().poll(1)


# --- the program itself ---


def confine(plan: dict[str, Any], keep: tuple[int, ...]) -> None:
    """Give up everything the plan does not leave. Raises OSError. Nothing may be imported after it."""
    close_all_but(0, 1, 2, *keep)
    os.chdir(plan["cwd"])
    for number, value in plan["limits"]:
        lower(number, value)
    if plan["filter"]:  # a program that is kept needs CAP_SETFCAP to map root into the namespaces of its sessions
        syscalls.drop_capabilities()
    syscalls.control(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    if plan["landlock"]:
        syscalls.restrict(*plan["landlock"])
    if plan["filter"]:
        syscalls.filter_calls(plan["filter"])


def lower(number: int, value: int) -> None:
    """Set a soft and hard limit, never above what there is, getrlimit(2)."""
    ceiling = resource.getrlimit(number)[1]
    bound = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
    try:
        resource.setrlimit(number, (bound, bound))
    except ValueError as error:
        raise OSError(22, f"resource limit {number} = {value}: {error}") from None


def close_all_but(*kept: int) -> None:
    """Close every descriptor but these."""
    below = -1
    for descriptor in sorted(kept):
        if below + 1 < descriptor:  # an empty range before 0 would be taken for everything
            os.closerange(below + 1, descriptor)
        below = descriptor
    os.closerange(below + 1, 1 << 20)
