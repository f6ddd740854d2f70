"""Nothing of ours is privileged: registered under other names from another distribution, a whole run ends the same.

Our own distribution is hidden behind one of its name that has no entry points for Maabarium.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from host_target import Target
from target_texts import LEAN

import maabarium

PLUGIN = """
from maabarium.plugins import builtin as core
from maabarium.plugins.builtin import (
    maabarium_check_proposal, maabarium_executors, maabarium_sandboxes, maabarium_strategies,
)
from maabarium.plugins.hookspecs import hookimpl
from maabarium_pytest import builtin as suite
from maabarium_pytest.grading.requirements import missing_packages


def renamed(given):
    return {f"my-{name}": factory for name, factory in given.items()}


@hookimpl
def maabarium_evaluators():
    return renamed({**core.maabarium_evaluators(), **suite.maabarium_evaluators()})


@hookimpl
def maabarium_proposers():
    return renamed(core.maabarium_proposers())


@hookimpl
def maabarium_providers():
    return renamed(core.maabarium_providers())


@hookimpl
def maabarium_check_blueprint(request):
    return missing_packages(request.blueprint, request.path.parent, request.sources["my-pytest"])
"""
BLUEPRINT = """
[blueprint]
name = "sums"
version = "1"
description = "sums become right and short"
[domain]
repo_path = "."
target_files = ["app/**/*.py"]
language = "python"
[constraints]
max_iterations = 3
timeout_seconds = 30
require_tests_pass = false
min_improvement = 0.0
[metrics]
metrics = [
    {{ name = "right", weight = 0.6, direction = "maximize", source = "tests.passed" }},
    {{ name = "speed", weight = 0.2, direction = "maximize" }},
    {{ name = "short", weight = 0.2, direction = "minimize", source = "size" }},
]
[evaluator]
kind = "{prefix}pytest"
rules = ["scoring/test_speed.py"]
"""
MUTATE = '[proposer]\nkind = "{prefix}mutate"\n'
COUNCIL = """
[proposer]
kind = "{prefix}council"
[agents]
council_size = 2
debate_rounds = 1
[[agents.agents]]
name = "ada"
role = "engineer"
system_prompt = "You work."
model = "m"
[[agents.agents]]
name = "bob"
role = "engineer"
system_prompt = "You look."
model = "m"
[models]
[[models.models]]
name = "m"
provider = "{prefix}mock"
temperature = 0.0
max_tokens = 512
"""
APP = "def total(values):\n    result = 1\n    for value in values:\n        result += value\n    return result\n"
TESTS = """from app import total

def test_none():
    assert total([]) == 0

def test_some():
    assert total([1, 2]) == 3

def test_type():
    assert isinstance(total([1]), int)
"""
FACTS = {
    "experiments": "number, promotion_outcome, reason_code, reason, proposal_summary, weighted_total, tree, origin",
    "metrics": "name, source, direction, value, raw_value, baseline_value, champion_value",
    "gates": "position, name, passed, detail",
    "tests": "test_id, outcome",
    "llm_calls": "agent, kind, model, prompt_tokens, completion_tokens, cost, error",
}


def target_of(root: Path, proposer: str, prefix: str = "") -> Target:
    target = Target(root / "target", root / "cache")
    target.write("app/__init__.py", APP)
    target.write("tests/test_app.py", TESTS)
    rules = "import app\n\ndef test_speed(score):\n    score.measure('speed', 1 + (app.total([]) == 0))\n"
    target.write("scoring/test_speed.py", rules)
    target.write("pyproject.toml", f'[tool.pytest.ini_options]\ntestpaths = ["tests"]\naddopts = "{LEAN}"\n')
    target.write(".gitignore", "__pycache__/\ndata/\n*.toml\n!pyproject.toml\n")
    target.write("bp.toml", (BLUEPRINT + proposer).format(prefix=prefix))
    target.commit()
    return target


def distribution(folder: Path, name: str, version: str, entry_points: str) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)


def outcomes(target: Target, **environment: str) -> dict[str, list[tuple[object, ...]]]:
    """What a whole run left in the database, apart from times and ids."""
    done = target.pytest("--maabarium", "bp.toml", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    with closing(sqlite3.connect(target.root / "data" / "maabarium.db")) as db:
        return {table: db.execute(f"SELECT {columns} FROM {table}").fetchall() for table, columns in FACTS.items()}


@pytest.mark.parametrize("proposer", [MUTATE, COUNCIL], ids=["mutate", "council"])
def test_a_run_with_ours_under_other_names_ends_the_same(tmp_path: Path, proposer: str) -> None:
    places = tmp_path / "places"
    hook = "[pytest11]\nmaabarium = maabarium_pytest.plugin\n"
    distribution(places, "maabarium", maabarium.__version__, hook)
    distribution(places, "elsewhere", "1.0", "[maabarium]\nelsewhere = elsewhere\n")
    (places / "elsewhere.py").write_text(PLUGIN)
    path = os.pathsep.join([str(places), *filter(None, [os.environ.get("PYTHONPATH")])])

    other = target_of(tmp_path / "other", proposer, "my-")
    listed = json.loads(other.run([*other.argv()[:2], "maabarium", "plugins", "--json"], PYTHONPATH=path).stdout)
    names = {(one["kind"], one["name"]) for one in listed}
    assert ("evaluator", "my-pytest") in names and ("evaluator", "pytest") not in names
    found = outcomes(other, PYTHONPATH=path)
    assert found == outcomes(target_of(tmp_path / "ours", proposer))
    assert len(found["experiments"]) == 4 and found["experiments"][0][1] == "baseline"
    if proposer is MUTATE:
        assert "promoted" in {row[1] for row in found["experiments"]} and found["llm_calls"] == []
    else:
        assert found["llm_calls"]
