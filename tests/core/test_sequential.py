"""What pairs decide: the level under every noise, power for planted gains, and when a candidate is dropped."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.acceptance.evidence import share_of_alpha
from maabarium.acceptance.sequential import (
    PairTest,
    Standing,
    detectable,
    expected_pairs,
    layout_matters,
    test_of_gain,
)
from maabarium.blueprint.schema import Acceptance

test_of_gain.__test__ = False  # type: ignore[attr-defined]
LEAST = math.log1p(0.01)
Noise = Callable[[random.Random], float]
NOISES: dict[str, Noise] = {
    "Gaussian": lambda chance: chance.gauss(0, 1),
    "heavy-tailed": lambda chance: chance.gauss(0, 1) / math.sqrt(chance.gammavariate(1.5, 1 / 1.5)) * 0.88,
}


def rules(**fields: float) -> Acceptance:
    return Acceptance.model_validate(fields)


def ends(test: PairTest, gain: float, deviation: float, noise: str, trials: int = 200) -> tuple[float, float, float]:
    """Share kept, median pairs of those, and mean pairs of all."""
    chance, kept, every = random.Random(1), [], []
    for _ in range(trials):
        values = [gain + deviation * NOISES[noise](chance) for _ in range(test.max_pairs)]
        count, standing = list(test.standings(values))[-1]
        every.append(count)
        kept += [count] if standing.verdict == "better" else []
    return len(kept) / trials, median(kept) if kept else math.nan, sum(every) / trials


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("deviation", "most"), [(0.007, 17), (0.010, 18), (0.015, 25)])
def test_a_gain_of_twice_the_least_is_kept(noise: str, deviation: float, most: float) -> None:
    for index, pairs in ((1, 15), (10, most)):
        share, usual, _ = ends(test_of_gain(rules(), index, deviation), math.log1p(0.02), deviation, noise)
        assert share >= 0.94 and usual <= pairs


@pytest.mark.parametrize("noise", NOISES)
def test_a_gain_of_one_deviation_is_found_where_any_gain_counts(noise: str) -> None:
    test = replace(test_of_gain(rules(min_effect=0), 1, 0.01), by_server=False)
    assert ends(test, math.log1p(0.01), 0.01, noise)[0] >= 0.9


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("deviation", "most"), [(0.003, 3), (0.01, 6), (0.015, 12), (0.05, 20)])
def test_equal_candidates_cost_few_pairs(noise: str, deviation: float, most: float) -> None:
    share, _, mean = ends(test_of_gain(rules(), 1, deviation), 0.0, deviation, noise)
    assert share <= 0.03 and mean <= most


@given(
    values=st.lists(st.one_of(st.floats(1e-4, 1), st.sampled_from([0.01, 0.02, 5.0])), min_size=9, max_size=9),
    least=st.sampled_from([0.0, 0.005]),
)
@settings(max_examples=8, deadline=None)
def test_no_noise_makes_more_false_promotions_than_the_level(values: list[float], least: float) -> None:
    """All signs of these sizes: what heavy tails, drift and two modes leave of equal programs is their signs."""
    test = PairTest(least, 0.3, 12, 0.01)
    better = sum(
        test.judge([sign * value for sign, value in zip(signs, values, strict=True)]).verdict == "better"
        for signs in product((1, -1), repeat=len(values))
    )
    assert better / 2 ** len(values) <= test.alpha


@given(groups=st.lists(st.lists(st.floats(-1, 1).filter(bool), min_size=1, max_size=4), min_size=8, max_size=8))
@settings(max_examples=8, deadline=None)
def test_no_layout_makes_more_false_promotions_than_the_level(groups: list[list[float]]) -> None:
    """Where a server is one bet, its pairs may depend on one another in any way: only whole servers change sign."""
    test = PairTest(0.0, 0.4, 40, 0.01, by_server=True)
    names = [str(number) for number, group in enumerate(groups) for _ in group]
    better = 0
    for signs in product((1, -1), repeat=len(groups)):
        values = [sign * value for sign, group in zip(signs, groups, strict=True) for value in group]
        better += test.judge(values, names).verdict == "better"
    assert better / 2 ** len(groups) <= test.alpha


def test_one_server_proves_nothing_however_many_pairs_it_gives() -> None:
    alone, shared = replace(test_of_gain(rules(min_effect=0), 1, 0.001)), ["one"] * 40
    assert alone.by_server and not test_of_gain(rules(), 1, 0.001).by_server
    assert alone.judge([0.02] * 40, shared).verdict == "undecided"
    assert alone.judge([0.02] * 40).verdict == "better"
    assert alone.judge([0.02] * 40, [str(place // 4) for place in range(40)]).verdict == "better"
    assert layout_matters(math.log1p(0.005)) and not layout_matters(math.log1p(0.02))


def test_the_first_pairs_are_looked_at_and_are_no_evidence() -> None:
    test = test_of_gain(rules(), 1, 0.01)
    assert test.judge([]) == test.judge([0.03]) == Standing("continue")
    assert test.judge([0.03, 0.02]) == Standing("continue", promising=True)
    assert test.judge([0.03, -0.012]) == Standing("continue"), "a third look"
    assert test.judge([-0.03, -0.02]) == Standing("worse")
    assert test.judge([-0.006, -0.004]) == Standing("undecided"), "no gain that counts, but not shown to be worse"
    assert test.judge([0.03] * 7).verdict == "continue" and test.judge([0.03] * 8).verdict == "better"
    assert test_of_gain(rules(), 10, 0.01).judge([0.03] * 8).verdict == "continue"
    assert test_of_gain(rules(), 0, 0.01).judge([0.03] * 40).verdict == "continue", "no share of the error budget"


def test_a_median_within_the_least_effect_is_not_kept() -> None:
    test = test_of_gain(rules(), 1, 0.0)
    assert test.judge([0.0099] * 20).verdict == "undecided"
    assert test.judge([0.0101] * 20).verdict == "better"
    assert test_of_gain(rules(min_effect=0), 1, 0.0).judge([0.0] * 2).verdict == "undecided"


def test_what_cannot_be_decided_any_more_is_ended() -> None:
    few = replace(test_of_gain(rules(), 30, 0.01), max_pairs=10)
    assert few.judge([0.03] * 3).verdict == "undecided", "not even seven wins would do"
    assert replace(few, max_pairs=40).judge([0.03] * 3).verdict == "continue"


@given(values=st.lists(st.floats(-0.1, 0.1), max_size=30), more=st.lists(st.floats(-0.1, 0.1), max_size=10))
@settings(deadline=None)
def test_the_first_conclusion_stands(values: list[float], more: list[float]) -> None:
    test = replace(test_of_gain(rules(), 2, 0.01), max_pairs=30)
    standing = test.judge(values)
    if standing.verdict != "continue":
        assert test.judge(values + more) == standing
    assert len(values) < 30 or standing.verdict != "continue"


def test_a_guard_is_shown_at_once_or_looked_at_on() -> None:
    guard = PairTest(0.0, 0.05, 40, screened=False)
    assert guard.judge([0.05] * 5).verdict == "continue" and guard.judge([0.05] * 6).verdict == "better"
    assert guard.judge([-0.05] * 3).verdict == "worse"
    assert guard.judge([0.05, -0.05] * 20).verdict == "undecided"


def test_what_is_expected_is_what_happens() -> None:
    test = test_of_gain(rules(), 1, 0.01)
    for gain in (0.02, 0.05):
        expected = expected_pairs(math.log1p(gain), test)
        assert expected is not None
        assert abs(ends(test, math.log1p(gain), 0.01, "Gaussian")[1] - expected) <= 2
    assert expected_pairs(math.log1p(0.001), test) is None


@pytest.mark.parametrize("deviation", [0.003, 0.01, 0.05])
@pytest.mark.parametrize("index", [1, 10])
def test_the_detectable_gain_is_kept_in_about_8_of_10_cases(deviation: float, index: int) -> None:
    test = test_of_gain(rules(), index, deviation)
    found = detectable(test)
    assert found is not None
    assert 0.65 <= ends(test, found, deviation, "Gaussian", 400)[0] <= 0.95


def test_detectable_grows_with_noise_and_may_be_nothing() -> None:
    found = [detectable(test_of_gain(rules(), 1, deviation)) for deviation in (0.0, 0.01, 0.05, 0.2)]
    assert None not in found and found == sorted(found, key=lambda value: value or 0.0)
    assert detectable(PairTest(LEAST, share_of_alpha(0.05, 100), 8, 0.01)) is None
