"""How well a pair tells two programs apart: both sides at once on one core, and one after the other, in one run.

    python benchmarks/instrument/run.py [pairs] [--busy PROCESSES]

The target does nothing but sums, about 0.1 s of CPU. It is compared with itself and with copies that do 2 and 5 % more
work, by the real worker, sandbox and evaluator. Shown: the deviation of the log ratio (1.4826 times the median
absolute deviation), its median, and how often the slower side lost. `--busy` keeps that many processes busy beside it.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.manager import build_plugins, contributions
from maabarium.records import FileEdit
from maabarium.run.binding import bind_blueprint, worker_setup
from maabarium.sandbox.selection import select
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.worker import Worker
from maabarium.workspace.repository import Repository

ROUNDS = 1_000
WORK = "def work():\n    for _ in range({rounds}):\n        sum(range(10_000))\n"
SOURCE = "score:speed"
FILES = {
    "work.py": WORK.format(rounds=ROUNDS),
    "test_work.py": "from work import work\n\ndef test_work():\n    work()\n",
    "rules/test_speed.py": """
from work import work

def test_speed(score):
    with score.timer("speed"):
        work()
""",
    "blueprint.toml": """
[blueprint]
name = "instrument"
version = "1"
description = "sums"
[domain]
repo_path = "."
target_files = ["work.py"]
language = "python"
isolation = "snapshot"
[constraints]
max_iterations = 1
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0.0
[metrics]
metrics = [{ name = "speed", weight = 1.0, direction = "maximize", source = "score:speed" }]
[evaluator]
rules = ["rules/test_speed.py"]
""",
}


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Worker, Repository]]:
    """The target in a repository, and a worker that measures it in the best sandbox of this machine."""
    for name, text in FILES.items():
        path = folder / "target" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    plugins, cancel = build_plugins(), threading.Event()
    binding = bind_blueprint(folder / "target" / "blueprint.toml", plugins)
    sandbox = select(SandboxOptions(), contributions(plugins, "sandboxes"), cancel)
    repository = Repository.create(binding.target, "run", folder / "cache")
    setup = worker_setup(binding, folder / "target" / "blueprint.toml", repository.handle, sandbox)
    worker = Worker(setup, cancel, plugins)
    try:
        yield worker, repository
    finally:
        worker.close()
        repository.close()


def measure(worker: Worker, job: MeasureJob, pairs: int) -> tuple[list[float], float]:
    """Log ratios of champion to candidate, and the seconds of a pair."""
    ratios, began = [], time.perf_counter()
    for number in range(1, pairs + 1):
        measured = run_measurement(worker, job.model_copy(update={"pair": number}))
        if measured.candidate is None or measured.champion is None:
            raise SystemExit(measured.problem)
        ratios.append(math.log(measured.champion.values()[SOURCE] / measured.candidate.values()[SOURCE]))
    return ratios, (time.perf_counter() - began) / pairs


def main(pairs: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as (worker, repository):
        tree = repository.base_tree
        job = MeasureJob(number=0, stage="baseline", tree=tree, seed=1, timeout=120, sources=frozenset({SOURCE}))
        baseline = run_measurement(worker, job).candidate
        print(f"{'how':10} {'more work':>9} {'s a pair':>9} {'deviation':>9} {'median':>8} {'slower lost':>12}")
        for more in (0.0, 0.02, 0.05):
            text = WORK.format(rounds=round(ROUNDS * (1 + more))) + ("" if more else "# the same\n")
            changed = repository.tree_with(tree, [FileEdit(path="work.py", operation="modify", content=text.encode())])
            for together in (frozenset({SOURCE}), frozenset()):
                asked = {"number": 1, "stage": "pair", "tree": changed, "champion_tree": tree, "timeout": 60.0}
                pair = job.model_copy(update=asked | {"baseline": baseline, "side_by_side": together})
                ratios, seconds = measure(worker, pair, pairs)
                middle = statistics.median(ratios)
                spread = 1.4826 * statistics.median(abs(ratio - middle) for ratio in ratios)
                won = sum(ratio > 0 for ratio in ratios)
                how = "together" if together else "in turn"
                print(f"{how:10} {more:9.0%} {seconds:9.2f} {spread:9.2%} {middle:+8.2%} {won:9} / {pairs}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="?", type=int, default=20)
    parser.add_argument("--busy", type=int, default=0, metavar="PROCESSES")
    given = parser.parse_args()
    loads = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(given.busy)]
    try:
        main(given.pairs)
    finally:
        for load in loads:
            load.kill()
