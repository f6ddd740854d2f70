"""The sequential test: its error rates by exact enumeration, not by simulation."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.acceptance.sequential import (
    FUTILE_AFTER,
    STAKES,
    SignTest,
    detectable,
    judge_signs,
    median_interval,
    share_of_alpha,
)

LENGTH = 12


def chance_of_better(share: float, alpha: float, pairs: int) -> float:
    """Exact probability of the verdict "better" when every pair is won with this probability."""
    alive, better = {0: 1.0}, 0.0
    for count in range(1, pairs + 1):
        after: dict[int, float] = {}
        for wins, weight in alive.items():
            after[wins + 1] = after.get(wins + 1, 0.0) + weight * share
            after[wins] = after.get(wins, 0.0) + weight * (1 - share)
        verdicts = {wins: SignTest(wins, count, alpha).verdict(pairs) for wins in after}
        better += sum(weight for wins, weight in after.items() if verdicts[wins] == "better")
        alive = {wins: weight for wins, weight in after.items() if verdicts[wins] == "continue"}
    return better


@pytest.mark.parametrize("alpha", [0.5, 0.2, 0.05, 0.025, 0.01])
def test_no_coin_sequence_crosses_more_often_than_alpha(alpha: float) -> None:
    crossed = sum(
        any(SignTest(sum(coins[:n]), n, alpha).e_value >= 1 / alpha for n in range(1, LENGTH + 1))
        for coins in product((False, True), repeat=LENGTH)
    )
    assert crossed / 2**LENGTH <= alpha
    judged = sum(judge_signs(c, alpha, LENGTH) == "better" for c in product((False, True), repeat=LENGTH))
    assert judged <= crossed


@given(wins=st.integers(0, 60), losses=st.integers(0, 60), share=st.floats(0, 0.5))
def test_the_e_value_is_a_supermartingale_under_no_better(wins: int, losses: int, share: float) -> None:
    now = SignTest(wins, wins + losses, 0.05).e_value
    won = SignTest(wins + 1, wins + losses + 1, 0.05).e_value
    lost = SignTest(wins, wins + losses + 1, 0.05).e_value
    assert share * won + (1 - share) * lost <= now * (1 + 1e-9)
    assert 0 < lost < now < won


def test_the_e_value_starts_at_one_and_stakes_are_shares() -> None:
    assert SignTest(0, 0, 0.05).e_value == 1
    assert all(0 < stake < 1 for stake in STAKES)


@pytest.mark.parametrize("index", [1, 2, 10, 30, 100])
@pytest.mark.parametrize("share", [0.5, 0.4, 0.1])
def test_a_neutral_candidate_is_kept_at_most_as_often_as_its_share(index: int, share: float) -> None:
    alpha = share_of_alpha(0.05, index)
    assert chance_of_better(share, alpha, 40) <= alpha


@pytest.mark.parametrize(("index", "least"), [(1, 0.99), (10, 0.95), (30, 0.9), (100, 0.85)])
def test_a_candidate_that_wins_nearly_always_is_found(index: int, least: float) -> None:
    assert chance_of_better(0.96, share_of_alpha(0.05, index), 40) >= least


@given(alpha=st.floats(0.001, 0.5), count=st.integers(1, 2000))
def test_shares_never_sum_to_more_than_alpha(alpha: float, count: int) -> None:
    shares = [share_of_alpha(alpha, index) for index in range(1, count + 1)]
    assert sum(shares) <= alpha * (1 + 1e-9)
    assert shares == sorted(shares, reverse=True)


def test_verdicts() -> None:
    assert judge_signs([], 0.025, 40) == "continue"
    assert judge_signs([True] * 6, 0.025, 40) == "continue"
    assert judge_signs([True] * 7, 0.025, 40) == "better"
    assert judge_signs([True, False] * 3, 0.025, 40) == "futile"
    assert judge_signs([False], 0.025, 40) == "continue"  # one loss leaves a capital above a quarter
    assert judge_signs([False] * 2, 0.025, 40) == "futile"
    assert judge_signs([True, True, False, False], 0.025, 40) == "continue"  # half won, but fewer than six pairs
    assert judge_signs([True], 0.025, 6) == "undecided"  # not even six wins in six would do


def test_what_cannot_succeed_any_more_is_ended() -> None:
    """While there are few pairs: after "undecided" no continuation would have been better."""
    for wins, pairs in product(range(FUTILE_AFTER), range(1, FUTILE_AFTER)):
        if wins <= pairs and SignTest(wins, pairs, 0.05).verdict(10) == "undecided":
            left = 10 - pairs
            ends = (SignTest(wins + more, pairs + n, 0.05).e_value for n in range(left + 1) for more in range(n + 1))
            assert max(ends) < 20


def test_what_cannot_be_hoped_for_is_ended() -> None:
    """From six pairs on the share of wins so far tells how many more to expect; nearly no power is lost by it."""
    alpha = share_of_alpha(0.05, 7)
    assert SignTest(7, 12, alpha).verdict(30) == "undecided"
    assert SignTest(11, 12, alpha).verdict(30) == "continue"
    assert SignTest(0, 0, alpha).may_succeed(30) and not SignTest(0, 0, alpha).may_succeed(5)
    assert not SignTest(30, 30, 1e-12).may_succeed(0)
    assert chance_of_better(0.95, alpha, 30) > 0.9 and chance_of_better(0.8, alpha, 30) > 0.28


@given(st.lists(st.booleans(), max_size=60), st.lists(st.booleans(), max_size=10))
def test_the_first_conclusion_stands(wins: list[bool], more: list[bool]) -> None:
    verdict = judge_signs(wins, 0.02, 40)
    if verdict != "continue":
        assert judge_signs(wins + more, 0.02, 40) == verdict
    assert len(wins) < 40 or verdict != "continue"


def test_median_interval_covers_the_median_as_often_as_it_says() -> None:
    """Exactly, for each count: the interval misses when too many values fall on one side of the median."""
    for count in range(1, 60):
        found = median_interval(range(count))
        if found is None:
            assert 0.5 ** (count - 1) > 0.05
            continue
        low, high = found
        missed = 2 * sum(math.comb(count, k) for k in range(int(low) + 1)) / 2**count
        assert missed <= 0.05
        assert high == count - 1 - low
        tighter = 2 * sum(math.comb(count, k) for k in range(int(low) + 2)) / 2**count
        assert tighter > 0.05 or low + 1 >= count // 2


@given(st.lists(st.floats(-1e6, 1e6), min_size=6))
def test_median_interval_ignores_the_order_and_holds_the_median(values: list[float]) -> None:
    found = median_interval(values)
    assert found == median_interval(sorted(values, reverse=True))
    assert found is not None
    ordered = sorted(values)
    assert found[0] <= ordered[len(values) // 2] and ordered[(len(values) - 1) // 2] <= found[1]


def test_detectable_grows_with_noise_and_says_nothing_of_little() -> None:
    noise = [(-1) ** k * 0.001 * k for k in range(20)]
    quiet, loud = (detectable([scale * x for x in noise], 0.025, 40, 0.0) for scale in (1, 5))
    assert quiet is not None and loud is not None and 0 < quiet < loud
    least = detectable(noise, 0.025, 40, 0.01)
    assert least == pytest.approx(quiet + 0.01)
    assert detectable(noise[:5], 0.025, 40, 0.0) is None
    assert detectable(noise, 0.025, 6, 0.0) is None
