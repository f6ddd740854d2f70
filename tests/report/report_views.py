"""Views of runs that the tests of the report room share."""

from __future__ import annotations

import math
import random
from typing import Any

from maabarium.events import RunRecord, RunView, Sample
from maabarium.records import Evaluation, Experiment, MetricEffect, Outcome

RUN = "3f9c01aa"
BLUEPRINT = """\
[blueprint]
name = "quickstart"
version = "1"
description = "d"
[domain]
repo_path = "."
target_files = ["src/**/*.py"]
language = "python"
[constraints]
max_iterations = 40
timeout_seconds = 10
require_tests_pass = true
min_improvement = 0.0
[[metrics.metrics]]
name = "throughput"
weight = 0.8
direction = "maximize"
description = ""
source = "score:lines_per_s"
[[metrics.metrics]]
name = "readability"
weight = 0.2
direction = "minimize"
description = ""
source = "complexity"
"""
HOSTILE = (
    "<script>alert(1)</script> a|b `x` ``` \x1b[31mred\x1b[0m \u202eevil @you www.evil.example [l](http://e) \udcff"
)
DIFF = """\
diff --git a/src/a.py b/src/a.py
--- a/src/a.py
+++ b/src/a.py
@@ -1,2 +1,2 @@
 import re
--- x
+++ y
"""


def run_record(**changes: Any) -> RunRecord:
    fields: dict[str, Any] = {
        "run_id": RUN, "blueprint_name": "quickstart", "blueprint_path": "blueprints/quickstart.toml",
        "blueprint_text": BLUEPRINT, "blueprint_hash": "b" * 64, "grader_hash": "9" * 64, "seed": 7,
        "max_iterations": 40, "target": "/home/you/quickstart", "isolation": "snapshot", "repository": "/cache/r",
        "base_commit": "c" * 40, "start_commit": "c" * 40, "start_tree": "0" * 40, "branch": "maabarium/quickstart",
    }  # fmt: skip
    return RunRecord(**{**fields, **changes})


def metrics(base: tuple[float, float], champion: tuple[float, float] | None, raw: tuple[float, float]) -> Any:
    rows = (("throughput", "score:lines_per_s", 0.8, "maximize"), ("readability", "complexity", 0.2, "minimize"))
    return tuple(
        MetricEffect(
            name=name, source=source, weight=weight, direction=direction, baseline=base[i],
            champion=champion[i] if champion else None, raw=raw[i], value=0.5,
        )
        for i, (name, source, weight, direction) in enumerate(rows)
    )  # fmt: skip


def pairs(number: int, count: int, champion: float, gain: float, noise: float = 0.01) -> list[Sample]:
    chance = random.Random(number)
    found = []
    for pair in range(1, count + 1):
        for side, level in (("candidate", champion * gain), ("champion", champion)):
            value = level * math.exp(chance.gauss(0, noise))
            found.append(
                Sample(
                    number=number, pair=pair, side=side, candidate_first=False, source="score:lines_per_s", value=value
                )
            )
    return found


BASE = (40_000.0, 14.0)


def baseline(**changes: Any) -> Outcome:
    fields: dict[str, Any] = {
        "number": 0, "verdict": "baseline", "reason_code": "baseline", "reason": "measured as it is",
        "summary": "baseline", "total": 0.5, "metrics": metrics(BASE, None, BASE), "duration": 2.0,
        "phases": {"evaluating": 2.0},
    }  # fmt: skip
    return Outcome(**{**fields, **changes})


def rejected(number: int, code: str = "worse", **changes: Any) -> Outcome:
    fields: dict[str, Any] = {
        "number": number, "verdict": "rejected", "reason_code": code, "reason": f"because {code}",
        "summary": f"try {number}", "effect": 0.98, "duration": 1.0, "phases": {"evaluating": 1.0},
    }  # fmt: skip
    return Outcome(**{**fields, **changes})


def promoted(number: int, parent: int, before: float, after: float, **changes: Any) -> Outcome:
    gain = after / before
    fields: dict[str, Any] = {
        "number": number, "verdict": "promoted", "reason_code": "kept", "reason": "better", "parent": parent,
        "summary": f"change {number}", "total": 0.5 + number / 100, "effect": gain,
        "interval": (gain * 0.97, gain * 1.03), "pairs": 9, "branch": "maabarium/quickstart", "commit": "d" * 40,
        "metrics": metrics(BASE, (before, 14.0), (after, 12.0 if parent else 14.0)), "duration": 5.0,
        "phases": {"evaluating": 1.0, "confirming": 4.0},
    }  # fmt: skip
    return Outcome(**{**fields, **changes})


def view(outcomes: tuple[Outcome, ...], samples: tuple[Sample, ...] = (), **changes: Any) -> RunView:
    fields: dict[str, Any] = {
        "run": run_record(), "state": "completed", "started_at": "2026-01-02T03:04:05.000Z",
        "finished_at": "2026-01-02T03:05:06.000Z", "outcomes": outcomes, "samples": samples,
        "experiments": {
            o.number: Experiment(number=o.number, parent=o.parent, parent_commit="c" * 40, parent_tree="0" * 40)
            for o in outcomes
        },
        "baseline": Evaluation(grader="gradergrader", environment="python-3.11-here"),
    }  # fmt: skip
    return RunView(**{**fields, **changes})


def won() -> RunView:
    """Two winners of x1.5 and x2 in five experiments."""
    outcomes = (
        baseline(), rejected(1), promoted(2, 0, 40_000.0, 60_000.0),
        rejected(3, "unparseable", verdict="invalid", effect=None), promoted(4, 2, 60_000.0, 120_000.0),
        rejected(5, "undecided", parent=4, interval=(0.9, 1.1), pairs=8),
    )  # fmt: skip
    samples = (*pairs(2, 9, 40_000, 1.5), *pairs(4, 9, 60_000, 2.0))
    return view(outcomes, samples)
