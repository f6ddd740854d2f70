"""Run one pytest session over a prepared suite in the sandbox, and keep what it said and how it ended."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from maabarium.errors import SandboxError
from maabarium.folders import replace_file
from maabarium.plugins.processes import Completed
from maabarium.plugins.protocols import WarmWorkspace
from maabarium_pytest.grading.bytecode import groups
from maabarium_pytest.grading.losses import Losses
from maabarium_pytest.grading.positions import Positions
from maabarium_pytest.grading.rules import FOLDER, mounted
from maabarium_pytest.grading.servers import Servers, WarmServer
from maabarium_pytest.grading.stream import Stream
from maabarium_pytest.grading.suite import TARGET_CODE, Suite, command_line, path_of, unmoved
from maabarium_pytest.grading.transcript import Transcript

__all__ = ["Mode", "Purpose", "SessionResult", "run_session"]

logger = logging.getLogger(__name__)

Purpose = Literal["grade", "again", "trace"]
"""`grade` says whether the tree is sound and measures it, `again` what a baseline's tests do once more, `trace` what
lines ran."""


@dataclass(frozen=True)
class Mode:
    """What one session is for, and how it is run."""

    timeout: float
    """Seconds."""
    purpose: Purpose = "grade"
    only_rules: bool = False
    coverage: bool = False
    pin: bool = False
    select: tuple[str, ...] = ()
    """The only tests to run, by absolute path and id; empty: those that the target's options name, and the rules."""
    loaded: bool = False
    """It says what modules of the tree it loaded."""
    first_loss: bool = False
    """It ends at the first result that rejects the tree."""
    bytecode: bool = False
    """Plug-ins in site-packages may cache their rewritten bytecode: only before any candidate has run."""
    cold: bool = False
    """In an interpreter of its own, whatever a server could do."""
    moving: frozenset[str] = frozenset()
    """Of a baseline: functions whose tests are told apart by their positions. Later, the baseline says it."""
    hash_seed: int = 0
    """`PYTHONHASHSEED` of a cold session."""
    disorder: int = 0
    """Seed for other orders of what has none (folders, addresses) in a cold session; 0: as they come."""


@dataclass(frozen=True)
class SessionResult:
    """One session as the parent saw it."""

    transcript: Transcript
    completed: Completed
    mode: Mode
    flooded: bool = False
    server: str = ""
    """The name of the server from which it was forked; empty when it was cold."""
    changed: str = ""
    """Which rule was changed while it ran."""


class _LastClock:
    """Clocks for records that are read after the child has ended."""

    def __init__(self, completed: Completed) -> None:
        self._completed = completed

    def cpu(self) -> float:
        return self._completed.cpu

    def wall(self) -> float:
        return time.monotonic()


def run_session(suite: Suite, mode: Mode, servers: Servers) -> SessionResult:
    """Fork or start the child, read what it reports, and return when it and its whole tree are gone."""
    with mounted(suite.rules, suite.configuration.rootdir) as rules:
        server = None if mode.cold else servers.server(suite, only_rules=mode.only_rules)
        result = _run(suite, mode, rules.files, servers, server)
        if result is None and server is not None:
            servers.forget(server)
            result = _run(suite, mode, rules.files, servers, None)
    assert result is not None
    return replace(result, changed=rules.changed)


def _run(
    suite: Suite, mode: Mode, rules: list[str], servers: Servers, server: WarmServer | None
) -> SessionResult | None:
    """One session of a server, or a cold one without; None when the server does not answer."""
    workspace, baseline = suite.request.workspace, suite.request.baseline
    seen = workspace.seen if server is not None and isinstance(workspace, WarmWorkspace) else unmoved
    decides = Losses.of(suite, baseline).rejects if mode.first_loss and baseline else None
    positions = Positions(baseline.moving if baseline else mode.moving)
    stream = Stream(meeting=suite.request.meeting, transcript=Transcript(decides=decides, positions=positions))
    try:
        plan = _plan(suite, mode, rules, seen)
        if server is None and servers.bytecode.content:
            plan["compiled"] = str(workspace.scratch / "compiled")
            replace_file(workspace.scratch / "compiled", servers.bytecode.content)
        file = workspace.scratch / "plan.json"
        replace_file(file, json.dumps(plan).encode())
        options: dict[str, Any] = {
            "timeout": mode.timeout,
            "pin": mode.pin,
            "channel": stream.child,
            "listen": stream.listen,
            "watch": stream.watch,
            "enough": stream.decided,
        }
        if server is not None:
            try:
                completed = workspace.run([str(seen(file))], program=server.program, **options)
            except SandboxError as error:
                logger.warning("a warm session could not be run, it is started cold: %s", error)
                return None
        else:
            completed = workspace.run(
                [suite.python, str(TARGET_CODE / "boot.py"), "session", str(file)],
                env=suite.request.blueprint.evaluator.env
                | {"PYTHONHASHSEED": str(mode.hash_seed), "PYTHONDONTWRITEBYTECODE": "" if mode.bytecode else "1"},
                readable=(TARGET_CODE,),
                **options,
            )
        stream.watch(_LastClock(completed))
    finally:
        stream.close()
    if server is not None:
        top, inside = str(suite.top), str(seen(suite.top))
        for name, place in stream.transcript.origins.items():
            stream.transcript.origins[name] = top + place.removeprefix(inside) if place.startswith(inside) else place
    return SessionResult(stream.transcript, completed, mode, stream.flooded, server.name if server else "")


def _plan(suite: Suite, mode: Mode, rules: list[str], seen: Callable[[Path], Path]) -> dict[str, object]:
    request = suite.request
    places = (place.partition("::") for place in mode.select)
    select = [f"{seen(Path(path))}{colons}{id}" for path, colons, id in places]
    baseline = request.baseline.measurements if request.baseline else ()
    return {
        "args": [
            *command_line(suite, seen, request.workspace.scratch),
            *(_inside(rules, seen) if mode.only_rules else []),
        ],
        "path": path_of(suite, seen),
        "hiding": _inside(suite.hiding, seen),
        "folder": f"{FOLDER}/" if suite.rules.contents else "",
        "rules": _inside(rules, seen),
        "only_rules": mode.only_rules,
        "select": select,
        "bytecode": mode.bytecode,
        "compiled": "",
        "groups": groups(suite),
        "top": str(seen(suite.targets.top)),
        "loaded": mode.loaded,
        "lines": mode.purpose == "trace",
        "coverage": mode.coverage,
        "targets": _inside(suite.targets.absolute, seen) if mode.purpose == "trace" or mode.coverage else [],
        "modules": sorted(suite.modules),
        "disorder": mode.disorder,
        "baseline": {m.source.removeprefix("score:"): m.value for m in baseline if m.source.startswith("score:")},
    }


def _inside(paths: Iterable[str], seen: Callable[[Path], Path]) -> list[str]:
    return [str(seen(Path(path))) for path in paths]
