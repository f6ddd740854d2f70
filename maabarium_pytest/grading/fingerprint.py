"""What a verdict depends on beside the tree: fingerprints of the grader and of the environment."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from maabarium_pytest.grading.session import TARGET_CODE
from maabarium_pytest.grading.suite import Suite
from maabarium_pytest.grading.transcript import Transcript

__all__ = ["environment_fingerprint", "grader_fingerprint"]


def grader_fingerprint(suite: Suite) -> str:
    """SHA-256 of rules, evaluator options, metric definitions, what picks the tests, and our own child code."""
    blueprint = suite.request.blueprint
    rootdir = suite.configuration.rootdir
    return _digest(
        {
            "rules": suite.rules.digest,
            "evaluator": blueprint.evaluator.model_dump(mode="json"),
            "metrics": blueprint.metrics.model_dump(mode="json"),
            "targets": blueprint.domain.target_files,
            "strict": suite.strict,
            "addopts": suite.configuration.addopts,
            "surplus": suite.surplus,
            "rootdir": rootdir.relative_to(suite.targets.top).as_posix(),
            "root": suite.request.workspace.root.relative_to(suite.targets.top).as_posix(),
            "code": _child_code(),
        }
    )


def environment_fingerprint(heard: Transcript) -> str:
    """SHA-256 of interpreter, machine and installed packages, as the child found them before the tree was loaded."""
    return _digest({"facts": heard.facts, "packages": sorted(heard.packages)})


@cache
def _child_code() -> str:
    state = hashlib.sha256()
    for path in sorted(TARGET_CODE.glob("*.py")):
        state.update(path.read_bytes())
    return state.hexdigest()


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
