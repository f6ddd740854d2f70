"""A small real target, and real pytest sessions on it in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from target_texts import LEAN

BLUEPRINT = """
[blueprint]
name = "speed"
version = "1"
description = "a number grows"
[domain]
repo_path = "."
target_files = ["app/**/*.py"]
language = "python"
[constraints]
max_iterations = {iterations}
timeout_seconds = 30
require_tests_pass = true
min_improvement = 0.0
[metrics]
metrics = [{{ name = "speed", weight = 1.0, direction = "maximize", source = "score:speed" }}]
[evaluator]
kind = "pytest"
rules = ["scoring/test_speed.py"]
[proposer]
kind = "{proposer}"
{options}
"""
HOSTILE = "-n auto --cov --cov-fail-under=99 -m 'not slow' --reruns 3 -p no:cacheprovider --strict-config"
CONFTEST = """
from maabarium.plugins.manager import hookspecs
from maabarium.errors import ProviderError
from maabarium.records import FileEdit, Proposal

class Moody:
    def __init__(self, context):
        pass
    def propose(self, request):
        if request.number == 2:
            raise ProviderError("the model \\x1b[31mwent home")
        text = b"SPEED = %d\\n" % (request.number + 1)
        edit = FileEdit(path="app/__init__.py", operation="modify", content=text)
        return Proposal(summary="faster", edits=(edit,))

@hookspecs.hookimpl
def maabarium_proposers():
    return {"moody": Moody}

@hookspecs.hookimpl
def maabarium_report_summary(request):
    return ["energy 3 Wh"]
"""


def patch(summary: str, content: str, path: str = "app/__init__.py") -> str:
    """One line for the scripted proposer."""
    return json.dumps({"summary": summary, "file_patches": [{"path": path, "operation": "modify", "content": content}]})


FOUR = [
    patch("faster", "SPEED = 2\n"),
    patch("slower", "SPEED = 1.5\n"),
    patch("broken", "SPEED = 0\n"),
    patch("out of bounds", "SPEED = 9\n", "tests/test_app.py"),
]


class Target:
    """A repository with a suite, a rule and a blueprint, made by its writer."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith(("PYTEST_", "COV_", "COVERAGE"))
        } | {"XDG_CACHE_HOME": str(home), "COLUMNS": "200", "GIT_CONFIG_GLOBAL": os.devnull}

    def write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def blueprint(self, lines: list[str] | None = None, *, proposer: str = "scripted", iterations: int = 4) -> None:
        options = 'path = "proposals.jsonl"' if proposer == "scripted" else ""
        self.write("bp.toml", BLUEPRINT.format(proposer=proposer, options=options, iterations=iterations))
        self.write("proposals.jsonl", "\n".join(FOUR if lines is None else lines) + "\n")

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=n", "-c", "user.email=e@x", *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout

    def commit(self) -> None:
        if not (self.root / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "state")

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pytest", *arguments]

    def maabarium(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run([sys.executable, "-m", "maabarium", *arguments])

    def pytest(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.argv(*arguments), **environment)

    def run(self, argv: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=self.root,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )


def make_target(root: Path, addopts: str = "") -> Target:
    """A committed target under `root`."""
    target = Target(root / "target", root / "cache")
    target.write("app/__init__.py", "SPEED = 1\n")
    target.write("tests/test_app.py", "import app\n\n\ndef test_app():\n    assert app.SPEED >= 1\n")
    target.write(
        "scoring/test_speed.py", "import app\n\n\ndef test_speed(score):\n    score.measure('speed', app.SPEED)\n"
    )
    target.write("pyproject.toml", f'[tool.pytest.ini_options]\ntestpaths = ["tests"]\naddopts = "{addopts} {LEAN}"\n')
    target.write(".gitignore", "__pycache__/\n")
    target.blueprint()
    target.commit()
    return target
