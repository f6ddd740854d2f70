"""Requests for the packer made of plain dictionaries, with every fact that it looks at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from maabarium.blueprint.globs import Globs
from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.protocols import ProposalRequest
from maabarium.records import Attempt, Champion, Evaluation, LineMap, Measurement, TestResult


class Files:
    """A tree in memory that counts what is read of it."""

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        self.files = {path: c.encode() if isinstance(c, str) else c for path, c in files.items()}
        self.tree = hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()
        self.reads: list[str] = []

    def paths(self) -> Sequence[str]:
        return sorted(self.files)

    def read(self, path: str) -> bytes:
        self.reads.append(path)
        return self.files[path]


def make_blueprint(
    target_files: Sequence[str] = ("src/**",),
    language: str = "python",
    source: str = "tests.passed",
    holdout: Sequence[str] = (),
) -> Blueprint:
    metric = {"name": "quality", "weight": 1, "direction": "maximize", "source": source}
    limits = {"max_iterations": 10, "timeout_seconds": 10, "require_tests_pass": False, "min_improvement": 0}
    return Blueprint.model_validate(
        {
            "blueprint": {"name": "test", "version": "1", "description": "better"},
            "domain": {"repo_path": ".", "target_files": list(target_files), "language": language},
            "constraints": limits,
            "metrics": {"metrics": [metric]},
            "evaluator": {"holdout": list(holdout)},
        }
    )


def make_request(
    files: Mapping[str, bytes | str],
    *,
    targets: Sequence[str] | None = None,
    tests: Sequence[TestResult] = (),
    lines: LineMap | None = None,
    history: Sequence[Attempt] = (),
    seed: int = 1,
    **blueprint: Any,
) -> ProposalRequest:
    """A request on these files; without `targets` they are what the blueprint's globs match, tests left out."""
    excerpt, plan = Files(files), make_blueprint(**blueprint)
    if targets is None:
        found = Globs(plan.domain.target_files).select(excerpt.paths())
        targets = [path for path in found if "test" not in path]
    source = str(plan.metrics.metrics[0].source)
    evaluation = Evaluation(measurements=(Measurement(source=source, value=0.5),), tests=tuple(tests))
    return ProposalRequest(
        number=1,
        seed=seed,
        blueprint=plan,
        champion=Champion(number=0, commit="c", tree=excerpt.tree, evaluation=evaluation, total=0.5),
        baseline=evaluation.model_copy(update={"lines": lines}),
        files=excerpt,
        targets=tuple(sorted(targets)),
        history=tuple(history),
        is_new=lambda edits: True,
    )
