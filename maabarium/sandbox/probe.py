"""What a sandbox really keeps in: a canary inside tries what a candidate might, and its traces are looked for outside.

Probes, not configuration: kernels, containers and security modules forbid things in ways no file tells. The canary's
word is not enough (a file it wrote may be in a folder of its own, a process number may name somebody else): wherever an
attempt leaves a trace it is the trace that counts. Judges no level: `selection` and the doctor do.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Sandbox
from maabarium.safe_text import one_line
from maabarium.sandbox import canary
from maabarium.sandbox.canary import WORK, content_of, digest, pid_namespace
from maabarium.sandbox.process_tree import process_ids, state_and_parent

__all__ = ["HOGS", "WORK", "Bait", "Observation", "observe_all", "observe_quickly", "planted"]

SECONDS = 30.0
HOGS = ("fork without end", "take memory without end", "fill the disk")
"""Each runs alone: what stops them may end everything beside them."""
QUICK = (
    "connect over TCP", "connect to an abstract socket", "connect to a socket file", "write outside",
    "change a file outside", "read a secret file", "read the parent's environment", "signal the parent", WORK,
)  # fmt: skip
LINUX_ONLY = (
    "connect to an abstract socket", "read the parent's environment", "trace the parent", "mount a file system",
    "see other processes", "outlive the evaluation",
)  # fmt: skip
VARIABLE = "MAABARIUM_DOCTOR_API_KEY"
"""Set while a canary is out; a name like those of real keys."""
HARMLESS = {
    "write outside": "it was a file of its own",
    "signal the parent": "the process of that number was its own",
    "trace the parent": "the process of that number was its own",
    "end another process": "the process of that number was its own",
    "learn the host name": "it is told another name",
    "outlive the evaluation": "what it left running was ended",
}
"""What an attempt that seemed to work came to."""


def observe_quickly(sandbox: Sandbox) -> tuple[Observation, ...]:
    """What can be tried in a tenth of a second, and whether ordinary work is possible. Raises SandboxError when the
    canary cannot be started there."""
    with planted(everything=False) as bait:
        return _observed(sandbox, bait, [name for name in QUICK if _applies(name)])


def observe_all(sandbox: Sandbox) -> tuple[Observation, ...]:
    """Every attack; takes seconds. Raises SandboxError when the canary cannot be started there."""
    gentle = [name for name in canary.TRIES if name not in HOGS and _applies(name)]
    seen: list[Observation] = []
    for names in (gentle, *([hog] for hog in HOGS)):
        with planted() as bait:
            seen += _observed(sandbox, bait, names)
    return tuple(seen)


def _applies(name: str) -> bool:
    """Whether there is such a thing on this system."""
    return sys.platform == "linux" or name not in LINUX_ONLY


def _observed(sandbox: Sandbox, bait: Bait, names: Sequence[str]) -> tuple[Observation, ...]:
    """Let the canary try these. Raises SandboxError when it says nothing and was not a hog."""
    program = bait.tree / "canary.py"
    shutil.copyfile(Path(canary.__file__), program)
    command = Command(
        argv=[sys.executable, "-I", "-S", str(program), str(bait.write()), *names],
        cwd=bait.tree,
        env={"HOME": str(bait.home), "TMPDIR": str(bait.home)},
        timeout=SECONDS,
        writable=(bait.tree, bait.home),
    )
    done = sandbox.run(command)
    said: dict[str, tuple[bool, str]] = {}
    for line in done.output.splitlines():
        if line.startswith("["):
            try:
                name, worked, detail = json.loads(line)
            except ValueError:
                continue
            said[str(name)] = (bool(worked), str(detail))
    if not said and names[0] not in HOGS:
        raise SandboxError(f"a small program ended with {done.ending} there and said {one_line(done.output, 300)!r}")
    silent = (False, "the sandbox ended it")
    return tuple(
        bait.judged(name, said.get(name, silent)[0], one_line(said.get(name, silent)[1], 160)) for name in names
    )


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
            "word": self.word,
            "outside": str(self.outside),
            "variable": VARIABLE,
            "parent": os.getpid(),
            "victim": self.victim.pid if self.victim else 0,
        }
        place = self.tree / "bait.json"
        place.write_text(json.dumps(facts), "utf-8")
        return place

    def judged(self, name: str, said: bool, detail: str) -> Observation:
        """What came of an attempt: what the canary said, corrected by what is seen from here."""
        trace = self._traces(said, detail).get(name)
        if trace is None:  # only the canary can know
            return Observation(name, said, detail)
        seen = trace()
        if said and not seen:
            detail = HARMLESS.get(name, "there is no trace of it outside")
        return Observation(name, seen, "" if seen else detail)

    def _traces(self, said: bool, detail: str) -> dict[str, Callable[[], bool]]:
        """By attempt: whether there is a trace of it."""

        def is_secret() -> bool:
            return said and detail == digest(self.secret.encode())

        def is_our_number() -> bool:
            return said and detail in ("", pid_namespace())

        return {
            "connect over TCP": lambda: self._was_called("tcp"),
            "send over UDP": self._was_told,
            "connect to a socket file": lambda: self._was_called("file"),
            "connect to an abstract socket": lambda: self._was_called("abstract"),
            "write outside": (self.outside / "new").exists,
            "change a file outside": self._was_changed,
            "read a secret file": is_secret,
            "read a .env file": is_secret,
            "find a secret in the environment": is_secret,
            "read the parent's environment": lambda: said and detail == digest(content_of("/proc/self/environ")),
            "signal the parent": is_our_number,
            "trace the parent": is_our_number,
            "end another process": lambda: said and self._victim_died(),
            "learn the host name": lambda: said and detail == digest(os.uname().nodename.encode()),
            "outlive the evaluation": lambda: self._end_survivors() > 0,
        }

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

    def _was_changed(self) -> bool:
        info = (self.outside / "file").stat()
        return info.st_mode & 0o777 != 0o600 or info.st_size > 0

    def _victim_died(self) -> bool:
        try:
            return self.victim is not None and self.victim.wait(1.0) == -signal.SIGTERM
        except subprocess.TimeoutExpired:
            return False

    def _end_survivors(self) -> int:
        """End, and count, processes that still carry the canary's home in their environment."""
        found = 0
        for pid in process_ids():
            with contextlib.suppress(OSError):
                if os.fsencode(self.home) in content_of(f"/proc/{pid}/environ") and state_and_parent(pid)[0] != "Z":
                    os.kill(pid, signal.SIGKILL)
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
            os.environ[VARIABLE] = secret
            stack.callback(os.environ.pop, VARIABLE)
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
