"""A target that is worth a number, graded by a small program, and proposals that change it: whole runs in a second."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

BLUEPRINT = """
[blueprint]
name = "worth"
version = "1"
description = "a number in a file"
[domain]
repo_path = "target"
target_files = ["worth.py"]
language = "python"
isolation = "snapshot"
[constraints]
max_iterations = 20
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0.0
[[metrics.metrics]]
name = "worth"
weight = 1.0
direction = "maximize"
[evaluator]
kind = "process"
manifest_path = "plugin.toml"
plugin_id = "worth"
[sandbox]
level = "trusted"
[proposer]
kind = "scripted"
path = "proposals.jsonl"
[budget]
consecutive_failures = 20
"""
PROGRAM = """
import json, pathlib, sys, time
asked = json.load(sys.stdin)
value = int((pathlib.Path(asked["workspacePath"]) / "worth.py").read_text().split()[-1])
time.sleep(60 if value == 1 else 0.1 if value < 100 else 0.0)  # a winner does not stay under way until the next one
print(json.dumps({"scores": [{"name": "worth", "value": value / 1000}]}))
"""


def build_worth(folder: Path, values: Sequence[int], more: str = "") -> Path:
    """A target that is worth 100, a proposal for each value, and the blueprint, with `more` behind it."""
    (folder / "target").mkdir()
    (folder / "target" / "worth.py").write_text("WORTH = 100\n")
    (folder / "program.py").write_text(PROGRAM)
    (folder / "plugin.toml").write_text(
        f'[plugin]\nid = "worth"\n[process]\ncommand = {json.dumps(sys.executable)}\nargs = ["-I", "program.py"]\n'
    )
    build_proposals(folder, values)
    path = folder / "worth.toml"
    path.write_text(BLUEPRINT + more)
    return path


def build_proposals(folder: Path, values: Sequence[int]) -> None:
    """A proposal for each value."""
    patches = [[{"path": "worth.py", "operation": "modify", "content": f"WORTH = {value}\n"}] for value in values]
    lines = [json.dumps({"summary": f"number {n}", "file_patches": one}) for n, one in enumerate(patches, 1)]
    (folder / "proposals.jsonl").write_text("\n".join(lines))


def install(site: Path, distribution: str, module: str, text: str, *, entry: str | None = None) -> None:
    """A distribution with one plug-in, as an installer leaves it in a folder of the path."""
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[maabarium]\n{entry or distribution} = {module}\n")
    (site / f"{module}.py").write_text(text)
