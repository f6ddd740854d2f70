"""CPU time of a process and everything it starts, read by the parent while they run. Starts and ends nothing.

The best clock is the kernel's software event TASK_CLOCK with `inherit`, perf_event_open(2), opened on the *calling
thread*, disabled, with `enable_on_exec`: the thread's own copy stays off for ever, a child's starts when the child
executes its program. So nothing is missed and nothing of ours is counted. (A program that the candidate may execute but
not read drops the event; then the rusage of the child is larger and `cpu_complete` tells.) Where that is forbidden
(`kernel.perf_event_paranoid` above 2, default containers) the time of the living and of those waited for is summed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from maabarium.sandbox.launcher import syscalls
from maabarium.sandbox.process_tree import HAS_PROC, ProcessTree, stat_fields

__all__ = ["CpuClock", "PerfClock", "SummedClock", "open_perf_event", "probe_clock"]

TYPE_SOFTWARE, COUNT_TASK_CLOCK = 1, 1
DISABLED, INHERIT, EXCLUDE_KERNEL, EXCLUDE_HV, ENABLE_ON_EXEC = 1 << 0, 1 << 1, 1 << 5, 1 << 6, 1 << 12
"""Bits of `struct perf_event_attr`. Kernel time is counted all the same, for the event is the scheduler's clock;
`exclude_kernel` is what makes it allowed for ordinary users."""
ATTR_SIZE = 64  # PERF_ATTR_SIZE_VER0
FLAG_CLOEXEC = 8
TICK = 1 / os.sysconf("SC_CLK_TCK")


class CpuClock(ABC):
    """One way to know the CPU time of a tree; it is the `Clockface` of `Command.watch`."""

    complete = False
    """Whether it sees every process of the tree."""
    own = 0.0
    """What was used before the program began."""

    @abstractmethod
    def read(self) -> float:
        """Seconds so far, user and system; never less than before."""

    def cpu(self) -> float:
        """Seconds that the program used."""
        return max(0.0, self.read() - self.own)

    def wall(self) -> float:
        """Monotonic seconds, of the same clock as `time.monotonic`."""
        return time.monotonic()

    def close(self) -> None:
        """Give back what it holds."""
        return


def open_perf_event(pid: int = 0) -> int:
    """A TASK_CLOCK counter of what the calling thread will execute, or of what another process does from now on; a
    descriptor to read one u64 of nanoseconds. Raises OSError when the kernel forbids it, or on an unknown machine."""
    if sys.platform != "linux":
        raise OSError("perf_event_open: there is no such system call here")
    flags = INHERIT | EXCLUDE_KERNEL | EXCLUDE_HV | (0 if pid else DISABLED | ENABLE_ON_EXEC)
    # type, size, config, sample_period, sample_type, read_format, flags, wakeup_events, bp_type, config1
    fields = struct.pack("=IIQQQQQIIQ", TYPE_SOFTWARE, ATTR_SIZE, COUNT_TASK_CLOCK, 0, 0, 0, flags, 0, 0, 0)
    attributes = ctypes.create_string_buffer(fields, ATTR_SIZE)
    return syscalls.call("perf_event_open", attributes, pid, -1, -1, FLAG_CLOEXEC)  # any core, no group


class PerfClock(CpuClock):
    """The kernel's counter. Make it in the thread that starts the process, or for a process that waits; close it in
    any thread."""

    complete = True

    def __init__(self, pid: int = 0) -> None:
        self._descriptor = open_perf_event(pid)

    def read(self) -> float:
        """Seconds so far."""
        return int.from_bytes(os.read(self._descriptor, 8), sys.byteorder) / 1e9

    def close(self) -> None:
        """Close the descriptor. Who reads later, in the thread of the other side of a pair, gets an OSError."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


class SummedClock(CpuClock):
    """A sum over the processes of a tree: blind to those that nobody waited for."""

    def __init__(self, tree: ProcessTree, total: Callable[[ProcessTree], float]) -> None:
        self._tree, self._total = tree, total
        self._last = 0.0

    def read(self) -> float:
        """Seconds so far; the largest sum ever seen, for a member that vanishes takes its time along."""
        self._last = max(self._last, self._total(self._tree))
        return self._last


def proc_seconds(tree: ProcessTree) -> float:
    """Sum over /proc: exact for living processes, in ticks for children waited for."""
    return sum(map(process_seconds, tree.members()[0]))


def process_seconds(pid: int) -> float:
    """CPU seconds of a process and of the children it waited for; 0 when it is gone."""
    try:
        # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of include/linux/posix-timers_types.h
        own = time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0
    fields = stat_fields(pid)
    return own + (int(fields[13]) + int(fields[14])) * TICK if fields else 0.0  # cutime, cstime


def group_seconds(tree: ProcessTree) -> float:
    """Sum over `ps` for systems without /proc: the process group, in hundredths of a second."""
    words = ["/bin/ps", "-A", "-o", "pgid=,time="]
    listing = subprocess.run(words, capture_output=True, text=True, check=False, timeout=10).stdout
    rows = (line.split() for line in listing.splitlines())
    return sum(clock_seconds(row[1]) for row in rows if len(row) == 2 and row[0] == str(tree.leader))


def clock_seconds(text: str) -> float:
    """Seconds of `[[days-]hours:]minutes:seconds[.hundredths]`, as ps(1) prints them."""
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + int(days or 0) * 86400


def probe_clock(tree: ProcessTree) -> CpuClock:
    """The best clock of a tree that this system allows, opened on the calling thread before the tree has a process."""
    if HAS_PROC:
        with contextlib.suppress(OSError):
            return PerfClock()
    return SummedClock(tree, proc_seconds if HAS_PROC else group_seconds)
