"""Champion against champion: how many pairs, what they show, and when a run may not go on."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.acceptance.calibration import (
    BIASED,
    Calibration,
    bias_sentence,
    calibrate,
    calibration_line,
    noisy_line,
    pairs_wanted,
    sign_test,
)
from maabarium.blueprint.schema import Acceptance, Metric
from maabarium.records import Clock, Evaluation, Measured, Measurement

RULES = Acceptance()


def run(chance: random.Random, bias: float, seconds: float = 0.3, wall: float | None = None) -> list[float]:
    """The pairs that a calibration makes."""
    made: list[float] = []
    while len(made) < pairs_wanted(made, [seconds] * len(made), wall):
        made.append(chance.gauss(bias, 0.01))
    return made


def test_an_honest_machine_is_stopped_in_at_most_one_of_a_thousand_runs() -> None:
    chance = random.Random(3)
    stopped = sum(sign_test(run(chance, 0.0)) < BIASED for _ in range(4000))
    assert stopped <= 9, "at a rate of 0.001, more would come about in 1 of 100"


def test_a_biased_machine_is_stopped() -> None:
    chance = random.Random(3)
    runs = [run(chance, 0.02) for _ in range(100)]
    stopped = [made for made in runs if sign_test(made) < BIASED]
    assert len(stopped) >= 90
    found = calibrate(stopped[0], [0.3], RULES)
    said = bias_sentence(found)
    assert found.biased
    assert "% better in the median" in said and "equal programs do not look equal" in said


def test_a_bias_that_is_small_beside_the_least_effect_is_none() -> None:
    same = [0.002] * 24
    assert not calibrate(same, [1.0], RULES).biased and calibrate(same, [1.0], Acceptance(min_effect=0.001)).biased


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=30))
def test_the_sign_test_is_exact(values: list[float]) -> None:
    moved = [value for value in values if value]
    fewer = min(moved.count(1.0), moved.count(-1.0))
    beyond = sum(math.comb(len(moved), k) for k in range(fewer + 1)) / 2 ** len(moved)
    assert sign_test(values) == pytest.approx(min(1.0, 2 * beyond))


@pytest.mark.parametrize(
    ("seconds", "wall", "pairs"), [(0.0, None, 12), (0.3, None, 12), (10.0, None, 6), (100.0, None, 4),
                                   (1.0, 60.0, 6), (1.0, 10.0, 4), (0.01, 60.0, 12)],
)  # fmt: skip
def test_a_slow_pair_is_made_less_often(seconds: float, wall: float | None, pairs: int) -> None:
    assert len(run(random.Random(1), 0.0, seconds, wall)) == pairs


def test_what_looks_one_sided_is_looked_at_twice_as_long() -> None:
    assert pairs_wanted([0.01] * 12, [0.1] * 12, None) == 24 and pairs_wanted([0.01, -0.01] * 6, [0.1] * 12, None) == 12
    assert pairs_wanted([0.01] * 12, [5.0] * 12, None) == 12, "a limit of time is one"


def test_what_a_run_can_tell_is_said() -> None:
    values = [0.008 * (-1) ** place for place in range(12)]
    found = calibrate(values, [0.5] * 12, RULES)
    assert (found.pairs, found.seconds, found.bias) == (12, 0.5, 0.0) and 0.007 < found.deviation < 0.011
    assert [each.gain for each in found.finds] == [0.02, 0.05]
    line = calibration_line(found)
    assert line.startswith("1 % a pair; finds a gain of 2 % in about ") and ", of 5 % in 8 (4 s)" in line
    loud = calibration_line(calibrate([10 * value for value in values], [0.5], RULES))
    assert "10 % a pair; finds a gain of 2 % seldom, of 5 % seldom" in loud


def test_a_coarse_instrument_is_made_steadier_by_longer_sides() -> None:
    def found(spread: float, lasted: float) -> Calibration:
        values = [spread * (-1) ** place for place in range(12)]
        return calibrate(values, [0.5] * 12, RULES, [lasted] * 12 if lasted else ())

    coarse, fine, waiting = found(0.0135, 0.1), found(0.008, 0.1), found(0.0135, 0.0)
    assert 1.9 < coarse.lengthened < 2.1 and coarse.steadied == pytest.approx(coarse.deviation / coarse.lengthened**0.5)
    assert " a pair of 2.0 times the usual length; finds" in calibration_line(coarse)
    assert fine.lengthened == waiting.lengthened == 1.0 and waiting.steadied == waiting.deviation
    assert "times" not in calibration_line(fine) + calibration_line(waiting)
    assert found(0.0135, 0.5).lengthened == 1.0, "no side is made longer than it already is for steadiness' sake"


def seen(chance: random.Random, **clocks: tuple[Clock | None, float]) -> Evaluation:
    """One side: each source with its clock, about 10, deviating by so much."""
    return Evaluation(
        measurements=tuple(
            Measurement(source=f"score:{name}", value=10 * math.exp(chance.gauss(0, spread)), clock=clock)
            for name, (clock, spread) in clocks.items()
        )
    )


def test_each_noisy_metric_has_its_own_deviation_beside_it() -> None:
    chance = random.Random(3)
    clocks: dict[str, tuple[Clock | None, float]] = {"fast": ("cpu", 0.01), "nap": ("wall", 0.1), "own": (None, 0.0)}
    metrics = [Metric(name=n, weight=0.3, direction="maximize", source=f"score:{n}", noisy=True) for n in clocks]
    pairs = [
        Measured(number=0, stage="calibrate", candidate=seen(chance, **clocks), champion=seen(chance, **clocks))
        for _ in range(4000)
    ]
    baseline = seen(chance, **clocks)
    assert noisy_line(metrics, baseline, pairs) == (
        "score:fast 1.4 %, score:nap 14 % (wall clock, sides in turn), score:own 0 % (no clock, sides in turn)"
    )
    assert noisy_line(metrics[:1], baseline, pairs) == "score:fast", "it is the deviation of a pair"
    assert noisy_line(metrics[1:2], baseline, pairs) == "score:nap 14 % (wall clock, sides in turn)"
    assert noisy_line(metrics[1:2], baseline, []) == "score:nap (wall clock, sides in turn)"
