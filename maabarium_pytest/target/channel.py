"""Messages over a socket pair: JSON, with a nonce and a running number, whole or not at all.

Knows nothing of pytest. On Linux the socket keeps message boundaries (SOCK_SEQPACKET); elsewhere (macOS) the
messages of a stream socket carry their length in four bytes. Both ends use `Frames`.

The code under test may patch `json`, `os`, `socket` and `threading` as it likes: what sends and receives is bound here,
when nothing of it is loaded, and is written in C wherever Python code would look something up in a class or module.
"""

from __future__ import annotations

import json.encoder
import os
import socket
import struct
from os import getpid
from os import read as read_some
from os import write as write_some
from threading import RLock
from typing import Any

quoted = json.encoder.encode_basestring_ascii
parsed = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
"""A text that begins with a JSON value, and where: that value, and where it ends."""
make_socket, set_inheritable, set_blocking = socket.socket, os.set_inheritable, os.set_blocking
head = struct.Struct("!I")

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
            (size,) = head.unpack_from(self._buffer)
            if size > LIMIT:
                raise ValueError(f"a message of {size} bytes")
            if len(self._buffer) < 4 + size:
                break
            messages.append(bytes(self._buffer[4 : 4 + size]))
            del self._buffer[: 4 + size]
        return messages


def packed(payload: bytes, *, stream: bool) -> bytes:
    """The payload as this kind of socket wants it."""
    return head.pack(len(payload)) + payload if stream else payload


def encoded(value: Any) -> str:
    """A value as ASCII JSON. TypeError for what JSON has no form for."""
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{quoted(name)}:{encoded(each)}" for name, each in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([encoded(each) for each in value]) + "]"
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def decoded(text: str) -> Any:
    """The value of a JSON text. ValueError when it is none."""
    try:
        return parsed(text, 0)[0]
    except StopIteration as error:
        raise ValueError("not JSON") from error


class Channel:
    """The child's end. Only the process that made it sends: a forked child of a test stays silent."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._descriptor = sock.fileno()
        self._stream = sock.type == socket.SOCK_STREAM
        set_blocking(self._descriptor, True)  # there may be a default for sockets
        self._frames = Frames()
        self._waiting: list[bytes] = []
        self._lock = RLock()
        self._number = 0
        self._pid = getpid()
        self.nonce = ""

    @classmethod
    def of(cls, descriptor: int) -> Channel:
        """The channel of this descriptor, which programs that are started do not get."""
        set_inheritable(descriptor, False)
        return cls(make_socket(fileno=descriptor))

    @classmethod
    def inherit(cls) -> Channel:
        """Take the channel named in the environment and remove the name, so that nobody else finds it."""
        return cls.of(int(os.environ.pop(VARIABLE)))

    @property
    def own(self) -> bool:
        """Whether this process made the channel; a forked copy must not take its answers."""
        return getpid() == self._pid

    def send(self, kind: str, **fields: Any) -> None:
        """Send one record."""
        if not self.own:
            return
        with self._lock:
            record = {"k": kind, "n": self._number, "nonce": self.nonce, **fields}
            left = packed(encoded(record).encode("ascii"), stream=self._stream)
            while left:
                left = left[write_some(self._descriptor, left) :]
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
            data = read_some(self._descriptor, LIMIT + 4)
            if not data:
                raise EOFError("the parent closed the result stream")
            self._waiting += self._frames.feed(data) if self._stream else [data]
        answer: dict[str, Any] = decoded(self._waiting.pop(0).decode("utf-8"))
        return answer

    def send_chunks(self, kind: str, field: str, items: list[Any], size: int = 20_000, **fields: Any) -> None:
        """Send a long list in several records of at most about `size` characters each."""
        chunk: list[Any] = []
        used = 0
        for item in items:
            length = len(encoded(item))
            if chunk and used + length > size:
                self.send(kind, **{field: chunk}, **fields)
                chunk, used = [], 0
            chunk.append(item)
            used += length + 1
        if chunk:
            self.send(kind, **{field: chunk}, **fields)
