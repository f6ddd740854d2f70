"""All processes that one run started, and their end, however they try to get away. Linux; elsewhere the group.

A process belongs to the run when any of these says so, and a child has each from its parent:
- its session: the first process leads a new one, `setsid` leaves it;
- a private value of a resource limit nobody uses (RLIMIT_RTTIME, see getrlimit(2)): it survives `setsid`, double forks,
  `exec` and a cleaned environment; the first process waits at its door until it is set;
- the run's mark in its environment: lost by `exec` with a clean one; it also tells later who started a process.

What escapes: a process that leaves the session, executes with a cleaned environment *and* lowers that limit; one that
got another identity from a setuid program; and one that forks and ends faster than /proc can be read, in a new
session each time. Namespaces close these holes; the level `trusted` does not claim to.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from maabarium.errors import SandboxError

__all__ = ["HAS_PROC", "RUN_MARK", "ProcessTree", "end_strays", "new_mark", "strays"]

HAS_PROC = sys.platform == "linux" and Path("/proc/self/environ").exists()
RUN_MARK = "MAABARIUM_RUN_MARK"
"""The variable that names the run that a process belongs to."""
KILL_SECONDS = 10.0
"""Seconds until processes that do not die of SIGKILL are an error (they hang in the kernel, as on a dead mount)."""
STUCK = "processes of an evaluation do not die, even of SIGKILL; look at them with ps"


def new_mark(inherited: str | None) -> str:
    """A mark for one run: `namespace.pid.start.random`, the first three naming this program; behind that of an outer
    run, which finds it so too."""
    pid = os.getpid()
    mark = f"{pid_namespace()}.{pid}.{start_time(pid)}.{secrets.token_hex(12)}"
    return f"{inherited}:{mark}" if inherited else mark


def pid_namespace() -> int:
    """Identity of our pid namespace, namespaces(7); 0 where there is none."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116
    except OSError:
        return 0


def start_time(pid: int) -> int:
    """When a process started, in ticks since boot; 0 when it is gone. With the id it is unique."""
    return int(fields[19]) if (fields := stat_fields(pid)) else 0


def stat_fields(pid: int) -> list[bytes]:
    """What proc_pid_stat(5) says of a process, from its state (field 3 there) on; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def process_ids() -> set[int]:
    """Every process there is."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 (half the time of iterdir)


def state_and_parent(pid: int) -> tuple[str, int]:
    """State letter and parent id; ("X", 0) when it is gone."""
    fields = stat_fields(pid)
    return (fields[0].decode(), int(fields[1])) if fields else ("X", 0)


