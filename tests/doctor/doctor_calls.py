"""The command as a program of its own, and what it says as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from target_texts import BLUEPRINT as DEMO
from target_texts import LEAN

BLUEPRINT = f'{DEMO}[sandbox]\nlevel = "trusted"\n'
FILES = {
    "src/a.py": "def double(x):\n    return 2 * x\n",
    "tests/test_a.py": "from a import double\n\n\ndef test_double():\n    assert double(2) == 4\n",
    "pyproject.toml": f'''[project]
name = "demo"
version = "1"
[tool.pytest.ini_options]
pythonpath = ["src"]
addopts = "{LEAN}"
''',
    ".gitignore": "__pycache__/\n/data/\n",
}


def git(top: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *arguments]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def make_target(top: Path, files: Mapping[str, str] | None = None, blueprint: str = BLUEPRINT) -> Path:
    """A committed project with a blueprint; returns the blueprint."""
    for path, text in {**FILES, **(files or {})}.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
    (top / "demo.toml").write_text(blueprint)
    git(top, "init", "-q", "-b", "main")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "first")
    return top / "demo.toml"


@dataclass
class Said:
    """How a call ended; `findings` by funnel and name."""

    status: int
    stdout: str
    stderr: str

    @property
    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.stdout)
        return found

    def of(self, name: str) -> dict[str, Any]:
        """The only finding of that name."""
        (found,) = [each for each in self.listed if each["name"] == name]
        return found

    def bad(self) -> dict[str, str]:
        """Names of the failures, and their sentences."""
        return {each["name"]: each["sentence"] for each in self.listed if each["status"] == "fail"}


def doctor(
    folder: Path,
    *arguments: object,
    before: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Said:
    """`maabarium doctor ...` in a folder; `before` are words in front of the command."""
    words = [str(argument) for argument in arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTEST_"))}
    env |= {"XDG_CACHE_HOME": str(folder / "cache"), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        [*before, python, "-m", "maabarium", "doctor", *words],
        cwd=folder, env=env | dict(environment or {}), capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)
