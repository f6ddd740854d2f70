"""Processes left behind by a Maabarium that was killed itself (SIGKILL, out of memory), found by their mark.

Nothing can end a child at that instant at the level `trusted`; so the next one tidies up before it uses the same
worktrees. Only processes of the same user whose starter no longer exists are ended. Linux; elsewhere it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal

from maabarium.sandbox.environment import RUN_MARK
from maabarium.sandbox.process_tree import HAS_PROC, pid_namespace, process_ids, start_time

__all__ = ["end_strays"]


def end_strays() -> int:
    """End the processes of dead programs; returns how many. Call it before a run touches its worktrees.

    A process that cleaned its environment is not found; its CPU time is limited from the start.
    """
    ended = 0
    for pid in process_ids() if HAS_PROC else ():
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                if is_stray(pid):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    ended += 1
            finally:
                os.close(handle)
    return ended


def is_stray(pid: int) -> bool:
    """Whether a process carries the mark of a program that is gone. OSError when it cannot be read."""
    if os.stat(f"/proc/{pid}").st_uid != os.getuid():  # noqa: PTH116
        return False
    with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
        variables = file.read().split(b"\0")
    prefix = f"{RUN_MARK}=".encode()
    marks = next((entry[len(prefix) :].decode(errors="replace") for entry in variables if entry.startswith(prefix)), "")
    return any(is_orphaned(mark) for mark in marks.split(":") if mark)


def is_orphaned(mark: str) -> bool:
    """Whether the program that made a mark is gone; False for a mark that is not ours to judge."""
    try:
        namespace, pid, start, _ = mark.split(".")
        return int(namespace) == pid_namespace() and start_time(int(pid)) != int(start)
    except ValueError:
        return False
