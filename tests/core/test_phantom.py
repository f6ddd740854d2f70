"""The phantom benchmark: its fast arithmetic is the engine's, and the promise about false promotions holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeTrees, MemoryJournal, change, drive, evaluation, make_engine

from maabarium.records import Measured
from maabarium.worker.job import MeasureJob

FOLDER = Path(__file__).parents[2] / "benchmarks" / "phantom"
sys.path.insert(0, str(FOLDER))

from phantom_problem import NOISES, SOURCE, Values, blueprint, values  # noqa: E402
from phantom_simulation import naive, simulate, upper_limit  # noqa: E402

CANDIDATES = 25


def by_engine(run: int, drawn: Values) -> tuple[list[bool], list[int]]:
    """Which candidates the real engine keeps when it is told these values, and the pairs that each one took."""

    def measure(job: MeasureJob) -> Measured:
        at = (run, job.number - 1, job.pair - 1)
        if job.stage == "baseline":
            value = drawn.baseline[run]
        else:
            value = drawn.candidate[at] if job.stage == "pair" else drawn.screens[at[:2]]
        champion = evaluation({SOURCE: float(drawn.champion[at])}) if job.stage == "pair" else None
        return Measured(
            number=job.number, stage=job.stage, pair=job.pair, champion=champion,
            candidate=evaluation({SOURCE: float(value)}),
        )  # fmt: skip

    engine = make_engine(FakeTrees(), MemoryJournal(), blueprint(), max_iterations=CANDIDATES)
    outcomes = drive(engine, lambda request: change("a.py", f"try {request.number}"), measure)[1:]
    return [outcome.verdict == "promoted" for outcome in outcomes], [outcome.pairs for outcome in outcomes]


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("effect", [0.0, 0.03])
def test_the_fast_simulation_judges_as_the_engine_does(name: str, effect: float) -> None:
    drawn = values(NOISES[name], 5, 3, CANDIDATES, blueprint().acceptance.max_pairs, effect)
    fast = simulate(blueprint(), drawn)
    for run in range(3):
        kept, pairs = by_engine(run, drawn)
        assert pairs == fast.pairs[run].tolist()
        assert kept == fast.kept[run].tolist()
    assert fast.pairs.any()


def test_the_cases_compared_above_contain_promotions() -> None:
    drawn = values(NOISES["Gaussian, 2 %"], 5, 3, CANDIDATES, 40, 0.03)
    assert simulate(blueprint(), drawn).kept.any()


def test_the_naive_rule_keeps_what_looks_better_once() -> None:
    ones = np.ones((1, 3, 1))
    drawn = Values(np.array([1.0]), np.array([[0.5, 0.6, 0.4]]), ones, ones)
    assert naive(drawn, 0.01).tolist() == [[True, False, True]]


@pytest.mark.parametrize(("count", "total", "limit"), [(0, 100, 0.02951), (5, 100, 0.10225), (50, 2000, 0.03155)])
def test_the_upper_limit_is_that_of_clopper_and_pearson(count: int, total: int, limit: float) -> None:
    assert upper_limit(count, total) == pytest.approx(limit, abs=2e-4)


def test_the_benchmark_runs_and_the_bound_holds() -> None:
    command = [sys.executable, str(FOLDER / "run.py"), "--runs", "500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stdout for name in NOISES)
