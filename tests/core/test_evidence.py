"""The bets on differences: their error rate by exact enumeration of signs, for whatever sizes the differences have."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.acceptance.evidence import SLOPES, Evidence, share_of_alpha

sizes = st.lists(st.one_of(st.floats(1e-9, 1e9), st.sampled_from([0.0, 1.0, 1.0, 30.0])), max_size=8)


def capitals(seen: list[float], differences: list[float]) -> list[float]:
    """The capital after each bet."""
    evidence, found = Evidence(seen), []
    for difference in differences:
        evidence.add(difference)
        found.append(math.exp(evidence.log_capital))
    return found


@given(seen=sizes, values=sizes)
@settings(max_examples=25, deadline=None)
def test_whatever_the_sizes_no_level_is_exceeded_more_often_than_it_says(
    seen: list[float], values: list[float]
) -> None:
    """Heavy tails, two modes and drift are sizes; under "no better" each sign is a coin. All signs are tried."""
    highest, ends = [], []
    for signs in product((1, -1), repeat=len(values)):
        path = capitals(seen, [sign * value for sign, value in zip(signs, values, strict=True)])
        highest.append(max(path, default=1.0))
        ends.append(path[-1] if path else 1.0)
    assert math.fsum(ends) / len(ends) == pytest.approx(1.0)
    for level in (0.5, 0.2, 0.05):
        assert sum(most >= 1 / level for most in highest) / len(highest) <= level


@given(
    seen=st.lists(st.floats(0.1, 10), min_size=1, max_size=4),
    values=st.lists(st.floats(-50, 50).filter(lambda value: not value or abs(value) > 1e-6), max_size=12),
)
def test_only_ratios_of_sizes_matter(seen: list[float], values: list[float]) -> None:
    for scale in (0.25, 1024.0):
        scaled = capitals([scale * value for value in seen], [scale * value for value in values])
        assert scaled == pytest.approx(capitals(seen, values))


@given(values=st.lists(st.one_of(st.floats(0.1, 5), st.floats(-5, -0.1)), min_size=1, max_size=20))
def test_a_win_raises_and_a_loss_lowers_the_capital(values: list[float]) -> None:
    path = [1.0, *capitals([1.0], values)]
    for value, before, after in zip(values, path, path[1:], strict=False):
        assert (after > before) is (value > 0) and (after < before) is (value < 0)


def test_the_first_size_of_all_and_zeros_are_not_bet_on() -> None:
    assert capitals([], [5.0]) == [1.0] and capitals([1.0], [0.0, 0.0]) == [1.0, 1.0]
    assert capitals([], [5.0, 5.0])[-1] > 1.5
    assert capitals([1.0, 0.0, 0.0, 0.0], [1.0]) == capitals([1.0], [1.0])


def test_an_outlier_neither_proves_nor_refutes_much() -> None:
    usual, huge = capitals([1.0], [1.0])[-1], capitals([1.0], [1000.0])[-1]
    assert 1.0 < huge < 1.01 < usual
    assert capitals([1.0], [-1000.0])[-1] > 0.99


def test_slopes_are_those_of_a_mixture() -> None:
    assert all(slope > 0 for slope in SLOPES) and math.exp(Evidence().log_capital) == pytest.approx(1.0)


@given(alpha=st.floats(0.001, 0.5), count=st.integers(1, 2000))
def test_shares_never_sum_to_more_than_alpha(alpha: float, count: int) -> None:
    shares = [share_of_alpha(alpha, index) for index in range(1, count + 1)]
    assert sum(shares) <= alpha * (1 + 1e-9)
    assert shares == sorted(shares, reverse=True)
