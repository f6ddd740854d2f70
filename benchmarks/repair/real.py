"""The same repair through everything: a git repository, a blueprint, and `pytest --maabarium` in a process of its own.

Reads the answer from the run's branch alone, so that it depends on nothing but promises made to users.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.repair.loop import Files, Repair, Run, failing

__all__ = ["repair_for_real"]

_BLUEPRINT = """\
[blueprint]
name = "repair"
version = "1"
description = "Make the suite green."

[domain]
repo_path = "."
target_files = ["kitbag/**/*.py"]
language = "python"

[constraints]
max_iterations = {budget}
timeout_seconds = 60
require_tests_pass = false
min_improvement = 0.0

[[metrics.metrics]]
name = "passed"
weight = 1.0
direction = "maximize"
description = "share of tests that pass"
source = "tests.passed"
"""
_BRANCH = "maabarium/repair"
_TRAILER = re.compile(r"^\S*experiment:\s*#?(\d+)\s*$", re.I | re.M)


def repair_for_real(files: Files, suite: Run, folder: Path, budget: int) -> Repair:
    """Commit the faulty target, run the loop on it, and see which commit of its branch is the first green one."""
    for path, content in files.contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "repair.toml").write_text(_BLUEPRINT.format(budget=budget))
    _git(folder, "init", "-q")
    _git(folder, "add", "--all")
    _git(folder, "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "Faulty target")
    command = [sys.executable, "-m", "pytest", "--maabarium", "repair.toml", "--maabarium-db", str(folder / "runs.db")]
    done = subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the run ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    kept: list[str] = []
    for commit in _git(folder, "rev-list", "--reverse", f"HEAD..{_BRANCH}", allow_failure=True).split():
        message = _git(folder, "show", "-s", "--format=%B", commit)
        kept.append(message.splitlines()[0])
        names = _git(folder, "ls-tree", "-r", "--name-only", commit, "kitbag").split()
        changed = {path: _git(folder, "show", f"{commit}:{path}").encode() for path in names if path.endswith(".py")}
        if not failing(suite(Files({**files.contents, **changed}), trace=False)):
            number = _TRAILER.search(message)
            return Repair(True, int(number[1]) if number else budget, tuple(kept))
    return Repair(False, budget, tuple(kept))


def _git(folder: Path, *arguments: str, allow_failure: bool = False) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and not allow_failure:
        raise SystemExit(f"git {arguments[0]} failed: {done.stderr}")
    return done.stdout if not done.returncode else ""
