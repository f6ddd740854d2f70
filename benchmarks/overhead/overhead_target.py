"""The one-test project of the overhead benchmark, and the blueprint that experiments on it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["ONE_TEST", "environment", "limited", "write_project", "write_run"]

PROGRAM = '"""How many rows a page shows."""\n\nLIMIT = {limit}\n\n\ndef page(rows):\n    return rows[:LIMIT]\n'
TEST = "from paging import page\n\n\ndef test_page():\n    assert page(list(range(1_000)))[:2] == [0, 1]\n"
BLUEPRINT = """
[blueprint]
name = "{name}"
version = "1"
description = "the price of an experiment"
[domain]
repo_path = "../target"
target_files = {targets}
language = "python"
[constraints]
max_iterations = {count}
timeout_seconds = 300
require_tests_pass = true
min_improvement = 0.0
[metrics]
metrics = [{{ name = "size", weight = 1.0, direction = "minimize", source = "size" }}]
[proposer]
kind = "scripted"
path = "proposals.jsonl"
[evaluator]
warm = {warm}
[budget]
consecutive_failures = 1000
[sandbox]
level = "standard"
"""


def limited(limit: int) -> str:
    """The program with this constant."""
    return PROGRAM.format(limit=limit)


ONE_TEST = {"paging.py": limited(100), "test_paging.py": TEST, "pytest.ini": "[pytest]\n"}


def environment(**more: str) -> dict[str, str]:
    """Ours without what steers Python or pytest, so that bytecode is written as usual."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    return kept | more


def write_project(target: Path, files: Mapping[str, str]) -> None:
    """Write these files and commit all that is in the folder; a repository is made of it."""
    for name, text in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (target / ".gitignore").write_text("__pycache__\n.pytest_cache\n", encoding="utf-8")
    who = ["-c", "user.name=overhead", "-c", "user.email=overhead@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "start"]):
        subprocess.run(["git", "-C", str(target), *words], check=True, stdout=subprocess.DEVNULL)


def write_run(
    folder: Path, name: str, targets: Sequence[str], proposals: Sequence[tuple[str, str, str]], *, warm: bool
) -> Path:
    """A blueprint beside `target`, with scripted proposals: summary, path and the whole new file. Returns its path."""
    place = folder / name
    place.mkdir()
    facts = {"name": name, "targets": json.dumps(list(targets)), "count": len(proposals), "warm": json.dumps(warm)}
    text = BLUEPRINT.format(**facts)
    (place / "blueprint.toml").write_text(text, encoding="utf-8")
    lines = [
        {"summary": summary, "file_patches": [{"path": path, "operation": "modify", "content": content}]}
        for summary, path, content in proposals
    ]
    (place / "proposals.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    clock = Path(__file__).with_name("overhead_clock.py").read_text(encoding="utf-8")
    (place / "conftest.py").write_text(clock, encoding="utf-8")
    return place / "blueprint.toml"
