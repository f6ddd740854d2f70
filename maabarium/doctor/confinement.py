"""Which levels of isolation this machine holds, and what a canary inside each of them could do."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from maabarium.blueprint.schema import SandboxOptions
from maabarium.doctor.findings import Finding, Observation, failed, passed, warned
from maabarium.errors import SandboxError
from maabarium.plugins.processes import SandboxFactory
from maabarium.safe_text import one_line
from maabarium.sandbox.probe import observe_all
from maabarium.sandbox.selection import PLAIN, REMEDY, Reach, available, notes_of, reasons

__all__ = ["LEVELS", "check_sandbox", "taken"]

LEVELS = ("trusted", "standard", "strict")
LIMITS = {"memory_mb": 256, "processes": 32, "written_mb": 32, "file_mb": 16, "open_files": 256}
"""What the hogs should be stopped at; they go well beyond."""
LATER = {"learn the host name"}
"""What only `strict` promises to prevent."""
STRICTER = 'where that matters, set level = "strict" in [sandbox]'


def check_sandbox(
    factories: Mapping[str, SandboxFactory], *, level: str | None = None, demanded: str | None = None
) -> Iterator[Finding]:
    """Findings about the levels, and one about each backend that holds one. `level`: look at that one only, and it must
    be held; `demanded`, what a blueprint asks for, must be held too."""
    reaches = [] if level == "trusted" else available(factories)
    yield _levels(reaches, level, demanded)
    found = [Reach(PLAIN, "trusted", True)] if PLAIN in factories else []
    found += [reach for reach in reaches if reach.ok]
    first: dict[str, str] = {}
    for held in sorted(found, key=lambda held: LEVELS.index(held.level)):
        used = first.setdefault(held.level, held.backend) == held.backend
        if level in (None, held.level):
            yield _look_into(held, factories[held.backend], used=used)


def taken(findings: Iterable[Finding], level: str | None = None) -> Finding | None:
    """Of the findings about backends the one that a run takes, which asks for `level` or for the best to be had."""
    seen = [finding for finding in findings if finding.observed]
    wished = (level,) if level else ("standard", "trusted")
    return next((one for wanted in wished for one in seen if one.name.startswith(f"{wanted} (")), None)


def _levels(reaches: Sequence[Reach], level: str | None, demanded: str | None) -> Finding:
    """What is held here and by whom."""
    of_level = {name: [reach for reach in reaches if reach.level == name] for name in LEVELS[1:]}
    held = {name: [reach.backend for reach in of_level[name] if reach.ok] for name in LEVELS[1:]}
    observed = tuple(
        Observation(f"{reach.level} with {reach.backend}", reach.ok, one_line(reach.reason, 400)) for reach in reaches
    )
    for wanted, who in ((level, "you ask for it"), (demanded, "the blueprint demands it")):
        if wanted in held and not held[wanted]:
            said = f'the level "{wanted}" is not to be had here, and {who}: {reasons(of_level[wanted])}'
            return failed("sandbox", "levels", said, f'{REMEDY}; or ask for level = "trusted"', observed)
    if level == "trusted":
        return passed("sandbox", "levels", "trusted is to be had everywhere; it does not confine")
    best = [name for name in reversed(held) if held[name]]
    if not best:
        said = f"nothing here confines, so runs use the level trusted: {reasons(of_level['standard'])}"
        return warned("sandbox", "levels", said, REMEDY, observed)
    said = "; ".join(f"{name} by {', '.join(held[name])}" for name in best)
    if "strict" not in best and level is None:
        return warned("sandbox", "levels", f"{said}; strict is not to be had", REMEDY, observed)
    return passed("sandbox", "levels", f"{said}; trusted everywhere", observed)


def _look_into(held: Reach, factory: SandboxFactory, *, used: bool) -> Finding:
    """The finding about one of them; `used`: it is the one that runs take at this level."""
    try:
        sandbox = factory(SandboxOptions.model_validate({"level": held.level, **LIMITS}), threading.Event())
        observed = observe_all(sandbox)
    except (SandboxError, OSError) as error:
        said = f"the canary could not be let into it: {one_line(str(error), 300)}"
        return failed("sandbox", str(held), said, "see docs/troubleshooting.md, and report what is said here")
    through = [one.attempt for one in observed if one.succeeded]
    count = f"{len(observed) - len(through)} of {len(observed)} attempts were stopped"
    if held.level == "trusted":
        said = f"{count}: this level keeps accidents in, not attacks; use it for code that you trust"
        return passed("sandbox", str(held), said, observed)
    if not through:
        return passed("sandbox", str(held), f"all {len(observed)} attempts were stopped", observed)
    said = f"{count}; got through: {', '.join(through)}"
    notes = "; ".join(notes_of(sandbox))
    unbound = "[sandbox] processes" in notes
    known = {*(LATER if held.level == "standard" else ()), *(["fork without end"] if unbound else ())}
    if not set(through) <= known:
        fix = "do not evaluate code that you do not trust here; report it, and use another level meanwhile"
        return failed("sandbox", str(held), said, fix, observed)
    if not used:
        return passed("sandbox", str(held), f"{said}, which is known; runs take another backend here", observed)
    return warned("sandbox", str(held), said, notes if unbound else STRICTER, observed)
