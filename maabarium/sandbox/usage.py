"""What a process tree uses while it runs, as far as the kernel does not cap it by itself: memory and disk.

Looked at by the parent every few milliseconds, cheaply: a full walk over files happens only when the free space of the
file system has gone down by enough to matter. It says that a limit is passed; ending is for the caller.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable

from maabarium.sandbox.file_access import tops

__all__ = ["UsageGuard", "bytes_below"]

PAGE = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1024 * 1024
MEMORY_PERIOD = 0.1
"""Seconds between two sums of memory."""
SHARE = 10
"""A walk over the files may take one part in so many of the time."""


class UsageGuard:
    """Call it now and then; it answers with a sentence when a limit is passed, else with nothing.

    Make it when the program is about to begin: what is free then is what it may take.
    `members` names the processes; `memory` and `written` are bytes, `folders` the places that may grow on disk.
    """

    def __init__(
        self, members: Callable[[], Iterable[int]], folders: Iterable[str], *, memory: int | None, written: int
    ) -> None:
        self._members = members
        self._memory = memory
        self._written = written
        self._folders = tuple(folders)
        self._free = [free_bytes(folder) for folder in self._folders]
        self._next_memory = 0.0
        self._next_walk = 0.0

    def __call__(self) -> str:
        """A sentence, or nothing."""
        return self._disk() or self._ram()

    def _disk(self) -> str:
        lost = max((was - free_bytes(place) for was, place in zip(self._free, self._folders, strict=True)), default=0)
        now = time.monotonic()
        if lost < self._written or now < self._next_walk:
            return ""
        # Others may have filled the disk: count what is really there, also in files that have no name any more.
        total = sum(bytes_below(folder) for folder in tops(self._folders)) + self._nameless()
        self._next_walk = now + SHARE * (time.monotonic() - now)
        if total < self._written:
            return ""
        return f"it wrote more than {self._written // MEGABYTE} MB; [sandbox] written_mb raises the limit"

    def _nameless(self) -> int:
        """Bytes of deleted files that a member still holds open, proc_pid_fd(5)."""
        seen: dict[tuple[int, int], int] = {}
        for pid in self._members():
            with contextlib.suppress(OSError):
                for entry in os.scandir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        info = os.stat(entry.path)  # noqa: PTH116
                        if info.st_nlink == 0:
                            seen[info.st_dev, info.st_ino] = info.st_blocks * 512
        return sum(seen.values())

    def _ram(self) -> str:
        now = time.monotonic()
        if self._memory is None or now < self._next_memory:
            return ""
        self._next_memory = now + MEMORY_PERIOD
        if sum(resident_bytes(pid) for pid in self._members()) < self._memory:
            return ""
        return f"it used more than {self._memory // MEGABYTE} MB of memory; [sandbox] memory_mb sets the limit"


def free_bytes(folder: str) -> int:
    """Free bytes of the file system that holds a folder; 0 when it is gone."""
    try:
        state = os.statvfs(folder)
    except OSError:
        return 0
    return state.f_bfree * state.f_frsize


def bytes_below(folder: str) -> int:
    """Bytes that files below a folder take up; links and what vanishes meanwhile count nothing."""
    total = 0
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            stack.append(entry.path)
        except OSError:
            continue
    return total


def resident_bytes(pid: int) -> int:
    """Resident memory of a process without what it shares with files, proc_pid_statm(5); 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            _, resident, shared, *_ = file.read().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * PAGE
