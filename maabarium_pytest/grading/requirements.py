"""What the target's environment must have before a run can start: pytest itself, and what single sources need.

Runs one cheap child that imports nothing of the target.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import EvaluationError, Problem
from maabarium_pytest.grading.suite import TARGET_CODE, find_interpreter

__all__ = ["OLDEST_PYTEST", "OLDEST_PYTHON", "missing_packages"]

OLDEST_PYTHON = (3, 9)
OLDEST_PYTEST = (7, 4)
PACKAGES = {"coverage": "coverage", "benchmark:": "pytest-benchmark"}
"""Prefix of a source -> the distribution it needs in the target's environment."""


def missing_packages(blueprint: Blueprint, folder: Path, sources: Iterable[str] | None = None) -> list[Problem]:
    """Problems of the target's environment, each with the command that solves it.

    `sources` are those needed from this evaluator; by default all that the metrics name.
    """
    wanted = list(sources) if sources is not None else [m.source or "" for m in blueprint.metrics.metrics]
    try:
        python = find_interpreter(blueprint, folder)
        facts = _probe(python, ["pytest", *PACKAGES.values()])
    except EvaluationError as error:
        return [Problem("evaluator.python", str(error).removeprefix("evaluator.python: "))]
    version = facts["interpreter"]["python"]
    if _numbers(version) < OLDEST_PYTHON:
        return [Problem("evaluator.python", f"{python} is Python {version}; a target needs 3.9 or newer")]
    problems = []
    pytest_version = facts["versions"]["pytest"]
    if pytest_version is None or _numbers(pytest_version) < OLDEST_PYTEST:
        state = "has no pytest" if pytest_version is None else f"has pytest {pytest_version}"
        problems.append(Problem("evaluator.python", f"{python} {state}; {_install(python, 'pytest>=7.4')}"))
    for prefix, package in PACKAGES.items():
        users = sorted(source for source in wanted if source.startswith(prefix))
        if users and facts["versions"][package] is None:
            sentence = f"{', '.join(users)} needs {package} in the target's environment; {_install(python, package)}"
            problems.append(Problem("metrics.metrics", sentence))
    return problems


def _install(python: str, requirement: str) -> str:
    return f'install it: {python} -m pip install "{requirement}"'


def _numbers(version: str) -> tuple[int, int]:
    major, minor, *_ = [*version.split("."), "0"]
    return int("".join(filter(str.isdigit, major)) or 0), int("".join(filter(str.isdigit, minor)) or 0)


def _probe(python: str, names: list[str]) -> dict[str, Any]:
    command = [python, str(TARGET_CODE / "boot.py"), "probe", *names]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=False, env=env, cwd=TARGET_CODE)
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise EvaluationError(f"{python} is not an interpreter that answers: {error}") from error
    return answer
