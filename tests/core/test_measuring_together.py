"""A pair whose sides run at the same time: real repository, real sandbox, real sessions."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from maabarium.plugins.manager import build_plugins, contributions
from maabarium.records import FileEdit, Measured
from maabarium.run.binding import bind_blueprint, worker_setup
from maabarium.sandbox.selection import select
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.worker import Worker
from maabarium.workspace.repository import Repository

BLUEPRINT = """
[blueprint]
name = "pair"
version = "1"
description = "two timed blocks"
[domain]
repo_path = "."
target_files = ["work.py"]
language = "python"
[constraints]
max_iterations = 3
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0.0
[metrics]
metrics = [
    { name = "one", weight = 0.5, direction = "maximize", source = "score:one" },
    { name = "two", weight = 0.5, direction = "maximize", source = "score:two" },
]
[evaluator]
rules = ["rules/test_speed.py"]
"""
RULES = """
import time
from work import work

def test_one(score):
    with score.timer("one"):
        score.measure("began one", time.monotonic())
        work()

def test_two(score):
    with score.timer("two"):
        score.measure("began two", time.monotonic())
        work()
"""
WORK = "def work():\n    return sum(range(100_000))\n"
SLOW_START = "import time\ntime.sleep(2)\n" + WORK
BROKEN = "raise SystemExit(3)\n"
HANGS = "import time\n" + WORK.replace("return", "time.sleep(600)\n    return")

Measure = Callable[[str], Measured]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measure]:
    """Measures one pair: the candidate has this text as its `work.py`."""
    folder = tmp_path_factory.mktemp("pair")
    for name, text in {
        "work.py": WORK,
        "blueprint.toml": BLUEPRINT,
        "rules/test_speed.py": RULES,
        "test_work.py": "from work import work\n\ndef test_work():\n    assert work()\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    subprocess.run(["git", *author, "commit", "-q", "-m", "start"], cwd=folder, check=True)
    plugins, cancel = build_plugins(), threading.Event()
    binding = bind_blueprint(folder / "blueprint.toml", plugins)
    sandbox = select(binding.bound.blueprint.sandbox, contributions(plugins, "sandboxes"), cancel)
    if sandbox.level == "trusted":
        pytest.skip("without a sandbox, the sides of a pair run one after the other")
    repository = Repository.create(binding.target, "run", tmp_path_factory.mktemp("cache"))
    worker = Worker(worker_setup(binding, folder / "blueprint.toml", repository.handle, sandbox), cancel, plugins)
    sources = frozenset({"score:one", "score:two"})
    job = MeasureJob(number=0, stage="baseline", tree=repository.base_tree, seed=1, timeout=120, sources=sources)
    baseline = run_measurement(worker, job).candidate

    def measure(text: str, timeout: float = 60) -> Measured:
        edit = FileEdit(path="work.py", operation="modify", content=text.encode())
        return run_measurement(
            worker,
            job.model_copy(
                update={
                    "number": 1,
                    "stage": "pair",
                    "pair": 1,
                    "tree": repository.tree_with(repository.base_tree, [edit]),
                    "champion_tree": repository.base_tree,
                    "baseline": baseline,
                    "side_by_side": sources,
                    "timeout": timeout,
                }
            ),
        )

    yield measure
    worker.close()
    repository.close()


def test_timed_blocks_begin_together(pair: Measure) -> None:
    measured = pair(SLOW_START)
    assert measured.problem == ""
    assert measured.candidate is not None and measured.champion is not None
    for side in (measured.candidate, measured.champion):
        assert side.failed_gate is None
        assert side.values()["score:one"] > 0
    for name in ("score:began one", "score:began two"):
        assert abs(measured.candidate.values()[name] - measured.champion.values()[name]) < 1.0, "2 s without a barrier"


def test_a_side_that_never_gets_there_holds_nobody_up(pair: Measure) -> None:
    measured = pair(BROKEN)
    assert measured.problem == ""
    assert measured.candidate is not None and measured.candidate.failed_gate is not None
    assert measured.champion is not None and measured.champion.failed_gate is None


def test_a_side_that_hangs_is_ended_alone(pair: Callable[[str, float], Measured]) -> None:
    measured = pair(HANGS, 8)
    assert measured.candidate is not None and measured.candidate.failed_gate is not None
    assert measured.candidate.failed_gate.reason_code == "timeout"
    assert measured.champion is not None and measured.champion.failed_gate is None
