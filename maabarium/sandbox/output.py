"""What a process printed, in bounded memory: the first part and the last part. Knows no process."""

from __future__ import annotations

__all__ = ["HEAD", "TAIL", "KeptOutput"]

HEAD = 64 * 1024
TAIL = 192 * 1024
"""Bytes kept of the beginning and of the end. Tests tell the cause at the end, programs at the beginning."""


class KeptOutput:
    """Collects bytes up to a limit; beyond `limit` it is a flood, and the caller ends the process."""

    def __init__(self, limit: int, head: int = HEAD, tail: int = TAIL) -> None:
        self.total = 0
        self._limit = limit
        self._room = head
        self._tail_size = tail
        self._head = bytearray()
        self._tail = bytearray()

    @property
    def flooded(self) -> bool:
        """Whether more came than the limit allows."""
        return self.total > self._limit

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self.total += len(data)
        taken = data[: self._room]
        self._head += taken
        self._room -= len(taken)
        self._tail += data[len(taken) :]
        # Cut now and then rather than each time: deleting from the front moves all the rest.
        if len(self._tail) > 2 * self._tail_size:
            del self._tail[: -self._tail_size]

    def text(self) -> str:
        """All that was kept, with a line that says how much is missing; escape sequences are left as they are."""
        tail = bytes(self._tail[-self._tail_size :])
        missing = self.total - len(self._head) - len(tail)
        gap = f"\n[... {missing} bytes left out ...]\n".encode() if missing else b""
        return (bytes(self._head) + gap + tail).decode("utf-8", errors="backslashreplace")
