"""Forked from a warm server or started by itself, a session of the same tree must end alike, on targets of any kind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from warm_targets import KINDS, PRODUCT, RULES, Kind, changes
from warm_worker import GradedTarget, differences, ending_of, whole_run, write_blueprint

from maabarium.sandbox import SANDBOXES, kept
from maabarium.sandbox.selection import available
from maabarium_pytest.grading import plan

HELD = any(reach.ok and reach.backend == "namespaces" for reach in available(SANDBOXES))
pytestmark = pytest.mark.skipif(not HELD, reason="there are no namespaces on this machine")
ALWAYS = ("plain", "capture", "rules and coverage", "conftest imports the product")
"""The others are slow only because there are many."""
WHOLE = (*ALWAYS, "processes", "package below the repository", "conftest looks for parts of the product")
WHOLE += (
    "conftest changes path and environment",
    "conftest may be changed",
    "plug-ins of the tree",
    "errors for warnings",
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no reason for another ending."""
    monkeypatch.setattr(plan, "LEAST_TIMEOUT", 60.0)
    monkeypatch.setattr(kept, "READY", 120.0)


def kinds(names: Any, always: tuple[str, ...]) -> list[Any]:
    """Parameters: some kinds always, the others among the slow tests."""
    return [pytest.param(name, marks=[] if name in always else pytest.mark.slow) for name in names]


def written(kind: Kind, folder: Path) -> dict[str, Any]:
    """The files of a kind, below a folder; the answer are its options of `GradedTarget`."""
    files = {kind.product: PRODUCT} | kind.files | ({"rules/test_rules.py": RULES} if kind.rules else {})
    for name, text in files.items():
        path = folder / name if name.startswith("rules/") else folder / "target" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    more = 'rules = ["rules"]' if kind.rules else ""
    return {"target_files": (kind.product,), "more": more} | kind.options


@pytest.mark.parametrize("name", kinds(KINDS, ALWAYS))
def test_warm_and_cold_sessions_end_alike(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    options = written(kind, tmp_path)
    warm, cold = (GradedTarget(tmp_path, warm, **options) for warm in (True, False))
    try:
        baselines = warm.grade_baseline(), cold.grade_baseline()
        assert baselines[0].failed_gate is None, baselines[0].failed_gate
        assert re.match(kind.sessions + ("$" if kind.sessions.endswith("pytest") else ""), baselines[0].sessions)
        assert baselines[0].server and not baselines[1].server
        assert baselines[1].sessions == "started one by one (as evaluator.warm says)"
        assert differences(*baselines) == []
        for change, code, edits in changes(kind):
            sides = warm.screen(edits), cold.screen(edits)
            assert sides[0].server and not sides[1].server
            assert (change, differences(*sides)) == (change, [])
            assert re.fullmatch(code, ending_of(sides[0])), (change, sides[0].failed_gate)
    finally:
        warm.close()
        cold.close()


@pytest.mark.parametrize("name", kinds(WHOLE, ("rules and coverage",)))
def test_whole_runs_end_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    kind = KINDS[name]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    usual = {name: getattr(GradedTarget, name) for name in ("repo_path", "strict", "timeout", "args")}
    options = usual | written(kind, tmp_path)
    options.pop("sources", None)
    tried = [edits for _, _, edits in changes(kind)]
    runs = []
    for warm in (True, False):
        path = write_blueprint(tmp_path, warm=warm, **options)
        runs.append(whole_run(path, tried, tmp_path / f"{path.stem}.db"))
    assert len(runs[0]) == len(tried) + 1 and runs[0][0]["verdict"] == "baseline"
    assert {"promoted", "rejected"} <= {outcome["verdict"] for outcome in runs[0]} or name == "plain"
    for ours, theirs in zip(*runs, strict=True):
        assert ours == theirs
