"""What is timed: a run of ours, sessions of pytest by hand. All times are seconds of this machine's wall clock."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overhead_target import environment

__all__ = ["PARTS", "Experiment", "by_hand", "experiments", "run_ours"]

PARTS = {
    "planning": "the proposer",
    "applying": "the tree into the worktree",
    "session": "the suite's own session",
    "session start and end": "what the session costs the parent",
    "evaluating": "the rest of evaluating: plan, grade",
    "persisting": "the events into the database",
    "remainder": "handing over, git objects, reporting",
}


@dataclass
class Experiment:
    """One experiment: from the end of the one before to its own end."""

    number: int
    wall: float
    verdict: str
    reason: str
    duration: float
    """As the outcome says it."""
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds by the names of PARTS; they sum to `wall`."""
    sessions: int = 0
    warm: int = 0
    """How many of the sessions were forked from a server."""

    @property
    def beside(self) -> float:
        """All but the suite's own session."""
        return self.wall - self.parts["session"]


def run_ours(blueprint: Path) -> list[Experiment]:
    """One run in a process of its own: its experiments without the baseline."""
    place = blueprint.parent
    clock = place / "clock.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--maabarium", str(blueprint), "--maabarium-db", str(place / "runs.db")],
        cwd=place,
        env=environment(OVERHEAD_CLOCK=str(clock), XDG_CACHE_HOME=str(place / "cache")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"the run ended with {done.returncode}:\n{done.stdout}")
    return experiments([json.loads(line) for line in clock.read_text().splitlines()])


def experiments(events: Sequence[Mapping[str, Any]]) -> list[Experiment]:
    """From the lines of `overhead_clock`; the first finish is the baseline's."""
    made: list[Experiment] = []
    before = None
    since: list[Mapping[str, Any]] = []
    for event in events:
        if event["what"] != "finish":
            since.append(event)
            continue
        at = event["at"]
        if before is not None:
            made.append(_experiment(event, at - before, since))
        before, since = at, []
    return made


def _experiment(finish: Mapping[str, Any], wall: float, since: Sequence[Mapping[str, Any]]) -> Experiment:
    phases: Mapping[str, float] = finish["phases"]
    sessions = [event for event in since if event["what"] == "session"]
    own = sum(event["process"] for event in sessions)
    called = sum(event["seconds"] for event in sessions)
    parts = {
        "planning": phases.get("planning", 0.0),
        "applying": phases.get("applying", 0.0),
        "session": own,
        "session start and end": called - own,
        "evaluating": phases.get("evaluating", 0.0) + phases.get("confirming", 0.0) - called,
        "persisting": sum(event["seconds"] for event in since if event["what"] == "append"),
    }
    parts["remainder"] = wall - sum(parts.values())
    number, verdict, reason, duration = (finish[name] for name in ("number", "verdict", "reason_code", "duration"))
    warm = sum(event["warm"] for event in sessions)
    return Experiment(number, wall, verdict, reason, duration, parts, len(sessions), warm)


def by_hand(target: Path, count: int) -> list[float]:
    """Seconds of `python -m pytest` in the checkout, after one session that fills the caches."""
    taken = []
    for number in range(count + 1):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q"], cwd=target, env=environment(), capture_output=True, text=True
        )
        if done.returncode != 0:
            raise SystemExit(f"pytest by hand ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        if number:
            taken.append(time.perf_counter() - began)
    return taken
