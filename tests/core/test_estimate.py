"""Deviation and interval: robust, and as often right as they say."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.acceptance.estimate import COVERAGE, deviation, median_interval

values = st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=40)


def test_the_deviation_is_that_of_a_gaussian() -> None:
    chance = random.Random(1)
    for count, centre in ((2, None), (5, None), (12, 0.0), (200, None)):
        found = [deviation([chance.gauss(0, 3) for _ in range(count)], centre) for _ in range(3000)]
        assert sum(found) / len(found) == pytest.approx(3, rel=0.16)


def test_one_outlier_moves_the_deviation_little() -> None:
    usual = [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
    assert deviation([*usual, 1e9]) < 2 * deviation(usual)
    assert deviation([]) == deviation([7.0]) == 0.0


@given(values)
def test_the_interval_ignores_the_order_and_holds_the_median(numbers: list[float]) -> None:
    found = median_interval(numbers)
    assert found is not None and found == median_interval(sorted(numbers, reverse=True))
    ordered = sorted(numbers)
    assert found[0] <= ordered[len(numbers) // 2] and ordered[(len(numbers) - 1) // 2] <= found[1]
    assert min(numbers) <= found[0] and found[1] <= max(numbers)


@given(values, st.floats(-100, 100))
def test_the_interval_turns_with_the_sign(numbers: list[float], shift: float) -> None:
    low, high = median_interval(numbers) or (math.nan, math.nan)
    mirrored = median_interval([-value for value in numbers])
    assert mirrored == pytest.approx((-high, -low))


def test_few_values_have_no_interval() -> None:
    assert median_interval(range(5)) is None and median_interval(range(6)) is not None


@pytest.mark.parametrize("count", [8, 9, 15, 40])
def test_the_interval_covers_the_median_as_often_as_it_says(count: int) -> None:
    chance, trials = random.Random(count), 4000
    covered = 0
    for _ in range(trials):
        low, high = median_interval([chance.gauss(5, 1) for _ in range(count)]) or (0.0, 0.0)
        covered += low <= 5 <= high
    assert covered / trials == pytest.approx(COVERAGE, abs=0.012)
