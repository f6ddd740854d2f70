"""A worker's own trees: a candidate of a large suite is rejected at the price of a few of its tests."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from maabarium.plugins.manager import build_plugins, contributions
from maabarium.records import Champion, FileEdit, Measured, Proposal
from maabarium.run.binding import bind_blueprint, worker_setup
from maabarium.sandbox.selection import select
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.worker import Worker
from maabarium.workspace.repository import Repository
from maabarium_pytest.grading import rejection

BLUEPRINT = """\
[blueprint]
name = "large"
version = "1"
description = "d"
[domain]
repo_path = "."
target_files = ["calc.py"]
language = "python"
[constraints]
max_iterations = 4
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0
[metrics]
[[metrics.metrics]]
name = "size"
weight = 1.0
direction = "minimize"
source = "size"
"""
TESTS = "import time\nimport calc\nimport pytest\n@pytest.mark.parametrize('n', range(20))\n"
SUM = TESTS + "def test_sum(n):\n    time.sleep(0.1)\n    assert calc.add(n, 1) == n + 1\n"
TWICE = TESTS + "def test_twice(n):\n    assert calc.twice(n) == n + n\n"


def test_a_lost_test_costs_a_part_of_the_suite_and_a_kept_one_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejection, "SHARE", 0.9)  # a suite of 2 s, so that the test is short
    folder, calc = tmp_path / "large", "def add(a, b):\n    return a + b\n\n\ndef twice(a):\n    return 2 * a\n"
    folder.mkdir()
    files = {"calc.py": calc, "test_sum.py": SUM, "test_twice.py": TWICE, "blueprint.toml": BLUEPRINT}
    for name, text in files.items():
        (folder / name).write_text(text)
    plugins, cancel = build_plugins(), threading.Event()
    binding = bind_blueprint(folder / "blueprint.toml", plugins)
    sandbox = select(binding.bound.blueprint.sandbox, contributions(plugins, "sandboxes"), cancel)
    repository = Repository.create(binding.target, "run", tmp_path / "cache")
    worker = Worker(worker_setup(binding, folder / "blueprint.toml", repository.handle, sandbox), cancel, plugins)
    sources, tree = frozenset({"size"}), repository.base_tree
    job = MeasureJob(number=0, stage="baseline", tree=tree, seed=1, timeout=180, sources=sources)
    baseline = run_measurement(worker, job).candidate
    assert baseline is not None and baseline.failed_gate is None and baseline.lines is not None

    def screen(text: str) -> Measured:
        edit = FileEdit(path="calc.py", operation="modify", content=text.encode())
        champion = Champion(number=0, commit=repository.base_commit, tree=tree, evaluation=baseline, total=0.5)
        return run_measurement(worker, MeasureJob(
            number=1, stage="screen", tree=repository.tree_with(tree, [edit]), seed=1, timeout=60, sources=sources,
            proposal=Proposal(summary="", edits=(edit,)), champion=champion, baseline=baseline, baseline_tree=tree,
        ))  # fmt: skip

    try:
        lost = screen(calc.replace("2 * a", "3 * a"))
        assert lost.candidate is not None and lost.candidate.failed_gate is not None, lost.problem
        assert "test_twice" in lost.candidate.failed_gate.detail and lost.candidate.not_run > 20
        assert not any("test_sum" in test.id for test in lost.candidate.tests)
        good = screen(calc.replace("2 * a", "a + a"))
        assert good.candidate is not None and good.candidate.failed_gate is None, good.problem
        assert len(good.candidate.tests) == 40 and good.candidate.not_run == 0
    finally:
        worker.close()
        repository.close()
