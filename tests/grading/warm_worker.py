"""A target graded twice, by warm and by cold sessions, in a worker's own trees; what is compared of an evaluation."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from target_texts import LEAN

from maabarium.plugins.manager import build_plugins, contributions
from maabarium.records import Champion, Evaluation, FileEdit, Measured, Proposal
from maabarium.run.binding import bind_blueprint, worker_setup
from maabarium.run.prepared import prepare_run
from maabarium.run.record import RunOptions
from maabarium.run.run import open_run
from maabarium.sandbox.selection import select
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.worker import Worker
from maabarium.workspace.repository import Repository

__all__ = ["Edits", "GradedTarget", "differences", "ending_of", "whole_run", "write_blueprint"]

BLUEPRINT = """\
[blueprint]
name = "{name}"
version = "1"
description = "d"
[domain]
repo_path = "{repo_path}"
target_files = {target_files}
language = "python"
[constraints]
max_iterations = 40
timeout_seconds = {timeout}
require_tests_pass = {strict}
min_improvement = 0
[metrics]
[[metrics.metrics]]
name = "tests"
weight = 0.5
direction = "maximize"
source = "tests.passed"
[[metrics.metrics]]
name = "size"
weight = 0.5
direction = "minimize"
source = "size"
[evaluator]
warm = {warm}
args = {args}
{more}
[proposer]
kind = "scripted"
path = "proposals.jsonl"
"""

Edits = Mapping[str, str | None]
"""New texts of files; None deletes one."""


@dataclass
class GradedTarget:
    """A folder with a target, its blueprint, and a worker that measures it."""

    folder: Path
    """Holds the target, `target/`, blueprint, rules and cache."""
    warm: bool
    target_files: tuple[str, ...] = ("product.py",)
    repo_path: str = "target"
    strict: bool = True
    timeout: int = 60
    args: tuple[str, ...] = tuple(LEAN.split())
    more: str = ""
    """Further lines of `[evaluator]`."""
    sources: tuple[str, ...] = ()
    """Beside `tests.passed` and `size`."""
    cancel: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        plugins = build_plugins()
        names = ("target_files", "repo_path", "strict", "timeout", "args", "more")
        path = write_blueprint(self.folder, warm=self.warm, **{name: getattr(self, name) for name in names})
        binding = bind_blueprint(path, plugins)
        sandbox = select(binding.bound.blueprint.sandbox, contributions(plugins, "sandboxes"), self.cancel)
        self.repository = Repository.create(binding.target, path.stem, self.folder / "cache")
        self.setup = worker_setup(binding, path, self.repository.handle, sandbox)
        self.worker = Worker(self.setup, self.cancel, plugins)
        self.baseline: Evaluation | None = None

    @property
    def kept(self) -> Sequence[Any]:
        """The programs that are kept now."""
        return self.worker._kept._programs

    def measure(self, stage: Any, edits: Edits | None = None, **options: Any) -> Measured:
        """One stage of the baseline or of a candidate."""
        sources = frozenset({"tests.passed", "size", *self.sources})
        base = self.repository.base_tree
        proposal = Proposal(summary="", edits=tuple(edit_of(path, text) for path, text in (edits or {}).items()))
        tree = self.repository.tree_with(base, list(proposal.edits)) if edits else base
        if stage != "baseline":
            assert self.baseline is not None
            options = {
                "proposal": proposal,
                "champion": Champion(
                    number=0, commit=self.repository.base_commit, tree=base, evaluation=self.baseline, total=0.5
                ),
                "baseline": self.baseline,
                "baseline_tree": base,
                "champion_tree": base,
            } | options
        job = MeasureJob(**{
            "number": 1, "stage": stage, "tree": tree, "seed": 1, "timeout": self.timeout * 5, "sources": sources,
        } | options)  # fmt: skip
        return run_measurement(self.worker, job)

    def grade_baseline(self) -> Evaluation:
        """Measure the baseline, against which candidates are held from now on."""
        measured = self.measure("baseline")
        assert measured.candidate is not None, measured.problem
        self.baseline = measured.candidate
        return measured.candidate

    def screen(self, edits: Edits) -> Evaluation:
        """The gates of a candidate."""
        measured = self.measure("screen", edits)
        assert measured.candidate is not None, measured.problem
        return measured.candidate

    def close(self) -> None:
        """End all of it."""
        self.worker.close()
        self.repository.close()


def write_blueprint(folder: Path, *, warm: bool, **options: Any) -> Path:
    """A blueprint for the target below a folder, `warm.toml` or `cold.toml`; options as in `GradedTarget`."""
    if options["repo_path"] != "target" and not (folder / "target" / ".git").exists():
        for words in (
            ["init", "-q"],
            ["add", "-A"],
            ["-c", "user.name=n", "-c", "user.email=e@x", "commit", "-qm", "s"],
        ):
            subprocess.run(["git", *words], cwd=folder / "target", check=True)
    lists = {name: list(options[name]) for name in ("target_files", "args")}
    words = {"name": "warm" if warm else "cold", "warm": str(warm).lower(), "strict": str(options["strict"]).lower()}
    path = folder / f"{words['name']}.toml"
    path.write_text(BLUEPRINT.format(**options | lists | words))
    return path


def whole_run(path: Path, tried: Sequence[Edits], database: Path) -> list[dict[str, Any]]:
    """The outcomes of a run of this blueprint that tries these changes, the baseline first; without what is timed."""
    lines = [
        {"summary": f"change {n}", "file_patches": [patch_of(*each) for each in edits.items()]}
        for n, edits in enumerate(tried)
    ]
    (path.parent / "proposals.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = RunOptions(database=database, iterations=len(lines))
    with open_run(prepare_run(path, options, build_plugins())) as run:
        outcomes = list(run.outcomes())
    fields = {"number", "verdict", "reason_code", "reason", "parent", "total", "metrics", "gates", "failing", "not_run"}
    told = [outcome.model_dump_json(include=fields | {"effect", "interval", "pairs"}) for outcome in outcomes]
    return [json.loads(plain_text(text)) for text in told]


def patch_of(path: str, text: str | None) -> dict[str, str]:
    """An edit as the scripted proposer reads it."""
    edit = edit_of(path, text)
    return {"path": path, "operation": edit.operation} | ({} if text is None else {"content": text})


def edit_of(path: str, text: str | None) -> FileEdit:
    """An edit that deletes the file, or writes it whether it is there or not."""
    if text is None:
        return FileEdit(path=path, operation="delete")
    return FileEdit(
        path=path, operation="create" if path.startswith(("new_", "part_")) else "modify", content=text.encode()
    )


def compared(evaluation: Evaluation) -> dict[str, Any]:
    """What must not depend on how a session was started: tests, their endings and texts, gates, exact measurements."""
    timed = {"tests.duration", "tests.cpu", "tests.peak_rss"}
    return {
        "tests": sorted((test.id, test.outcome, test.role, plain_text(test.detail)) for test in evaluation.tests),
        "gates": [(gate.name, gate.passed, gate.reason_code, plain_text(gate.detail)) for gate in evaluation.gates],
        "measured": {
            one.source: (one.value, one.unit, one.possible)
            for one in evaluation.measurements
            if one.source not in timed and one.seconds is None
        },
        "flaky": evaluation.flaky,
        "not run": evaluation.not_run,
        "partial": evaluation.partial,
        "environment": evaluation.environment,
    }


def differences(first: Evaluation, second: Evaluation) -> list[tuple[str, object, object]]:
    """What of `compared` is not the same: its name, and what each of the two has."""
    one, two = compared(first), compared(second)
    found: list[tuple[str, object, object]] = []
    for name in one:
        if name in ("tests", "gates"):
            parts = (
                [row for row in one[name] if row not in two[name]],
                [row for row in two[name] if row not in one[name]],
            )
            found += [(name, *parts)] if any(parts) else []
        elif one[name] != two[name]:
            found.append((name, one[name], two[name]))
    return found


def plain_text(text: str) -> str:
    """A text without what differs between two cold sessions, too: run, process, address, time."""
    for pattern, name in (
        (r"/(warm|cold)/", "/RUN/"),
        (r"/runs/[0-9a-f]+/", "/runs/RUN/"),
        (r"/slot-\d+/", "/slot-N/"),
        (r"0x[0-9a-f]+", "0xN"),
        (r"\b\d+\.\d+ ?s\b", "N s"),
    ):
        text = re.sub(pattern, name, text)
    return text


def ending_of(evaluation: Evaluation) -> str:
    """The reason code of the gate that failed; empty when none did."""
    failed = evaluation.failed_gate
    return str(failed.reason_code) if failed else ""
