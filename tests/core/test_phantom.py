"""The phantom benchmark: its fast arithmetic is the engine's, and the promise about false promotions holds."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeTrees, MemoryJournal, change, drive, evaluation, make_engine

from maabarium.records import PAIRED, Measured
from maabarium.worker.job import MeasureJob

FOLDER = Path(__file__).parents[2] / "benchmarks" / "phantom"
sys.path.insert(0, str(FOLDER))

from phantom_problem import NOISES, SOURCE, Values, blueprint, of_servers, read_recorded  # noqa: E402
from phantom_simulation import naive, simulate, upper_limit  # noqa: E402

CANDIDATES = 20
PAIRS = blueprint().acceptance.max_pairs


def by_engine(run: int, drawn: Values, min_effect: float) -> tuple[list[bool], list[int]]:
    """Which candidates the real engine keeps when it is told these values, and the pairs that each one took."""

    def measure(job: MeasureJob) -> Measured:
        ratio, server = 0.0, 0
        if job.stage == "calibrate":
            ratio = drawn.calibration[run, job.pair - 1]
        elif job.stage == "pair":
            at = (run, job.number - 1, job.pair - 1)
            ratio, server = drawn.ratios[at], drawn.servers[at]
        return Measured(
            number=job.number, stage=job.stage, pair=job.pair, server=str(server) if server else "",
            champion=evaluation({SOURCE: 1.0}) if job.stage in PAIRED else None,
            candidate=evaluation({SOURCE: math.exp(-ratio)}),
        )  # fmt: skip

    engine = make_engine(FakeTrees(), MemoryJournal(), blueprint(min_effect=min_effect), max_iterations=CANDIDATES)
    outcomes = drive(engine, lambda request: change("a.py", f"try {request.number}"), measure)[1:]
    return [outcome.verdict == "promoted" for outcome in outcomes], [outcome.pairs for outcome in outcomes]


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize(("effect", "min_effect"), [(0.0, 0.0), (0.01, 0.0), (0.02, 0.01)])
def test_the_fast_simulation_judges_as_the_engine_does(name: str, effect: float, min_effect: float) -> None:
    drawn = NOISES[name](5, 2, CANDIDATES, PAIRS, effect)
    fast = simulate(blueprint(min_effect=min_effect), drawn)
    for run in range(2):
        kept, pairs = by_engine(run, drawn, min_effect)
        assert pairs == fast.pairs[run].tolist()
        assert kept == fast.kept[run].tolist()


def test_the_cases_compared_above_contain_promotions() -> None:
    assert all(simulate(blueprint(min_effect=0.01), draw(5, 2, CANDIDATES, PAIRS, 0.02)).kept.any()
               for draw in NOISES.values())  # fmt: skip


def test_recorded_servers_are_drawn_whole(tmp_path: Path) -> None:
    groups = [[number / 100 + pair / 1000 for pair in range(4)] for number in range(1, 31)]
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps({"servers": groups}))
    drawn = read_recorded(path)(1, 3, 2, 10, 0.0)
    known = {tuple(round(sign * value, 6) for value in group) for group in groups for sign in (1, -1)}
    for ratios, servers in zip(drawn.ratios.reshape(6, 10), drawn.servers.reshape(6, 10), strict=True):
        assert tuple(ratios[:4].round(6)) in known and tuple(ratios[4:8].round(6)) in known
        assert len(set(servers[:4])) == 1 and servers[3] != servers[4]
    path.write_text(json.dumps({"servers": groups[:5]}))
    with pytest.raises(SystemExit, match="20 are needed"):
        read_recorded(path)


def test_a_calibration_does_not_see_the_layout() -> None:
    """Both of its sides are the same program in children of one process."""
    drawn = of_servers([[0.01 * (-1) ** number] * 4 for number in range(30)])(1, 2, 2, 8, 0.0)
    assert np.abs(drawn.calibration).max() < 1e-12 < np.abs(drawn.ratios).min()


def test_the_naive_rule_keeps_what_looks_better_once() -> None:
    one = np.ones((1, 3, 1))
    drawn = Values(one[0], one, one.astype(int), np.log(np.array([[1.0, 0.5, 0.6, 0.4]])))
    assert naive(drawn, 0.01).tolist() == [[True, False, True]]


@pytest.mark.parametrize(("count", "total", "limit"), [(0, 100, 0.02951), (5, 100, 0.10225), (50, 2000, 0.03155)])
def test_the_upper_limit_is_that_of_clopper_and_pearson(count: int, total: int, limit: float) -> None:
    assert upper_limit(count, total) == pytest.approx(limit, abs=2e-4)


def test_the_benchmark_runs_and_the_bound_holds(tmp_path: Path) -> None:
    recorded, chance = tmp_path / "noise-calm.json", random.Random(1)
    recorded.write_text(json.dumps({"servers": [[chance.gauss(0, 0.008) for _ in range(4)] for _ in range(100)]}))
    sizes = ["--runs", "1200", "--candidates", "12", "--tries", "800", "--recorded", str(recorded)]
    command = [sys.executable, str(FOLDER / "run.py"), *sizes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stdout for name in (*NOISES, "recorded, calm"))
