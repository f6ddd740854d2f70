"""Requests for proposers made of plain dictionaries, for tests without a repository."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.protocols import ProposalRequest, ProposerContext
from maabarium.records import Attempt, Champion, Evaluation, FileEdit, LineMap, Measurement, Outcome, TestResult

BLUEPRINT = Blueprint.model_validate(
    {
        "blueprint": {"name": "test", "version": "1", "description": ""},
        "domain": {"repo_path": ".", "target_files": ["**/*.py"], "language": "python"},
        "constraints": {"max_iterations": 10, "timeout_seconds": 10, "require_tests_pass": True, "min_improvement": 0},
        "metrics": {"metrics": [{"name": "points", "weight": 1, "direction": "maximize", "source": "score:points"}]},
    }
)


class Files:
    """The files of one tree in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        joined = repr(sorted(self.files.items())).encode()
        self.tree = hashlib.sha1(joined).hexdigest()

    def paths(self) -> Sequence[str]:
        return sorted(self.files)

    def read(self, path: str) -> bytes:
        return self.files[path]

    def after(self, edits: Sequence[FileEdit]) -> Files:
        files = dict(self.files)
        for edit in edits:
            if edit.content is None:
                files.pop(edit.path)
            else:
                files[edit.path] = edit.content
        return Files(files)


def make_context(folder: Path = Path(), **options: Any) -> ProposerContext:
    return ProposerContext(blueprint=BLUEPRINT, folder=folder, options=options, seed=1)


def make_request(
    files: Mapping[str, bytes],
    *,
    number: int = 1,
    seed: int = 1,
    total: float = 0.5,
    champion: int = 0,
    history: Sequence[Attempt] = (),
    seen: Sequence[str] = (),
    tests: Sequence[TestResult] = (),
    hits: Mapping[str, Mapping[int, int]] | None = None,
) -> ProposalRequest:
    """A request for proposal `number` on these files, from a baseline that earned half of its points.

    `seen` are tree ids that are no longer new. As in a run, the history leaves out the baseline.
    """
    view = Files(files)
    lines = LineMap(hits={path: dict(of) for path, of in hits.items()}) if hits is not None else None
    points = Measurement(source="score:points", value=1, possible=2)
    evaluation = Evaluation(measurements=(points,), tests=tuple(tests), lines=lines)
    return ProposalRequest(
        number=number,
        seed=seed,
        blueprint=BLUEPRINT,
        champion=Champion(number=champion, commit="c", tree=view.tree, evaluation=evaluation, total=total),
        baseline=evaluation,
        files=view,
        targets=tuple(view.paths()),
        history=tuple(history),
        is_new=lambda edits: view.after(edits).tree not in {*seen, view.tree},
    )


def make_attempt(number: int, verdict: str, data: Mapping[str, Any] | None = None, **fields: Any) -> Attempt:
    reasons = {"promoted": "kept", "invalid": "does_not_apply"}
    fields = {"reason_code": reasons.get(verdict, "worse"), "reason": "", **fields}
    outcome = Outcome.model_validate({"number": number, "verdict": verdict, **fields})
    return Attempt(outcome=outcome, data=dict(data or {}))
