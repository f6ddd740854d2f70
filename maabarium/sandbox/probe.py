"""What a sandbox really keeps in: a canary inside tries what a candidate might, and its traces are looked for outside.

Probes, not configuration: kernels, containers and security modules forbid things in ways no file tells. Decides
nothing; `selection`, which asks for the quick attempts, and the doctor, which asks for all, do.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Sandbox
from maabarium.safe_text import one_line
from maabarium.sandbox import canary
from maabarium.sandbox.bait import Bait, Observation, planted
from maabarium.sandbox.canary import WORK

__all__ = ["HOGS", "WORK", "observe_all", "observe_quickly"]

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
