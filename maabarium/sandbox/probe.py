"""What a sandbox really keeps in: a canary inside tries what a candidate might, and says what worked.

Probes, not configuration: kernels, containers and security modules forbid things in ways no file tells. Decides
nothing; `selection` and the doctor do.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Sandbox

__all__ = ["Observed", "observe"]

TIMEOUT = 20.0

CANARY = """
import json, os, socket, sys
port, abstract, pathname, outside, secret, parent = sys.argv[1:]
def connects(family, address):
    with socket.socket(family) as s:
        s.settimeout(2)
        s.connect(address)
def reads(path):
    with open(path, "rb") as file:
        return file.read(1)
def writes(path):
    with open(path, "wb") as file:
        file.write(b"x")
tries = {
    "network": lambda: connects(socket.AF_INET, ("127.0.0.1", int(port))),
    "abstract socket": lambda: connects(socket.AF_UNIX, "\\0" + abstract),
    "socket file": lambda: connects(socket.AF_UNIX, pathname),
    "write outside": lambda: writes(outside),
    "mode outside": lambda: os.chmod(secret, 0o600),
    "read outside": lambda: reads(secret),
    "parent's environment": lambda: reads(f"/proc/{parent}/environ"),
    "signal outside": lambda: os.kill(int(parent), 0),
    "work inside": lambda: (writes("inside"), reads("inside"), writes(os.path.join(os.environ["TMPDIR"], "x"))),
}
done = []
for name, attempt in tries.items():
    try:
        attempt()
    except BaseException:
        continue
    done.append(name)
print(json.dumps(done))
"""
WORK = "work inside"


@dataclass(frozen=True)
class Observed:
    """What the canary could do outside (`escapes`), and whether ordinary work inside was possible."""

    escapes: tuple[str, ...]
    works: bool


def observe(sandbox: Sandbox) -> Observed:
    """Let a canary try a sandbox. Raises SandboxError when it cannot even be started, or says nothing."""
    with bait() as (tree, home, words):
        command = Command(
            argv=[sys.executable, "-I", "-S", "-c", CANARY, *words],
            cwd=tree,
            env={"HOME": str(home), "TMPDIR": str(home)},
            timeout=TIMEOUT,
            writable=(tree, home),
        )
        done = sandbox.run(command)
    try:
        found = json.loads(done.output.strip().splitlines()[-1])
        escapes = tuple(str(name) for name in found if name != WORK)
        return Observed(escapes, WORK in found)
    except (ValueError, IndexError, TypeError):
        raise SandboxError(
            f"a small program ended with status {done.returncode} there and said {done.output.strip()[-300:]!r}"
        ) from None


@contextlib.contextmanager
def bait() -> Iterator[tuple[Path, Path, list[str]]]:
    """Folders for the canary, and outside of them a secret and two sockets that listen; the canary's arguments."""
    name = f"maabarium-{secrets.token_hex(8)}"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maabarium-probe-")))
        tree, home, outside = folder / "tree", folder / "home", folder / "outside"
        for place in (tree, home, outside):
            place.mkdir()
        (outside / "secret").write_text("secret")
        wire = stack.enter_context(socket.socket(socket.AF_INET))
        port = "9"
        with contextlib.suppress(OSError):  # a machine without a loopback device
            wire.bind(("127.0.0.1", 0))
            wire.listen()
            port = str(wire.getsockname()[1])
        hidden = stack.enter_context(socket.socket(socket.AF_UNIX))
        if sys.platform == "linux":
            hidden.bind(f"\0{name}")
            hidden.listen()
        named = stack.enter_context(socket.socket(socket.AF_UNIX))
        named.bind(str(outside / "socket"))
        named.listen()
        words = [port, name, str(outside / "socket"), str(outside / "new"), str(outside / "secret"), str(os.getpid())]
        yield tree, home, words
