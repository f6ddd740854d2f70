"""A sequential test on the signs of interleaved pairs, valid at any stopping time and under any noise.

The order inside each pair is random, so if the candidate is no better than the champion, a win is a coin of at
most one half, whatever the noise looks like: heavy-tailed, drifting or bimodal. Betting a share `s` of the
capital on each win multiplies it by 1 + s or 1 - s; under "no better" the capital is a supermartingale, and by
Ville's inequality it ever exceeds 1/a with probability at most a. We hold a mixture over several stakes (Shafer,
"Testing by betting", JRSS A 2021; Waudby-Smith and Ramdas, JRSS B 2024). Knows nothing of metrics or pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, takewhile
from statistics import median
from typing import Literal

__all__ = [
    "FUTILE_AFTER",
    "STAKES",
    "Interval",
    "SignTest",
    "SignVerdict",
    "detectable",
    "judge_pairs",
    "judge_signs",
    "median_interval",
    "share_of_alpha",
]

STAKES = (0.3, 0.5, 0.7, 0.85, 0.95)
FUTILE_AFTER = 6
FUTILE_BELOW = 0.25
HOPE = 2.0
"""Standard deviations by which the share of wins may still be better than it was so far."""

Interval = tuple[float, float]
SignVerdict = Literal["better", "futile", "undecided", "continue"]


def share_of_alpha(alpha: float, index: int) -> float:
    """The error budget of the index-th candidate (from 1) that reaches confirmation; all of them sum to alpha."""
    return alpha / (index * (index + 1))


@dataclass(frozen=True)
class SignTest:
    """So many wins in so many pairs, at a significance level."""

    wins: int
    pairs: int
    alpha: float

    @cached_property
    def e_value(self) -> float:
        """The capital of the mixture of bets: the evidence against "no better"."""
        losses = self.pairs - self.wins
        return sum((1 + stake) ** self.wins * (1 - stake) ** losses for stake in STAKES) / len(STAKES)

    def verdict(self, max_pairs: int) -> SignVerdict:
        """Decide after this pair. `undecided`: no further pair could decide it. Futility never costs validity."""
        if self.e_value >= 1 / self.alpha:
            return "better"
        if self.e_value < FUTILE_BELOW or (self.pairs >= FUTILE_AFTER and 2 * self.wins <= self.pairs):
            return "futile"
        return "continue" if self.may_succeed(max_pairs - self.pairs) else "undecided"

    def may_succeed(self, left: int) -> bool:
        """Whether `left` more pairs can decide it, if as many are won as the share of wins so far lets one hope."""
        if left <= 0:
            return False
        won = math.ceil(left * self._hope)
        return SignTest(self.wins + won, self.pairs + left, self.alpha).e_value >= 1 / self.alpha

    @property
    def _hope(self) -> float:
        """An upper limit of the chance to win: Wilson's, one-sided; certainty while there are few pairs."""
        if self.pairs < FUTILE_AFTER:
            return 1.0
        share, spread = self.wins / self.pairs, HOPE**2 / self.pairs
        middle = share + spread / 2
        return (middle + math.sqrt(spread * (share * (1 - share) + spread / 4))) / (1 + spread)


def judge_signs(wins: Sequence[bool], alpha: float, max_pairs: int) -> SignVerdict:
    """The verdict after all these pairs: the first conclusion on the way stands, whatever came later."""
    tests = (SignTest(won, count, alpha) for count, won in enumerate(accumulate(wins), 1))
    verdicts = (test.verdict(max_pairs) for test in tests)
    return next((verdict for verdict in verdicts if verdict != "continue"), "continue")


def judge_pairs(log_ratios: Sequence[float], least: float, alpha: float, max_pairs: int) -> SignVerdict:
    """The verdict on pairs, against a least log ratio that counts; the first conclusion on the way stands.

    Pairs within `least` of zero on either side say nothing and are not bet on: whether one is can be told from its
    size alone, and given the size, its sign under "no better" is still a coin of at most one half. To be better,
    the median must exceed `least` as well. Futility looks at all pairs.
    """
    wins = losses = 0
    for count, ratio in enumerate(log_ratios, 1):
        wins += ratio > least
        losses += ratio < -least
        test = SignTest(wins, wins + losses, alpha)
        if test.e_value >= 1 / alpha and median(log_ratios[:count]) > least:
            return "better"
        if test.e_value < FUTILE_BELOW or (count >= FUTILE_AFTER and 2 * wins <= count):
            return "futile"
        if not test.may_succeed(max_pairs - count):
            return "undecided"
    return "continue"


def median_interval(values: Sequence[float]) -> Interval | None:
    """A distribution-free 95 % interval of the median from order statistics; None below 6 values."""
    ordered = sorted(values)
    count = len(ordered)
    below = accumulate(math.comb(count, k) * 0.5**count for k in range(count // 2))
    rank = sum(1 for _ in takewhile(lambda tail: tail <= 0.025, below))
    return (ordered[rank - 1], ordered[count - rank]) if rank else None


def detectable(log_ratios: Sequence[float], alpha: float, max_pairs: int, min_effect: float) -> float | None:
    """The relative improvement that this run would have found in about 8 of 10 cases, given the noise it saw.

    `log_ratios` are pairs' log ratios less their candidate's median. None when there is too little to say.
    """
    if len(log_ratios) < FUTILE_AFTER:
        return None
    spread = 1.4826 * sorted(abs(value) for value in log_ratios)[len(log_ratios) // 2]
    for step in range(1, 400):
        effect = step * 0.0025
        share = 0.5 * (1 + math.erf(effect / (max(spread, 1e-9) * math.sqrt(2))))
        wins = math.floor(max_pairs * share - 0.84 * math.sqrt(max_pairs * share * (1 - share)))
        if SignTest(wins, max_pairs, alpha).e_value >= 1 / alpha:
            return min_effect + math.expm1(effect)
    return None
