"""Which levels of isolation this machine holds, and what a canary inside each of them could do.

Probes, not configuration. A level is not judged by how it is built, but by what got through. Starts processes in
sandboxes only; knows no blueprint but its `[sandbox]`.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from maabarium.blueprint.schema import SandboxOptions
from maabarium.doctor import canary
from maabarium.doctor.bait import Bait, planted
from maabarium.doctor.findings import Finding, Observation, failed, passed, warned
from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Sandbox, SandboxFactory
from maabarium.safe_text import one_line
from maabarium.sandbox.selection import Reach, available, notes_of

__all__ = ["LEVELS", "Cage", "check_sandbox", "observe", "taken"]

LEVELS = ("trusted", "standard", "strict")
PLAIN = "subprocess"
HOGS = ("fork without end", "take memory without end", "fill the disk")
"""Each runs alone: what stops them may end everything beside them."""
SECONDS = 30.0
LIMITS = {"memory_mb": 256, "processes": 32, "written_mb": 32, "file_mb": 16, "open_files": 256}
"""What the hogs should be stopped at; they go well beyond."""
LATER = {"learn the host name"}
"""What only `strict` promises to prevent."""
STRICTER = 'where that matters, set level = "strict" in [sandbox]'
CONFINE = (
    "allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns; for a "
    "container its seccomp profile), or install bubblewrap, or use Linux 6.12 or newer for Landlock"
)


@dataclass(frozen=True)
class Cage:
    """One level held by one backend."""

    level: str
    backend: str

    def __str__(self) -> str:
        return f"{self.level} ({self.backend})"


def check_sandbox(
    factories: Mapping[str, SandboxFactory], *, level: str | None = None, demanded: str | None = None
) -> Iterator[Finding]:
    """Findings about the levels, and one about each cage. `level`: look at that one only, and it must be held.

    `demanded` is the level that a blueprint asks for; it must be held too.
    """
    reaches = [] if level == "trusted" else available(factories)
    yield _levels(reaches, level, demanded)
    cages = [Cage(reach.level, reach.backend) for reach in reaches if reach.ok]
    cages = [Cage("trusted", PLAIN), *cages] if PLAIN in factories else cages
    first: dict[str, str] = {}
    for cage in sorted(cages, key=lambda cage: LEVELS.index(cage.level)):
        used = first.setdefault(cage.level, cage.backend) == cage.backend
        if level in (None, cage.level):
            yield _look_into(cage, factories[cage.backend], used=used)


def taken(findings: Iterable[Finding], level: str | None = None) -> Finding | None:
    """Of the findings about cages the one that a run takes; `level` is what it asks for, None is the best to be had."""
    known = list(findings)
    for wanted in (level,) if level else ("standard", "trusted"):
        for finding in known:
            if finding.observed and finding.name.startswith(f"{wanted} ("):
                return finding
    return None


def _levels(reaches: Sequence[Reach], level: str | None, demanded: str | None) -> Finding:
    """What is held here and by whom."""
    held = {name: [reach.backend for reach in reaches if reach.ok and reach.level == name] for name in LEVELS[1:]}
    observed = tuple(
        Observation(f"{reach.level} with {reach.backend}", reach.ok, one_line(reach.reason, 400)) for reach in reaches
    )
    for wanted, who in ((level, "you ask for it"), (demanded, "the blueprint demands it")):
        if wanted in held and not held[wanted]:
            said = f'the level "{wanted}" is not to be had here, and {who}: {_reasons(reaches, wanted)}'
            return failed("sandbox", "levels", said, f'{CONFINE}; or ask for level = "trusted"', observed)
    if level == "trusted":
        return passed("sandbox", "levels", "trusted is to be had everywhere; it does not confine")
    best = [name for name in reversed(held) if held[name]]
    if not best:
        said = f"nothing here confines, so runs use the level trusted: {_reasons(reaches, 'standard')}"
        return warned("sandbox", "levels", said, CONFINE, observed)
    said = "; ".join(f"{name} by {', '.join(held[name])}" for name in best)
    if "strict" not in best and level is None:
        return warned("sandbox", "levels", f"{said}; strict is not to be had", CONFINE, observed)
    return passed("sandbox", "levels", f"{said}; trusted everywhere", observed)


def _reasons(reaches: Sequence[Reach], level: str) -> str:
    said = [f"{reach.backend}: {one_line(reach.reason, 160)}" for reach in reaches if reach.level == level]
    return "; ".join(said) or "there is no backend that confines"


def _look_into(cage: Cage, factory: SandboxFactory, *, used: bool) -> Finding:
    """The finding about one cage; `used`: it is the one that runs take at this level."""
    try:
        sandbox = factory(SandboxOptions.model_validate({"level": cage.level, **LIMITS}), threading.Event())
        observed = observe(sandbox)
    except (SandboxError, OSError) as error:
        said = f"the canary could not be let into it: {one_line(str(error), 300)}"
        return failed("sandbox", str(cage), said, "see docs/troubleshooting.md, and report what is said here")
    through = [one.attempt for one in observed if one.succeeded]
    count = f"{len(observed) - len(through)} of {len(observed)} attempts were stopped"
    if cage.level == "trusted":
        said = f"{count}: this level keeps accidents in, not attacks; use it for code that you trust"
        return passed("sandbox", str(cage), said, observed)
    if not through:
        return passed("sandbox", str(cage), f"all {len(observed)} attempts were stopped", observed)
    said = f"{count}; got through: {', '.join(through)}"
    notes = "; ".join(notes_of(sandbox))
    known = LATER if cage.level == "standard" else set[str]()
    unbound = "[sandbox] processes" in notes
    known = known | ({"fork without end"} if unbound else set())
    if not set(through) <= known:
        fix = "do not evaluate code that you do not trust here; report it, and use another level meanwhile"
        return failed("sandbox", str(cage), said, fix, observed)
    if not used:
        return passed("sandbox", str(cage), f"{said}, which is known; runs take another backend here", observed)
    return warned("sandbox", str(cage), said, notes if unbound else STRICTER, observed)


def observe(sandbox: Sandbox) -> tuple[Observation, ...]:
    """Let the canary try everything in a sandbox. Raises SandboxError when it cannot be started there."""
    gentle = [name for name in canary.TRIES if name not in HOGS and _applies(name)]
    seen: list[Observation] = []
    for names in (gentle, *([hog] for hog in HOGS)):
        with planted() as bait:
            said = _let_loose(sandbox, bait, names)
            for name in names:
                worked, detail = said.get(name, (False, "the sandbox ended it"))
                seen.append(bait.judged(name, worked, one_line(detail, 160)))
    return tuple(seen)


def _applies(name: str) -> bool:
    """Whether there is such a thing on this system."""
    return sys.platform == "linux" or name not in (
        "connect to an abstract socket", "read the parent's environment", "trace the parent", "mount a file system",
        "see other processes", "outlive the evaluation",
    )  # fmt: skip


def _let_loose(sandbox: Sandbox, bait: Bait, names: Sequence[str]) -> dict[str, tuple[bool, str]]:
    """What the canary says. Raises SandboxError when it says nothing and was not a hog."""
    program = bait.tree / "canary.py"
    shutil.copyfile(canary.__file__, program)
    command = Command(
        argv=[sys.executable, "-I", "-S", str(program), str(bait.write()), *names],
        cwd=bait.tree,
        env={"HOME": str(bait.home), "TMPDIR": str(bait.home)},
        timeout=SECONDS,
        writable=(bait.tree, bait.home),
    )
    done = sandbox.run(command)
    answers: dict[str, tuple[bool, str]] = {}
    for line in done.output.splitlines():
        if line.startswith("["):
            try:
                name, worked, detail = json.loads(line)
            except ValueError:
                continue
            answers[str(name)] = (bool(worked), str(detail))
    if not answers and names[0] not in HOGS:
        raise SandboxError(f"it ended with status {done.returncode} and said {one_line(done.output, 300)!r}")
    return answers