@contextlib.contextmanager
def handle_of(pid: int) -> Iterator[int]:
    """A process descriptor, or -1 when there is no such process any more."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        yield -1
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class ProcessTree:
    """Make it before the first process starts, `adopt` that one, ask for `members`, and `kill` in the end."""

    def __init__(self, mark: str) -> None:
        self._mark = f"{RUN_MARK}={mark}".encode()
        self._before = process_ids() if HAS_PROC else set()
        self.leader = 0
        """Id of the first process; it leads the session."""
        self._limit: int | None = None
        self._given_up = False

    def adopt(self, pid: int) -> None:
        """Take the first process, leader of its own session, not yet waited for."""
        self.leader = pid
        if HAS_PROC:
            with contextlib.suppress(OSError, ValueError):
                ceiling = resource.prlimit(pid, resource.RLIMIT_RTTIME)[1]
                base = 2**60 if ceiling == resource.RLIM_INFINITY else ceiling
                if base > 2**50:  # microseconds of real-time scheduling: far beyond any use
                    limit = base - 1 - secrets.randbelow(2**40)
                    resource.prlimit(pid, resource.RLIMIT_RTTIME, (limit, limit))
                    self._limit = limit

    def owns(self, pid: int) -> bool:
        """Whether a process belongs to the run; a zombie still does. ProcessLookupError when it is gone."""
        if os.getsid(pid) == self.leader:
            return True
        if self._limit is not None:
            try:
                if resource.prlimit(pid, resource.RLIMIT_RTTIME)[1] == self._limit:
                    return True
            except PermissionError:  # somebody else's: not ours to end either
                return False
        if pid in self._before:  # older than the run; saves reading most of the machine's environments
            return False
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
                return self._mark in file.read()
        except OSError:
            return False

    def members(self) -> tuple[list[int], bool]:
        """Ids of all processes of the run, zombies too, and whether some process vanished during the look."""
        found, vanished = [], False
        for pid in process_ids() if HAS_PROC else ():
            try:
                if self.owns(pid):
                    found.append(pid)
            except ProcessLookupError:
                vanished |= pid not in self._before
            except PermissionError:
                continue
        return found, vanished

    def kill(self) -> None:
        """End every process of the run. Call it before the first process is waited for: until then nobody else
        can get its number. Raises SandboxError when some of them do not die.
        """
        if not self.leader or self._given_up:
            return
        deadline = time.monotonic() + KILL_SECONDS
        quiet = 0
        while quiet < 2:
            self._kill_group(self.leader)
            alive, vanished = self._strike() if HAS_PROC else ([], False)
            # A process that vanished while we looked may have forked a child that we did not see.
            quiet = 0 if alive else quiet + (1 if vanished else 2)
            if not alive:
                continue
            if time.monotonic() > deadline:
                self._given_up = True
                raise SandboxError(
                    f"processes {', '.join(map(str, alive[:5]))} of an evaluation do not die, even of SIGKILL; "
                    "they probably wait for a device or a network file system: look at them with ps, then run again"
                )
            time.sleep(0.0005)

    def _strike(self) -> tuple[list[int], bool]:
        """One round: kill what lives; returns what did, and whether something vanished meanwhile."""
        found, vanished = self.members()
        alive = []
        for pid in found:
            state, parent = state_and_parent(pid)
            if state in "ZX":
                self._reap(pid, parent)
                continue
            alive.append(pid)
            self._kill_one(pid)
        return alive, vanished

    def _kill_one(self, pid: int) -> None:
        """Kill it, and its group at one stroke, unless the number changed hands since we looked."""
        with handle_of(pid) as handle, contextlib.suppress(OSError):
            if handle >= 0 and self.owns(pid):
                group = os.getpgid(pid)  # of a session that began in this run, so all of it is ours
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                self._kill_group(group)

    def _kill_group(self, group: int) -> None:
        if group == os.getpgrp():  # cannot be; and would be the end of us
            return
        with contextlib.suppress(OSError):  # no such group any more; or, on macOS, only zombies in it
            os.killpg(group, signal.SIGKILL)

    def _reap(self, pid: int, parent: int) -> None:
        """Wait for an orphan that became our child, as it does when we are process 1 of a container."""
        if parent == os.getpid() and pid != self.leader:
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)


def end_strays() -> int:
    """End what a Maabarium left that was killed itself (SIGKILL, out of memory); returns how many processes.

    The next run calls it, before it uses the same worktrees. A process that cleaned its environment is not found; its
    CPU time is limited from the start. Linux; elsewhere it does nothing.
    """
    ended = 0
    for pid in strays():
        with handle_of(pid) as handle, contextlib.suppress(OSError):
            if handle >= 0 and is_stray(pid):  # the number may have changed hands
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                ended += 1
    return ended


def strays() -> list[int]:
    """Processes of this user that belong to a Maabarium that is gone."""
    found = []
    for pid in process_ids() if HAS_PROC else ():
        with contextlib.suppress(OSError):
            if is_stray(pid):
                found.append(pid)
    return found


def is_stray(pid: int) -> bool:
    """Whether a process carries the mark of a program that is gone. OSError when it cannot be read."""
    if os.stat(f"/proc/{pid}").st_uid != os.getuid():  # noqa: PTH116
        return False
    with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
        marks = re.search(rf"(?:^|\0){RUN_MARK}=([^\0]*)".encode(), file.read())
    return marks is not None and any(map(is_orphaned, marks[1].decode(errors="replace").split(":")))


def is_orphaned(mark: str) -> bool:
    """Whether the program that made a mark is gone; False for a mark that is not ours to judge."""
    try:
        namespace, pid, start, _ = mark.split(".")
        return int(namespace) == pid_namespace() and start_time(int(pid)) != int(start)
    except ValueError:
        return False
