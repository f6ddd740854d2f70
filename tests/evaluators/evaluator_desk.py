"""A tree, a sandbox with real processes, and requests to evaluators from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from maabarium.blueprint.schema import Blueprint, SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Completed, Sandbox
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.sandbox import SANDBOXES, subprocess_sandbox


class Desk:
    """A checked-out tree (`path`) with a scratch folder; what is run in it runs in the sandbox."""

    def __init__(self, folder: Path, blueprint: Blueprint) -> None:
        self.path = self.root = folder / "tree"
        self.scratch = folder / "scratch"
        for place in (self.path, self.scratch, self.scratch / "home", self.scratch / "tmp"):
            place.mkdir(exist_ok=True, parents=True)
        self.cancel = threading.Event()
        self.sandbox: Sandbox = subprocess_sandbox(blueprint.sandbox, self.cancel)

    def confine(self, backend: str) -> None:
        """Run in another backend from now on, at the best level that it reaches; skips where it reaches none."""
        for level in ("strict", "standard", "trusted"):
            try:
                self.sandbox = SANDBOXES[backend](SandboxOptions.model_validate({"level": level}), self.cancel)
            except SandboxError as error:
                refused = str(error)
            else:
                return
        pytest.skip(refused)

    def run(
        self, argv: Sequence[str], *, timeout: float | None = None, env: Mapping[str, str] | None = None, **options: Any
    ) -> Completed:
        private = {"HOME": str(self.scratch / "home"), "TMPDIR": str(self.scratch / "tmp")}
        cwd = options.pop("cwd", self.root)
        own = {"env": dict(env or {}) | private, "timeout": timeout or 60, "writable": (self.path, self.scratch)}
        return self.sandbox.run(Command(argv, cwd, **{**own, **options}))


def blueprint_of(metrics: Sequence[Mapping[str, Any]], evaluator: Mapping[str, Any], **sections: Any) -> Blueprint:
    """A bound blueprint: the metrics have their sources."""
    return Blueprint.model_validate(
        {
            "blueprint": {"name": "outside", "version": "1", "description": ""},
            "domain": {"repo_path": ".", "target_files": ["*.py"], "language": "python"},
            "constraints": {
                "max_iterations": 1, "timeout_seconds": 30, "require_tests_pass": True, "min_improvement": 0,
            },
            "metrics": {"metrics": [{"weight": 1.0, "direction": "maximize", **metric} for metric in metrics]},
            "evaluator": dict(evaluator),
            **sections,
        }
    )  # fmt: skip


Asking = Callable[..., EvaluationRequest]
