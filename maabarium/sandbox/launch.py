"""A program that confines itself before it begins: the parent's side of `launcher.program`.

In place of the gate's shell a small Python program is started. It takes a plan, confines itself, reports "ready", and
becomes the program when told "go". What it used until then is not the program's, and is told to the caller. When the
leash is closed, or we are gone, it ends everything it started.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from maabarium.errors import SandboxError

__all__ = ["Launch"]

PROGRAM = Path(__file__).parent / "launcher" / "boot.py"
PATIENCE = 30.0
"""Seconds until a program that is not ready is an error: starting an interpreter on a busy machine."""


class Launch:
    """One launch: start `argv`, `submit` a plan, `open` the gate, `close` in any case."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._held, self._leash = os.pipe()
        self._buffer = b""
        self._closed = False
        self.init = 0
        """Process 1 of the new pid namespace, as we see it; 0 when there is none."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the launched process inherits."""
        return self._theirs.fileno(), self._held

    def argv(self) -> list[str]:
        """The command that starts the launcher: no site packages, no environment, nothing of the target's."""
        return [sys.executable, "-I", "-S", "-E", str(PROGRAM), *map(str, self.descriptors)]

    def started(self) -> None:
        """The process has its copies: drop ours, so that its end is seen."""
        self._theirs.close()
        os.close(self._held)
        self._held = -1

    def submit(self, plan: Mapping[str, Any], cancel: Any = None) -> None:
        """Hand over the plan and wait until the process is confined. Raises SandboxError with its complaint."""
        data = marshal.dumps(dict(plan))
        self._ours.settimeout(PATIENCE)
        try:
            self._ours.sendall(len(data).to_bytes(4, "little") + data)
        except OSError as error:
            raise SandboxError(f"the sandbox's launcher did not start: {error}") from error
        deadline = time.monotonic() + PATIENCE
        while (line := self._line(deadline)) != b"R":
            if line.startswith(b"I"):
                self.init = int(line[1:])
            elif line.startswith(b"E"):
                raise SandboxError(f"the sandbox could not be set up: {complaint(line)}")
            else:
                raise SandboxError("the sandbox's launcher ended before the program was confined")

    def open(self, argv: Sequence[str]) -> None:
        """Let the program begin. Raises SandboxError when it cannot be executed inside."""
        try:
            self._ours.sendall(b"G")
        except OSError:
            return  # killed meanwhile: the caller will find out
        line = self._line(time.monotonic() + PATIENCE)
        if line.startswith(b"E"):
            raise SandboxError(
                f"{argv[0]} could not be started in the sandbox: {complaint(line)}; "
                "[sandbox] readable lists files and folders that are to be seen there"
            )

    def _line(self, deadline: float) -> bytes:
        """The next line, without its end; empty when the other side has closed. SandboxError when it hangs."""
        while b"\n" not in self._buffer:
            self._ours.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._ours.recv(4096)
            except TimeoutError:
                raise SandboxError(f"the sandbox was not ready after {PATIENCE:.0f} seconds") from None
            except OSError:
                data = b""
            if not data:
                return b""
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def release(self) -> None:
        """Close leash and control: the helper ends all it started, and itself; one that still waits just ends."""
        self._ours.close()
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1

    def close(self) -> None:
        """Give all descriptors back."""
        self.release()
        self._theirs.close()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def complaint(line: bytes) -> str:
    """The sentence in an error line."""
    return line[1:].partition(b" ")[2].decode(errors="replace")


def wait_for_end(descriptors: Iterable[int], seconds: float) -> bool:
    """Whether all of these process descriptors become readable in time: the processes have ended."""
    waiting = set(descriptors)
    deadline = time.monotonic() + seconds
    poll = select.poll()
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)
    while waiting:
        left = deadline - time.monotonic()
        ready = poll.poll(max(0.0, left) * 1000)
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            waiting.discard(descriptor)
        if left <= 0 and not ready:
            return False
    return True


@contextlib.contextmanager
def handle_of(pid: int) -> Any:
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
