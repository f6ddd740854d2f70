"""Run one pytest session over a prepared suite in the sandbox, and keep what it said and how it ended."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Literal

from maabarium.folders import replace_file
from maabarium.plugins.processes import Completed
from maabarium.plugins.protocols import EvaluationRequest
from maabarium_pytest.grading.bytecode import groups
from maabarium_pytest.grading.configuration import filtered
from maabarium_pytest.grading.losses import Losses
from maabarium_pytest.grading.rules import FOLDER, mounted
from maabarium_pytest.grading.stream import Stream
from maabarium_pytest.grading.suite import TARGET_CODE, Suite
from maabarium_pytest.grading.targets import import_path
from maabarium_pytest.grading.transcript import Transcript

__all__ = ["Mode", "Purpose", "SessionResult", "run_session"]

PLUGINS_OFF = ("cacheprovider", "maabarium", "randomly", "random_order")


Purpose = Literal["grade", "trace"]
"""`grade` says whether the tree is sound and measures it, `trace` says what lines ran."""


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


@dataclass(frozen=True)
class SessionResult:
    """One session as the parent saw it."""

    transcript: Transcript
    completed: Completed
    mode: Mode
    flooded: bool = False
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


def run_session(suite: Suite, mode: Mode, compiled: bytes = b"") -> SessionResult:
    """Start the child, read what it reports, and return when it and its whole tree are gone. `compiled`: the content
    of a `Bytecode`."""
    workspace, baseline = suite.request.workspace, suite.request.baseline
    decides = Losses.of(suite, baseline).rejects if mode.first_loss and baseline else None
    stream = Stream(meeting=suite.request.meeting, transcript=Transcript(decides=decides))
    try:
        with mounted(suite.rules, suite.configuration.rootdir) as rules:
            plan = workspace.scratch / "plan.json"
            facts = _plan(suite, mode, rules.files)
            if compiled:
                facts["compiled"] = str(workspace.scratch / "compiled")
                replace_file(workspace.scratch / "compiled", compiled)
            replace_file(plan, json.dumps(facts).encode())
            completed = workspace.run(
                [suite.python, str(TARGET_CODE / "boot.py"), "session", str(plan)],
                timeout=mode.timeout,
                env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "" if mode.bytecode else "1"},
                pin=mode.pin,
                channel=stream.child,
                listen=stream.listen,
                watch=stream.watch,
                enough=stream.decided,
                readable=(TARGET_CODE,),
            )
            stream.watch(_LastClock(completed))
    finally:
        stream.close()
    return SessionResult(stream.transcript, completed, mode, stream.flooded, rules.changed)


def _plan(suite: Suite, mode: Mode, rules: list[str]) -> dict[str, object]:
    request = suite.request
    baseline = request.baseline.measurements if request.baseline else ()
    rootdir = suite.configuration.rootdir
    prefix = "" if not suite.rules.contents else f"{FOLDER}/"
    return {
        "args": _arguments(suite, mode, rules),
        "path": import_path(request.workspace.root, suite.targets),
        "folder": prefix,
        "rules": rules,
        "only_rules": mode.only_rules,
        "select": mode.select,
        "bytecode": mode.bytecode,
        "compiled": "",
        "groups": groups(suite),
        "top": str(suite.targets.top),
        "loaded": mode.loaded,
        "lines": mode.purpose == "trace",
        "coverage": mode.coverage,
        "targets": suite.targets.absolute if mode.purpose == "trace" or mode.coverage else [],
        "modules": sorted(suite.modules),
        "baseline": {m.source.removeprefix("score:"): m.value for m in baseline if m.source.startswith("score:")},
        "rootdir": str(rootdir),
    }


def _arguments(suite: Suite, mode: Mode, rules: list[str]) -> list[str]:
    """The command line of pytest. The target's addopts are replaced by what is left of them."""
    configuration = suite.configuration
    file = configuration.file
    if file is None:
        file = suite.request.workspace.scratch / "pytest.ini"
        file.write_text("[pytest]\n", encoding="utf-8")
    words = ["-c", str(file), f"--rootdir={configuration.rootdir}", f"--confcutdir={configuration.rootdir}"]
    words += [word for name in (*PLUGINS_OFF, *suite.surplus) for word in ("-p", f"no:{name}")]
    words += ["-q", "--tb=short", "--color=no", "-o", f"addopts={configuration.override}"]
    if not suite.strict:
        words.append("--continue-on-collection-errors")
    own, _ = filtered(suite.request.blueprint.evaluator.args)
    return words + own + _rules_of_the_tree(suite.request) + (rules if mode.only_rules else [])


def _rules_of_the_tree(request: EvaluationRequest) -> list[str]:
    """Options that keep the suite from collecting rules files of the target itself a second time."""
    if request.top is None:
        return []
    options, top = request.blueprint.evaluator, request.top.resolve()
    places = ((request.folder / given).resolve() for given in (*options.rules, *options.holdout))
    inside = (place.relative_to(top) for place in places if place.is_relative_to(top) and place != top)
    return [f"--ignore={request.workspace.path / place}" for place in inside]
