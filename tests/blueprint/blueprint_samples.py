"""Texts and facts that the tests of the blueprint room share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from maabarium.blueprint.binding import BindFacts
from maabarium.blueprint.loading import Loaded, parse

BUNDLED = Path(__file__).parents[2] / "blueprints"

HEAD = """\
[blueprint]
name = "sample"
version = "1"
description = "d"
[domain]
repo_path = "."
target_files = ["src/**/*.py"]
language = "python"
[constraints]
max_iterations = 3
timeout_seconds = 10
require_tests_pass = true
min_improvement = 0.0
"""

METRIC = """\
[[metrics.metrics]]
name = "speed"
weight = 1.0
direction = "maximize"
description = ""
"""

COUNCIL = """\
[agents]
council_size = 1
debate_rounds = 0
[[agents.agents]]
name = "critic"
role = "critic"
system_prompt = "p"
model = "llama3"
[models]
[[models.models]]
name = "llama3"
provider = "ollama"
endpoint = "http://localhost:11434"
temperature = 0
max_tokens = 100
"""

SAMPLE = HEAD + METRIC
FULL = SAMPLE + COUNCIL

FACTS = BindFacts(
    tree_paths=("README.md", "src/pkg/__init__.py", "src/pkg/core.py", "tests/test_core.py"),
    target_name="somewhere/pkg",
    sources={
        "pytest": frozenset(
            {
                "tests.passed", "tests.duration", "tests.cpu", "coverage", "complexity", "maintainability", "lint",
                "size", "score:*", "benchmark:*",
            }
        )
    },
    bare=frozenset({"pytest"}),
    proposers=frozenset({"mutate", "scripted"}),
    executors=frozenset({"serial", "threads"}),
    strategies=frozenset({"keep-winner"}),
)  # fmt: skip


def sample(text: str = SAMPLE) -> Loaded:
    return parse(text, Path("sample.toml"))


def facts(**changes: Any) -> BindFacts:
    return replace(FACTS, **changes)


def metrics(*rows: Mapping[str, object]) -> str:
    """A `[metrics]` section of rows; texts are quoted."""
    lines = []
    for row in rows:
        lines.append("[[metrics.metrics]]")
        lines += [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in row.items()]
    return "\n".join(lines) + "\n"
