"""Messages over a socket pair: JSON, with a nonce and a running number, whole or not at all.

Knows nothing of pytest. On Linux the socket keeps message boundaries (SOCK_SEQPACKET); elsewhere (macOS) the
messages of a stream socket carry their length in four bytes. Both ends use `Frames`.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from typing import Any

VARIABLE = "MAABARIUM_CHANNEL"
LIMIT = 64 * 1024
"""Largest message in bytes, far below the smallest default of a socket's buffer."""


class Frames:
    """Cuts a byte stream into messages. Raises ValueError when a message claims more than LIMIT."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add what arrived; return the messages that are complete now."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= 4:
            (size,) = struct.unpack_from("!I", self._buffer)
            if size > LIMIT:
                raise ValueError(f"a message of {size} bytes")
            if len(self._buffer) < 4 + size:
                break
            messages.append(bytes(self._buffer[4 : 4 + size]))
            del self._buffer[: 4 + size]
        return messages


def packed(payload: bytes, sock: socket.socket) -> bytes:
    """The payload as this kind of socket wants it."""
    return struct.pack("!I", len(payload)) + payload if sock.type == socket.SOCK_STREAM else payload


class Channel:
    """The child's end. Only the process that made it sends: a forked child of a test stays silent."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._frames = Frames()
        self._waiting: list[bytes] = []
        self._lock = threading.RLock()
        self._number = 0
        self._pid = os.getpid()
        self.nonce = ""

    @classmethod
    def inherit(cls) -> Channel:
        """Take the channel named in the environment and remove the name, so that nobody else finds it."""
        number = int(os.environ.pop(VARIABLE))
        os.set_inheritable(number, False)
        return cls(socket.socket(fileno=number))

    @property
    def own(self) -> bool:
        """Whether this process made the channel; a forked copy must not take its answers."""
        return os.getpid() == self._pid

    def send(self, kind: str, **fields: Any) -> None:
        """Send one record."""
        if not self.own:
            return
        with self._lock:
            record = {"k": kind, "n": self._number, "nonce": self.nonce, **fields}
            self._socket.sendall(packed(json.dumps(record, separators=(",", ":")).encode("ascii"), self._socket))
            self._number += 1

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send one record and wait for the parent's answer. RuntimeError in a forked process."""
        if not self.own:
            raise RuntimeError("only the process of the session can time something, none that it has forked")
        with self._lock:
            self.send(kind, **fields)
            return self.receive()

    def receive(self) -> dict[str, Any]:
        """The parent's next message."""
        while not self._waiting:
            data = self._socket.recv(LIMIT + 4)
            if not data:
                raise EOFError("the parent closed the result stream")
            self._waiting += self._frames.feed(data) if self._socket.type == socket.SOCK_STREAM else [data]
        answer: dict[str, Any] = json.loads(self._waiting.pop(0))
        return answer

    def send_chunks(self, kind: str, field: str, items: list[Any], size: int = 20_000, **fields: Any) -> None:
        """Send a long list in several records of at most about `size` characters each."""
        chunk: list[Any] = []
        used = 0
        for item in items:
            length = len(json.dumps(item))
            if chunk and used + length > size:
                self.send(kind, **{field: chunk}, **fields)
                chunk, used = [], 0
            chunk.append(item)
            used += length + 1
        if chunk:
            self.send(kind, **{field: chunk}, **fields)
