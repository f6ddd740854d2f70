"""A target in a folder, the real sandbox around it, and requests to grade it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from target_texts import LEAN

from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.processes import Command, Completed
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation
from maabarium.sandbox import subprocess_sandbox
from maabarium_pytest.grading.evaluator import PytestEvaluator


class FolderWorkspace:
    """A plain folder as a checked-out tree, with real processes."""

    def __init__(self, path: Path, root: Path, scratch: Path, blueprint: Blueprint) -> None:
        self.path = path
        self.root = root
        self.scratch = scratch
        scratch.mkdir(exist_ok=True)
        self.sandbox = subprocess_sandbox(blueprint.sandbox, threading.Event())

    def run(
        self, argv: Sequence[str], *, timeout: float | None = None, env: Mapping[str, str] | None = None, **options: Any
    ) -> Completed:
        return self.sandbox.run(Command(argv, self.root, dict(env or {}), timeout=timeout or 60, **options))


class Target:
    """A small target that tests write, change and grade."""

    def __init__(self, folder: Path) -> None:
        self.top = folder / "target"
        self.top.mkdir()
        self.root = self.top
        self.folder = folder
        self.options: dict[str, Any] = {}
        self.strict = True
        self.sources: frozenset[str] = frozenset({"tests.passed"})
        self.timeout = 30
        self.target_files = ["*.py", "!test_*.py", "!conftest.py"]
        self.output_mb = 2.0

    def write(self, files: Mapping[str, str | bytes], base: Path | None = None) -> None:
        for name, content in files.items():
            path = (base or self.top) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    @property
    def blueprint(self) -> Blueprint:
        metrics = [
            {"name": source, "weight": 1 / len(self.sources), "direction": "maximize", "source": source}
            for source in sorted(self.sources)
        ]
        return Blueprint.model_validate(
            {
                "blueprint": {"name": "t", "version": "1", "description": ""},
                "domain": {"repo_path": ".", "target_files": self.target_files, "language": "python"},
                "constraints": {
                    "max_iterations": 3, "timeout_seconds": self.timeout,
                    "require_tests_pass": self.strict, "min_improvement": 0,
                },
                "metrics": {"metrics": metrics},
                "evaluator": {"args": LEAN.split(), **self.options},
                "sandbox": {"output_mb": self.output_mb},
            }
        )  # fmt: skip

    def request(
        self, stage: Any = "baseline", baseline: Evaluation | None = None, sources: Iterable[str] | None = None
    ) -> EvaluationRequest:
        blueprint = self.blueprint
        return EvaluationRequest(
            workspace=FolderWorkspace(self.top, self.root, self.folder / "scratch", blueprint),
            blueprint=blueprint,
            folder=self.folder,
            stage=stage,
            seed=1,
            deadline=time.monotonic() + 120,
            baseline=baseline,
            sources=self.sources if sources is None else frozenset(sources),
        )

    def grade(
        self, stage: Any = "baseline", baseline: Evaluation | None = None, sources: Iterable[str] | None = None
    ) -> Evaluation:
        return PytestEvaluator({}).evaluate(self.request(stage, baseline, sources))

    def screen(self, baseline: Evaluation) -> Evaluation:
        return self.grade("screen", baseline)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


@pytest.fixture(scope="module")
def shared_target(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Target]:
    return lambda: Target(tmp_path_factory.mktemp("shared"))
