"""Small real projects as people have them, plain pytest on them, and real runs of `pytest --maabarium` on them.

A project starts from a base of four files; a test writes only what differs, as a public bug report describes it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maabarium.records import Evaluation, Outcome
from maabarium.store import Store, StoredView

__all__ = ["BASE", "FieldProject", "FieldRun", "modify", "speed_rule"]

BASE = {
    "app/__init__.py": "",
    "app/core.py": "def double(x):\n    return x * 2\n",
    "tests/test_core.py": "from app.core import double\n\n\ndef test_double():\n    assert double(2) == 4\n",
    "pytest.ini": "[pytest]\npythonpath = .\n",
}

BLUEPRINT = """\
[blueprint]
name = "t"
version = "1"
description = "x"
[domain]
repo_path = "."
target_files = [{targets}]
language = "python"
{domain}
[constraints]
max_iterations = {iterations}
timeout_seconds = 60
require_tests_pass = {strict}
min_improvement = 0.01
[[metrics.metrics]]
{metric}
weight = 1.0
[budget]
wall_seconds = 90
[evaluator]
{evaluator}
{more}
"""
SIZE = 'name = "size"\ndirection = "minimize"\nsource = "size"'
SPEED = 'name = "speed"\ndirection = "maximize"\nsource = "score:per_s"'


def modify(content: str, path: str = "app/core.py", summary: str = "shorter") -> str:
    """One line for the scripted proposer: a file's whole new content."""
    return json.dumps({"summary": summary, "file_patches": [{"path": path, "operation": "modify", "content": content}]})


def speed_rule(imports: str, call: str, per: int = 1) -> str:
    """A rules file that times one call, for the source `score:per_s`."""
    timed = f"    with score.timer('per_s', per={per}):\n        {call}\n"
    return f"{imports}\n\n\ndef test_speed(score):\n{timed}"


@dataclass(frozen=True)
class FieldRun:
    """One run of `pytest --maabarium`: what it printed, and what the store has of it."""

    status: int
    output: str
    view: StoredView | None
    """None when nothing was stored."""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """In order; the first is the baseline."""
        return self.view.outcomes if self.view else ()

    @property
    def verdicts(self) -> list[str]:
        """Of all outcomes."""
        return [outcome.verdict for outcome in self.outcomes]

    @property
    def baseline(self) -> Evaluation:
        """What was measured before any change."""
        assert self.view is not None and self.view.baseline is not None, self.output
        return self.view.baseline

    @property
    def ended(self) -> dict[str, str]:
        """Outcome of each test of the baseline by id."""
        return {test.id: test.outcome for test in self.baseline.tests}

    def assert_green(self) -> None:
        """The baseline passed all of its gates, and no test is called flaky."""
        assert self.outcomes and self.outcomes[0].verdict == "baseline", self.output
        assert self.baseline.failed_gate is None, self.output
        assert set(self.ended.values()) <= {"passed", "skipped", "xfailed"}, self.ended
        assert self.baseline.flaky == (), self.baseline.flaky


class FieldProject:
    """A project in a folder called `name`, made of BASE (unless `base` is false) and what its test writes."""

    def __init__(self, folder: Path, name: str = "project", *, base: bool = True) -> None:
        self.root = folder / name
        self.root.mkdir(parents=True)
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith(("PYTEST_", "COV_", "COVERAGE"))
        } | {"XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200", "GIT_CONFIG_GLOBAL": os.devnull}
        self.script = str(Path(sys.executable).with_name("pytest"))
        """`python -m pytest` would put the project's folder first on the path."""
        if base:
            self.write(BASE)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files; text as UTF-8."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def size(
        self,
        *candidates: str,
        targets: tuple[str, ...] = ("app/**/*.py",),
        strict: bool = True,
        evaluator: str = "",
        domain: str = "",
        more: str = "",
    ) -> None:
        """The blueprint SIZE; with `candidates` (lines of `modify`), SCRIPTED."""
        if candidates:
            self.write({"p.jsonl": "\n".join(candidates) + "\n"})
            more += '\n[proposer]\nkind = "scripted"\npath = "p.jsonl"\n'
        self._blueprint(SIZE, max(1, len(candidates)), targets, strict, evaluator, domain, more)

    def speed(
        self,
        rule: str,
        *,
        targets: tuple[str, ...] = ("app/**/*.py",),
        iterations: int = 1,
        evaluator: str = "",
        domain: str = "",
        more: str = "",
    ) -> None:
        """The blueprint SPEED with its rule; the proposer is `mutate` unless `more` names another."""
        self.write({"grade/test_speed.py": rule})
        rules = 'rules = ["grade/test_speed.py"]\n' + evaluator
        self._blueprint(SPEED, iterations, targets, True, rules, domain, more)

    def _blueprint(
        self,
        metric: str,
        iterations: int,
        targets: tuple[str, ...],
        strict: bool,
        evaluator: str,
        domain: str,
        more: str,
    ) -> None:
        text = BLUEPRINT.format(
            metric=metric,
            iterations=iterations,
            targets=", ".join(json.dumps(glob) for glob in targets),
            strict=str(strict).lower(),
            evaluator=evaluator,
            domain=domain,
            more=more,
        )
        self.write({"bp.toml": text})

    def git(self, *arguments: str) -> str:
        """Run git in the project; what it printed."""
        command = ["git", "-c", "user.name=n", "-c", "user.email=e@x", *arguments]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self) -> None:
        """Commit everything."""
        if not (self.root / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "state")

    def run(self, argv: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project."""
        env = self.environment | environment
        return subprocess.run(
            argv, cwd=self.root, env=env, capture_output=True, text=True, errors="replace", timeout=300
        )

    def pytest(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Plain pytest, as its user starts it."""
        return self.run([self.script, *arguments], **environment)

    def assert_plain_is_green(self, *arguments: str) -> list[str]:
        """Plain pytest passes; ids of the tests that ran."""
        done = self.pytest(*arguments, PYTEST_ADDOPTS="-rA -q")
        assert done.returncode == 0, done.stdout + done.stderr
        return re.findall(r"^(?:PASSED|SKIPPED|XFAIL) (\S+)", done.stdout, re.MULTILINE)

    def maabarium(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The `maabarium` command."""
        return self.run([str(Path(sys.executable).with_name("maabarium")), *arguments], **environment)

    def loop(self, *arguments: str, commit: bool = True, **environment: str) -> FieldRun:
        """Commit, then `pytest --maabarium bp.toml -v`."""
        if commit:
            self.commit()
        done = self.run([self.script, "--maabarium", "bp.toml", "-v", *arguments], **environment)
        database = self.root / "data" / "maabarium.db"
        view = None
        if database.exists():
            with Store.open(database) as store:
                known = store.runs(1)
                view = store.view(known[0].run_id) if known else None
        return FieldRun(done.returncode, done.stdout + done.stderr, view)
