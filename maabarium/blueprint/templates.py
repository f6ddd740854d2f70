"""The first blueprint of a project, and an example rules file: text with comments that teach each line.

Pure: what the project looks like comes from `project`. What is drafted here always loads.
"""

from __future__ import annotations

import json

from maabarium.blueprint.project import InitFacts

__all__ = ["draft", "draft_rules"]


def draft(facts: InitFacts) -> str:
    """A commented blueprint that makes the project's tests faster and its code simpler without a model."""
    parts = [_head(facts), _domain(facts), _CONSTRAINTS, _metrics(facts), _evaluator(facts), _TAIL]
    return "\n".join(parts)


def draft_rules(facts: InitFacts) -> str:
    """A rules file that runs as it stands: a gate and a measurement of the package's start-up."""
    module = facts.module or "json"
    return _RULES.replace("MODULE", module)


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _array(values: tuple[str, ...]) -> str:
    if len(values) < 2:
        return f"[{', '.join(_toml(value) for value in values)}]"
    return "[\n" + "".join(f"    {_toml(value)},\n" for value in values) + "]"


def _head(facts: InitFacts) -> str:
    return f"""\
# A Maabarium blueprint: what may change, who proposes, and what "better" means.
# Check it with `maabarium validate --bind`, then run it with `pytest --maabarium <this file>`.

[blueprint]
name = {_toml(facts.name)}        # winners are kept on the branch maabarium/<name>
version = "0.1.0"
description = "Make the code faster and simpler; every test stays green."
"""


def _domain(facts: InitFacts) -> str:
    targets = tuple(_anchored(glob) for glob in facts.packages) or ("**/*.py",)
    guess = "" if facts.packages else "# No package was found: narrow this down to the code you want to improve.\n"
    protected = ""
    if facts.protected:
        protected = (
            "# Tests, their configuration and rules are always protected; this adds to them.\n"
            f"protected = {_array(facts.protected)}\n"
        )
    if facts.generated:
        protected += (
            "# Made by a build, in no commit: without this a measurement would lack them.\n"
            f"copy = {_array(facts.generated)}\n"
        )
    return f"""\
[domain]
repo_path = {_toml(facts.repo_path)}               # relative to this file; the repository above it is found
{guess}target_files = {_array(targets)}   # what may be edited (globs from the top of the repository)
{protected}language = "python"
"""


def _anchored(glob: str) -> str:
    """A single module lies at the top: without the slash its name would match at any depth."""
    return f"/{glob}" if glob.endswith(".py") and "/" not in glob else glob


_CONSTRAINTS = """\
[constraints]
max_iterations = 30           # experiments after the baseline
timeout_seconds = 300         # for one run of the tests, at most
require_tests_pass = true     # every test that passes now must still pass
min_improvement = 0.0         # any gain of metrics without noise counts; [acceptance] rules the noisy ones
"""


def _metrics(facts: InitFacts) -> str:
    speed, lines = 0.8, []
    if facts.rules:
        speed = 0.4
        lines.append(
            _metric(
                "What the rules file measures: score.timer gives work per second by a clock the code cannot touch.",
                'name = "start_up"', "weight = 0.4", 'direction = "maximize"', 'source = "score:imports_per_s"',
            )
        )  # fmt: skip
    elsewhere = "".join(
        f"\n# or time one benchmark of yours: source = {_toml(f'benchmark:{name}')}" for name in facts.benchmarks[:3]
    )
    lines += [
        _metric(
            f"CPU seconds of the whole test suite, user and system time of all its processes.{elsewhere}",
            'name = "cpu_time"', f"weight = {speed}", 'direction = "minimize"', 'source = "tests.cpu"',
        ),
        _metric(
            "Cyclomatic complexity of the target files.",
            'name = "complexity"', "weight = 0.2", 'direction = "minimize"', 'source = "complexity"',
        ),
        _metric(
            "A guard earns nothing; it refuses what makes this worse by more than the tolerance (0.05 is 5 %).",
            'name = "maintainability"', 'role = "guard"', "tolerance = 0.05", 'direction = "maximize"',
            'source = "maintainability"',
        ),
    ]  # fmt: skip
    return "\n".join(["[metrics]                     # the weights of the objectives sum to 1\n", *lines])


def _metric(comment: str, *fields: str) -> str:
    return "\n".join([f"# {comment}", "[[metrics.metrics]]", *fields, ""])


def _evaluator(facts: InitFacts) -> str:
    lines = ["[evaluator]", 'kind = "pytest"               # grade by the test suite of the project']
    if not facts.has_tests:
        lines.append("# No tests were found. Without tests nothing can be kept: write some, or a rules file (below).")
    if facts.python:
        lines.append(f"python = {_toml(_from_blueprint(facts))}      # the project's own environment was found here")
    else:
        lines.append('# python = ".venv/bin/python"   # if the tests need another environment than this one')
    lines.append('# args = ["-m", "not slow"]     # more arguments for pytest')
    lines.append("# Rules are pytest files of yours that the loop cannot edit: a plain test is a gate, and")
    lines.append('# score.timer("name"), score.measure("name", value) feed metrics with source = "score:name".')
    if facts.rules:
        lines.append(f"rules = {_array(facts.rules)}")
    else:
        lines.append('# rules = ["rules/test_speed.py"]')
    return "\n".join(lines) + "\n"


def _from_blueprint(facts: InitFacts) -> str:
    """The project's interpreter as seen from the blueprint's folder."""
    return facts.python or "" if facts.repo_path == "." else f"{facts.repo_path.rstrip('/')}/{facts.python}"


_TAIL = """\
[proposer]
kind = "mutate"               # needs no model: tunes marked values, rewrites, repairs
unmarked = true               # when all else was tried: other values for named numbers that carry no mark
"""

_RULES = '''\
"""Rules for Maabarium: what must hold, and what is measured. Run them by hand with `pytest` as well.

The loop may not edit this file. A plain test is a gate. What `score` records feeds the metrics of the blueprint
that have `source = "score:<name>"`.
"""

import os
import subprocess
import sys

import MODULE


def test_imports():
    """A gate: it has to pass, and earns nothing."""
    assert MODULE.__name__ == "MODULE"


def test_start_up(score):
    """A measurement: imports of MODULE per second of CPU time. Put your own workload into the block."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with score.timer("imports_per_s", per=3):
        for _ in range(3):
            subprocess.run([sys.executable, "-c", "import MODULE"], check=True, env=environment)
'''
