"""What an engine needs, in memory: a repository of small file maps, a journal that goes through JSON, a blueprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from maabarium.acceptance.judge import RULES
from maabarium.blueprint.schema import Blueprint
from maabarium.engine.actions import Done
from maabarium.engine.engine import Engine
from maabarium.errors import MaabariumError, ProposalError, WorkspaceError
from maabarium.events import Journal, MeasuredEvent, RunRecord, Transition, transition_adapter
from maabarium.plugins.builtin import KeepWinner
from maabarium.plugins.hookspecs import Event
from maabarium.plugins.manager import build_plugins
from maabarium.plugins.protocols import ProposalRequest, StrategyContext
from maabarium.records import PAIRED, Evaluation, FileEdit, Measured, Measurement, Outcome, Proposal
from maabarium.worker.job import MeasureJob

Answer = Proposal | MaabariumError | None
RUN = "3f9c01aa"
START = {"a.py": b"0", "b.py": b"0", "c.py": b"0"}
COUNT = {"name": "count", "weight": 1, "direction": "maximize", "source": "score:count", "noisy": False}


class Killed(BaseException):
    """The process dies here."""


class Files:
    """The files of one tree."""

    def __init__(self, tree: str, files: Mapping[str, bytes]) -> None:
        self.tree = tree
        self._files = files

    def paths(self) -> Sequence[str]:
        return sorted(self._files)

    def read(self, path: str) -> bytes:
        return self._files[path]


class FakeTrees:
    """Trees, commits and one branch in dictionaries. `before_promote` and `after_promote` may raise Killed."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.commits: dict[str, tuple[str, str]] = {}
        self.branch: str | None = None
        self.before_promote: Callable[[], None] = lambda: None
        self.after_promote: Callable[[], None] = lambda: None
        self.moves: list[str] = []
        self.start_tree = self._keep(START)
        self.start_commit = self.commit(self.start_tree, "", 0, "start")

    def _keep(self, files: Mapping[str, bytes]) -> str:
        tree = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.files[tree] = dict(files)
        return tree

    def view(self, tree: str) -> Files:
        return Files(tree, self.files[tree])

    def targets(self, tree: str) -> tuple[str, ...]:
        return tuple(sorted(self.files[tree]))

    def examine(self, parent_tree: str, edits: Sequence[FileEdit]) -> str:
        files = dict(self.files[parent_tree])
        for edit in edits:
            if edit.path.startswith("/"):
                raise ProposalError("out_of_bounds", f"{edit.path} is outside")
            if edit.content is None:
                files.pop(edit.path, None)
            else:
                files[edit.path] = edit.content
        return self._keep(files)

    def rebase(self, old_parent_tree: str, new_parent_tree: str, tree: str) -> tuple[FileEdit, ...] | None:
        old, new, mine = (self.files[t] for t in (old_parent_tree, new_parent_tree, tree))
        changed = [path for path in sorted(old.keys() | mine.keys()) if old.get(path) != mine.get(path)]
        if any(old.get(path) != new.get(path) != mine.get(path) for path in changed):
            return None
        return tuple(edit(path, mine.get(path)) for path in changed)

    def commit(self, tree: str, parent: str, number: int, summary: str) -> str:
        name = hashlib.sha1(f"{tree} {parent} {number} {summary}".encode()).hexdigest()
        self.commits[name] = (tree, parent)
        return name

    def branch_tip(self) -> str | None:
        return self.branch

    def promote(self, new: str, old: str | None) -> None:
        self.before_promote()
        if self.branch != old:
            raise WorkspaceError(f"the branch is at {self.branch}, not at {old}")
        self.branch = new
        self.moves.append(new)
        self.after_promote()


