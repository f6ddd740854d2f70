"""A real repository with a stored run in a real database, as the engine would have left them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from target_texts import BLUEPRINT

from maabarium import events as e
from maabarium import records as r
from maabarium.state_paths import state_paths_of
from maabarium.store import Store
from maabarium.workspace.repository import Repository
from maabarium.workspace.target import find_target

EVIL = "Try \x1b[31mred\x1b[0m \u202eone"


def git(top: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *arguments]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def make_project(top: Path, *, repository: bool = True) -> Path:
    """A small package; committed on main unless told otherwise."""
    for path, text in {"src/a.py": "a = 1\n", "src/b.py": "b = 1\n", "tests/test_a.py": "def test(): pass\n"}.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
    (top / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    if repository:
        git(top, "init", "-q", "-b", "main")
        (top / ".gitignore").write_text("/data/\n")
        git(top, "add", "-A")
        git(top, "commit", "-q", "-m", "first")
    (top / "demo.toml").write_text(BLUEPRINT)
    return top


@dataclass
class StoredRun:
    """What was stored, and the commits of its two winners."""

    run_id: str
    top: Path
    database: Path
    commits: dict[int, str]


def store_run(top: Path, run_id: str = "3f9c01aa", *, kept: bool = True, branch: str = "maabarium/demo") -> StoredRun:
    """Baseline, a winner, a loser with a failing test, a second winner, an invalid one; completed."""
    places = state_paths_of(top)
    target = find_target(top)
    repository = Repository.create(target, run_id, places.cache)
    start, tip = repository.branches.start_point(branch)
    tree = repository.tree_of(start)
    record = e.RunRecord(
        run_id=run_id, blueprint_name="demo", blueprint_path=str(top / "demo.toml"), blueprint_text=BLUEPRINT,
        blueprint_hash="b" * 64, grader_hash="9" * 64, seed=0, max_iterations=4, target=str(target.top),
        isolation="worktree" if target.kind == "git" else "snapshot", repository=str(repository.handle.git_dir),
        base_commit=repository.base_commit, start_commit=start, start_tree=tree, branch=branch,
    )  # fmt: skip
    if target.kind == "git":
        repository.branches.pin(run_id)
    commits: dict[int, str] = {}
    with Store.open(places.database) as store:

        def add(*transitions: e.Transition) -> None:
            for transition in transitions:
                store.append(run_id, transition)

        add(e.RunStarted(run=record))
        parent_commit, parent_tree, parent = start, tree, 0
        ideas = [None, ("src/a.py", b"a = 2\n"), ("src/b.py", b"b = 9\n"), ("src/b.py", b"b = 3\n"), None]
        verdicts = ["baseline", "promoted", "rejected", "promoted", "invalid"]
        for number, (idea, verdict) in enumerate(zip(ideas, verdicts, strict=True)):
            verdict = verdict if kept or verdict != "promoted" else "rejected"
            edits = (r.FileEdit(path=idea[0], operation="modify", content=idea[1]),) if idea else ()
            after = repository.tree_with(parent_tree, edits)
            experiment = r.Experiment(
                number=number, parent=parent, parent_commit=parent_commit, parent_tree=parent_tree, tree=after
            )
            summary = EVIL if number == 2 else f"Try {number}"
            proposal = None if verdict == "invalid" else r.Proposal(summary=summary, edits=edits, author="me")
            add(e.Proposed(experiment=experiment, proposal=proposal, planning_seconds=0.1))
            if proposal:
                add(*_measured(number, after, parent_tree, paired=verdict == "promoted"))
            commit = ""
            if verdict == "promoted":
                commit = repository.commit(
                    after, parent_commit, summary, {"Maabarium-Run": run_id}, when=10**9 + number
                )
                repository.branches.promote(branch, commit, tip)
                commits[number] = tip = commit
            add(e.Decided(outcome=_outcome(number, verdict, parent, after, summary, commit, branch)))
            if commit:
                parent_commit, parent_tree, parent = commit, after, number
        add(e.RunFinished(state="completed", reason_code="exhausted", reason="nothing is left to try"))
    repository.close()
    return StoredRun(run_id, top, places.database, commits)


def _evaluation(number: int) -> r.Evaluation:
    return r.Evaluation(
        measurements=(r.Measurement(source="size", value=10.0 - number, clock=None),),
        gates=(r.Gate(name="tests", passed=True),), tests=(r.TestResult(id="tests/test_a.py::test", outcome="passed"),),
        grader="g", environment="e",
    )  # fmt: skip


def _measured(number: int, tree: str, champion: str, *, paired: bool) -> list[e.Transition]:
    stage = "screen" if number else "baseline"
    found: list[e.Transition] = [
        e.MeasuredEvent(measured=r.Measured(number=number, stage=stage, candidate=_evaluation(number)), tree=tree)
    ]
    for pair in (1, 2) if paired else ():
        both = r.Measured(
            number=number, stage="pair", pair=pair, candidate=_evaluation(number), champion=_evaluation(0),
            candidate_first=pair == 2,
        )  # fmt: skip
        found.append(e.MeasuredEvent(measured=both, tree=tree, champion_tree=champion))
    return found


def _outcome(number: int, verdict: Any, parent: int, tree: str, summary: str, commit: str, branch: str) -> r.Outcome:
    codes: dict[str, Any] = {"baseline": "baseline", "promoted": "kept", "rejected": "gate_failed"}
    effect = r.MetricEffect(
        name="size", source="size", weight=1.0, direction="minimize", baseline=10.0, champion=10.0,
        raw=10.0 - number, value=0.5 + number / 100,
    )  # fmt: skip
    lost = verdict == "rejected"
    return r.Outcome(
        number=number, verdict=verdict, reason_code=codes.get(verdict, "unparseable"), reason=f"because {number}",
        summary="" if verdict == "invalid" else summary, parent=parent, tree=tree,
        total=None if verdict == "invalid" else 0.5 + number / 100, metrics=() if verdict == "invalid" else (effect,),
        gates=(r.Gate(name="tests", passed=not lost, detail="1 of 1 failed" if lost else ""),),
        failing=("tests/test_a.py::test",) if lost else (), effect=1.0 + number / 10 if commit else None,
        interval=(1.01, 1.5) if commit else None, pairs=2 if commit else 0, branch=branch if commit else "",
        commit=commit, duration=1.5, phases={"planning": 0.1, "evaluating": 1.4},
    )  # fmt: skip


def age_run(database: Path, run_id: str, days: float) -> None:
    """Make a run's events as old as that."""
    with Store.open(database) as store:
        store._db.execute("BEGIN")
        store._db.execute(
            "UPDATE events SET time = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', ?) WHERE run_id = ?",
            [f"-{days} days", run_id],
        )
        store._db.commit()
