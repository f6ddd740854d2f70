"""Evidence against "no better" from the sizes and signs of differences, valid at any stopping time and any noise.

Both sides of a pair are exchangeable when the candidate is no better: which one is forked, woken and read first is a
coin. So, whatever the noise looks like (heavy-tailed, drifting, bimodal) and however large a difference is, its sign
is a coin of at most one half given its size and all that came before. We bet a share of a capital of 1 on the sign:
a win multiplies it by 1 + stake, a loss by 1 - stake. A stake that depends on the size and on the past alone leaves
the capital a supermartingale under "no better", and by Ville's inequality it ever exceeds 1/a with probability at
most a. (de la Peña 1999; Ramdas et al. 2020, "Admissible anytime-valid sequential inference must rely on nonnegative
martingales"; Shafer, "Testing by betting", JRSS A 2021.) Knows nothing of metrics.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable
from itertools import count

__all__ = ["SLOPES", "ErrorBudget", "Evidence", "share_of_alpha"]

SLOPES = (0.7, 2.0, 4.0)
"""How steeply a stake grows with the size of a difference; the capital is divided among them."""
LARGEST_STAKE = 0.96
OUTLYING = 3.0
"""Differences beyond so many usual sizes are bet on less and less: with heavy tails their signs say little."""


def share_of_alpha(alpha: float, index: int) -> float:
    """The error budget of the index-th candidate (from 1) that is found promising; all of them sum to alpha."""
    return alpha / (index * (index + 1))


class ErrorBudget:
    """Which shares of a run's error budget are in use or spent, by number from 1.

    A candidate that is kept gives its share back. Up to the first false promotion a share is then used by candidates
    that are truly better, and by at most one that is not: the run's bound stays the sum of the shares (Tian and
    Ramdas, "Online control of the familywise error rate", 2021).
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        """The first share that is free."""
        share = next(number for number in count(1) if number not in self._taken)
        self._taken.add(share)
        return share

    def give_back(self, share: int) -> None:
        """The candidate with this share was kept."""
        self._taken.discard(share)


class Evidence:
    """The capital after bets on a sequence of differences. `seen` are earlier ones, which only tell the usual size."""

    def __init__(self, seen: Iterable[float] = ()) -> None:
        self._sizes = sorted(abs(value) for value in seen if value)
        self._logs = [0.0] * len(SLOPES)

    def add(self, difference: float) -> None:
        """Bet on one more difference; above 0 is better. The first one of all only tells the usual size."""
        size = abs(difference)
        if not size:
            return
        if self._sizes:
            relative = size / _median(self._sizes)
            shrink = OUTLYING / max(relative, OUTLYING)
            for place, slope in enumerate(SLOPES):
                stake = min(math.tanh(slope * relative), LARGEST_STAKE) * shrink
                self._logs[place] += math.log1p(math.copysign(stake, difference))
        insort(self._sizes, size)

    @property
    def log_capital(self) -> float:
        """The logarithm of the capital: above -log(a), "no better" is refuted at the level a."""
        most = max(self._logs)
        return most + math.log(sum(math.exp(log - most) for log in self._logs) / len(SLOPES))


def _median(ordered: list[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