class MemoryJournal:
    """A journal that keeps JSON, as the store does. Raises Killed in place of the transition number `die_at`."""

    def __init__(self, lines: Sequence[str] = (), die_at: int | None = None) -> None:
        self.lines = list(lines)
        self.die_at = die_at
        self.known: dict[str, Evaluation] = {}

    def append(self, run_id: str, transition: Transition) -> Event:
        if self.die_at is not None and len(self.lines) >= self.die_at:
            raise Killed
        self.lines.append(transition.model_dump_json())
        return Event(run_id, len(self.lines), transition.type, None, json.loads(self.lines[-1]))

    def journal(self, run_id: str) -> Journal:
        return tuple(transition_adapter.validate_json(line) for line in self.lines)

    def evaluation(self, tree: str, grader: str, environment: str) -> Evaluation | None:
        return self.known.get(tree)

    def rejections(self, target: str, apart_from: str) -> Mapping[str, int]:
        return {}

    def measured(self) -> list[MeasuredEvent]:
        return [event for event in self.journal(RUN) if isinstance(event, MeasuredEvent)]


def edit(path: str, content: bytes | None) -> FileEdit:
    return FileEdit(path=path, operation="delete" if content is None else "modify", content=content)


def change(path: str, content: bytes | str | None, summary: str = "try") -> Proposal:
    return Proposal(summary=summary, edits=(edit(path, content.encode() if isinstance(content, str) else content),))


def make_blueprint(*metrics: dict[str, Any], **sections: Any) -> Blueprint:
    fields: dict[str, Any] = {
        "blueprint": {"name": "case", "version": "1", "description": "a case"},
        "domain": {"repo_path": ".", "target_files": ["*.py"], "language": "python"},
        "constraints": {
            "max_iterations": 10, "timeout_seconds": 5, "require_tests_pass": True, "min_improvement": 0.0,
        },
        "metrics": {"metrics": list(metrics) or [COUNT]},
        "budget": {"consecutive_failures": None},
    }  # fmt: skip
    return Blueprint.model_validate(fields | sections)


def run_record(trees: FakeTrees, **changes: Any) -> RunRecord:
    fields: dict[str, Any] = {
        "run_id": RUN, "blueprint_name": "case", "blueprint_path": "/case.toml", "blueprint_text": "",
        "blueprint_hash": "", "grader_hash": "", "seed": 7, "max_iterations": 10, "target": "/t",
        "isolation": "snapshot", "repository": "/r", "base_commit": trees.start_commit,
        "start_commit": trees.start_commit, "start_tree": trees.start_tree, "branch": "maabarium/case", "rules": RULES,
    }  # fmt: skip
    return RunRecord(**{**fields, **changes})


def make_engine(
    trees: FakeTrees, store: Any, blueprint: Blueprint | None = None, *plugins: object, capacity: int = 1, **run: Any
) -> Engine:
    return Engine(
        blueprint or make_blueprint(),
        run_record(trees, **run),
        store=store,
        repository=trees,
        plugins=build_plugins(*plugins, entry_points=False),
        strategy=KeepWinner(StrategyContext(make_blueprint(), {}, seed=7)),
        capacity=capacity,
        clock=lambda: 0.0,
    )


def evaluation(values: Mapping[str, float], *gates: Any, grader: str = "g") -> Evaluation:
    measurements = tuple(Measurement(source=source, value=value) for source, value in values.items())
    return Evaluation(measurements=measurements, gates=gates, grader=grader, environment="e")


def answer_job(job: MeasureJob, value_of: Callable[[str], Evaluation]) -> Measured:
    return Measured(
        number=job.number,
        stage=job.stage,
        pair=job.pair,
        candidate=value_of(job.tree),
        champion=value_of(job.champion_tree) if job.stage in PAIRED else None,
        candidate_first=job.candidate_first,
    )


def drive(
    engine: Engine, propose: Callable[[ProposalRequest], Answer], measure: Callable[[MeasureJob], Measured]
) -> list[Outcome]:
    """The serial driver: one thing at a time, to the end."""
    outcomes = engine.start()
    while not isinstance(action := engine.ask(), Done):
        if isinstance(action, ProposalRequest):
            outcomes += engine.tell_proposal(action, propose(action), 0.0)
        elif isinstance(action, MeasureJob):
            outcomes += engine.tell_measured(measure(action))
        else:
            raise AssertionError("a serial engine waits for nobody")
    return outcomes
