"""What is planted outside a sandbox for the canary, and what was really touched of it. Judges no level.

The canary's word is not enough: a file it wrote may be in a folder of its own, a process number may name somebody else.
So wherever an attempt leaves a trace it is the trace that counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from maabarium.sandbox.canary import digest, pid_namespace

__all__ = ["Bait", "Observation", "planted"]

VARIABLE = "MAABARIUM_DOCTOR_API_KEY"
"""Set while a canary is out; a name like those of real keys."""
FORKS, MEMORY_MB, DISK_MB = 128, 384, 64
"""How far a hog goes where nothing stops it."""
LINGER = 0.5
"""Seconds for which it stays there, for whoever watches from outside."""
HARMLESS = {
    "write outside": "it was a file of its own",
    "signal the parent": "the process of that number was its own",
    "trace the parent": "the process of that number was its own",
    "end another process": "the process of that number was its own",
    "learn the host name": "it is told another name",
    "outlive the evaluation": "what it left running was ended",
}
"""What an attempt that seemed to work came to."""


@dataclass(frozen=True)
class Observation:
    """One thing that was tried, and what came of it. `succeeded` of an attack means that it got through."""

    attempt: str
    succeeded: bool
    detail: str = ""


@dataclass
class Bait:
    """One set, for one sandbox. `tree` and `home` are the canary's own, `outside` is not."""

    tree: Path
    home: Path
    outside: Path
    word: str
    """Only in the command line of the victim."""
    secret: str
    victim: subprocess.Popen[bytes] | None = None
    sockets: dict[str, socket.socket] = field(default_factory=dict)

    def write(self) -> Path:
        """Write what the canary needs to know where it finds it."""
        facts = {
            "tcp": self._port("tcp"),
            "udp": self._port("udp"),
            "socket": str(self.outside / "socket"),
            "abstract": self.word,
            "word": self.word,
            "new": str(self.outside / "new"),
            "file": str(self.outside / "file"),
            "secret": str(self.outside / "secret"),
            "dotenv": str(self.outside / ".env"),
            "variable": VARIABLE,
            "parent": os.getpid(),
            "victim": self.victim.pid if self.victim else 0,
            "forks": FORKS,
            "memory": MEMORY_MB,
            "disk": DISK_MB,
            "linger": LINGER,
        }
        place = self.tree / "bait.json"
        place.write_text(json.dumps(facts), "utf-8")
        return place

    def judged(self, name: str, said: bool, detail: str) -> Observation:
        """What came of an attempt: what the canary said, corrected by what is seen from here."""
        seen = self._trace(name, said, detail)
        if seen is None:
            return Observation(name, said, detail)
        if said and not seen:
            detail = HARMLESS.get(name, "there is no trace of it outside")
        return Observation(name, seen, "" if seen else detail)

    def _trace(self, name: str, said: bool, detail: str) -> bool | None:
        """Whether there is a trace of the attempt; None where only the canary can know."""
        if name == "connect over TCP":
            return self._was_called("tcp")
        if name == "send over UDP":
            return self._was_told()
        if name == "connect to a socket file":
            return self._was_called("file")
        if name == "connect to an abstract socket":
            return self._was_called("abstract")
        if name == "write outside":
            return (self.outside / "new").exists()
        if name == "change a file outside":
            info = (self.outside / "file").stat()
            return info.st_mode & 0o777 != 0o600 or info.st_size > 0
        if name in ("read a secret file", "read a .env file", "find a secret in the environment"):
            return said and detail == digest(self.secret.encode())
        if name == "read the parent's environment":
            return said and detail == digest(own_environment())
        if name in ("signal the parent", "trace the parent"):
            return said and detail in ("", pid_namespace())
        if name == "end another process":
            return said and self._victim_died()
        if name == "learn the host name":
            return said and detail == digest(os.uname().nodename.encode())
        if name == "outlive the evaluation":
            return self._end_survivors() > 0
        return None

    def _port(self, name: str) -> int:
        return int(self.sockets[name].getsockname()[1]) if name in self.sockets else 9

    def _was_called(self, name: str) -> bool:
        try:
            self.sockets[name].accept()[0].close()
        except (KeyError, OSError):
            return False
        return True

    def _was_told(self) -> bool:
        try:
            return self.sockets["udp"].recv(256) == self.word.encode()
        except (KeyError, OSError):
            return False

    def _victim_died(self) -> bool:
        try:
            return self.victim is not None and self.victim.wait(1.0) == -signal.SIGTERM
        except subprocess.TimeoutExpired:
            return False

    def _end_survivors(self) -> int:
        """End, and count, processes that still carry the canary's home in their environment."""
        found = 0
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.home) in (entry / "environ").read_bytes() and is_running(entry):
                    os.kill(int(entry.name), signal.SIGKILL)
                    found += 1
        return found


@contextlib.contextmanager
def planted(*, everything: bool = True) -> Iterator[Bait]:
    """Plant everything, or all but a process to end and a secret in our environment, and take it away again."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maabarium-doctor-"))).resolve()
        tree, home, outside = folder / "tree", folder / "home", folder / "outside"
        for place in (tree, home, outside):
            place.mkdir()
        secret, word = f"sk-{secrets.token_hex(16)}", f"maabarium-{secrets.token_hex(8)}"
        for name, content in (("secret", secret), (".env", secret), ("file", "")):
            (outside / name).write_text(content)
            (outside / name).chmod(0o600)
        bait = Bait(tree, home, outside, word, secret)
        if everything:
            stack.enter_context(variable(VARIABLE, secret))
            bait.victim = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", f"import time; time.sleep(120)  # {word}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            stack.callback(bait.victim.wait)
            stack.callback(bait.victim.kill)
        bait.sockets.update(listeners(outside, word, stack))
        yield bait


def listeners(outside: Path, word: str, stack: contextlib.ExitStack) -> dict[str, socket.socket]:
    """Sockets of ours that wait; one that this machine does not have is left out."""
    wanted: list[tuple[str, int, int, object]] = [
        ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        ("file", socket.AF_UNIX, socket.SOCK_STREAM, str(outside / "socket")),
        ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{word}"),
    ]
    made: dict[str, socket.socket] = {}
    for name, family, kind, address in wanted:
        with contextlib.suppress(OSError):
            wire = stack.enter_context(socket.socket(family, kind))
            wire.bind(address)  # type: ignore[arg-type]
            if kind == socket.SOCK_STREAM:
                wire.listen()
            wire.setblocking(False)
            made[name] = wire
    return made


@contextlib.contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of our own environment for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def own_environment() -> bytes:
    """The environment with which we were started, as the kernel shows it; empty where there is no /proc."""
    try:
        return Path("/proc/self/environ").read_bytes()
    except OSError:
        return b""


def is_running(entry: Path) -> bool:
    """Whether a process of /proc has not ended."""
    return (entry / "stat").read_bytes().rpartition(b")")[2].split()[:1] != [b"Z"]
