"""The parent's end of the result stream: reads records while the child runs, and tells whose they are.

Knows the socket and the kernel's stamp on each message, not what the records mean (`transcript`) nor what follows
from them (`gates`).
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import sys
import threading
from collections.abc import Mapping
from typing import Any

from maabarium.plugins.meeting import Side
from maabarium.plugins.processes import Clockface
from maabarium_pytest.grading.transcript import Transcript, what_begins
from maabarium_pytest.target.channel import LIMIT, Frames, packed

__all__ = ["Stream", "socket_pair"]

LINUX = sys.platform == "linux"
BYTE_LIMIT = 256 * 1024 * 1024
"""Most that a session may send; a traced session of a large suite stays far below."""


def socket_pair(kind: int | None = None) -> tuple[socket.socket, socket.socket]:
    """A connected pair for the parent and the child; `kind` is for tests of the fallback."""
    if kind is None:
        kind = socket.SOCK_SEQPACKET if LINUX else socket.SOCK_STREAM
    parent, child = socket.socketpair(socket.AF_UNIX, kind)
    parent.setblocking(False)
    if LINUX:
        parent.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return parent, child


class Stream:
    """One session's stream. `child` goes to the sandbox; close both ends with `close`."""

    def __init__(
        self, kind: int | None = None, meeting: Side | None = None, transcript: Transcript | None = None
    ) -> None:
        self._meeting = meeting
        self._waits = False
        self._lock = threading.Lock()
        """Held while a record is taken: at a meeting that may be in the other side's thread."""
        self.listen, self.child = socket_pair(kind)
        self.transcript = transcript or Transcript()
        self.flooded = False
        self._nonce = secrets.token_hex(8)
        self._frames = Frames()
        self._expected = 0
        self._received = 0
        self._pid: int | None = None
        self._over = False
        self._answer({"nonce": self._nonce})

    def _answer(self, message: dict[str, str] | dict[str, float]) -> None:
        try:
            self.listen.send(packed(json.dumps(message).encode(), stream=self.listen.type == socket.SOCK_STREAM))
        except OSError:  # the child is gone, or does not read: its missing end record will say so
            self._over = True

    def watch(self, clocks: Clockface) -> bool:
        """Receive all that is waiting; False when the child's end is closed, or the stream has a fault."""
        while not self._over:
            try:
                data, pid = self._receive()
            except BlockingIOError:
                return True
            except OSError:
                self._over = True
                break
            self._received += len(data)
            if not data:
                self._over = True
            elif self._received > BYTE_LIMIT:
                self.flooded = self._over = True
            elif self._pid is not None and pid != self._pid:
                self._fault("a process that is not the session wrote on the result stream")
            else:
                self._pid = pid
                self._take(data, clocks)
        return not self._over

    def _receive(self) -> tuple[bytes, int | None]:
        if not LINUX:
            return self.listen.recv(LIMIT + 4), None
        data, ancillary, _, _ = self.listen.recvmsg(LIMIT + 4, socket.CMSG_SPACE(12))
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and len(content) >= 12:
                pid, _, _ = struct.unpack("3i", content[:12])
                return data, int(pid)
        return data, None

    def _take(self, data: bytes, clocks: Clockface) -> None:
        try:
            messages = self._frames.feed(data) if self.listen.type == socket.SOCK_STREAM else [data]
        except ValueError as error:
            self._fault(f"the result stream broke: {error}")
            return
        for message in messages:
            self._take_one(message, clocks)

    def _take_one(self, message: bytes, clocks: Clockface) -> None:
        try:
            record = json.loads(message)
            nonce, number = record["nonce"], record["n"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self._fault("something that is not a record arrived on the result stream")
            return
        if nonce != self._nonce or number != self._expected:
            self._fault("a record with a wrong number or signature arrived on the result stream")
            return
        self._expected += 1
        if self._waits:
            self._fault("a record arrived from a session that was waiting for an answer")
        elif self._meeting is not None and (what := what_begins(record)):
            self._waits = True
            self._meeting.arrive(what, lambda: self._receive_record(record, clocks))
        else:
            self._receive_record(record, clocks)

    def _receive_record(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        with self._lock:
            self._waits = False
            if self._over:
                return
            try:
                self.transcript.receive(record, clocks)
            except OSError:  # the session ended while it waited for the other side, and its clock with it
                self._over = True
                return
            if self.transcript.answer is not None:
                self._answer(self.transcript.answer)
            if self.transcript.fault or self.transcript.lost:
                self._over = True

    def decided(self) -> bool:
        """Whether a test was lost and the rest of the session says nothing more."""
        return bool(self.transcript.lost)

    def _fault(self, sentence: str) -> None:
        self.transcript.fault = self.transcript.fault or sentence
        self._over = True

    def close(self) -> None:
        """Close both ends; who still waits at a meeting has no clock any more."""
        with self._lock:
            self._over = True
            self.listen.close()
            self.child.close()
