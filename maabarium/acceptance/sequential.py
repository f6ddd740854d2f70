"""What the pairs of a candidate say: drop it, look on, or believe it. A sequential test on their log ratios.

First pairs are looked at until the candidate is promising or dropped; they are no evidence. With the next pair the
bets of `evidence` begin, at a share of the run's error budget. Dropping uses sizes and the noise that is known; it
costs power, never validity. Knows nothing of metrics.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from statistics import median
from typing import Literal

from maabarium.acceptance.estimate import deviation
from maabarium.acceptance.evidence import Evidence, share_of_alpha
from maabarium.blueprint.schema import Acceptance

__all__ = ["PairTest", "Standing", "detectable", "expected_pairs", "layout_matters", "test_of_gain"]

LEAST_PAIRS = 2
"""Pairs before anything is decided."""
CAUTION = 2.7
"""Standard errors by which a candidate may still be better than its pairs so far."""
MEDIAN_ERROR = 1.2533
"""Standard error of a median over that of a mean."""
SOUGHT_BEYOND = 0.01
"""Where `least` is 0 or small, a gain of this size (log ratio) is looked for before a candidate is dropped."""
COARSE = 0.006
"""Gains smaller than the deviation less this are not worth their pairs."""
LAYOUT = 0.004
"""By so much (log ratio) equal programs deviate from one server to the next, with the memory layout and hash seed."""
ALONE = "\0"
"""Begins the name that a pair without a server gets."""
TRIALS = 51
LARGEST_SOUGHT = 4.0
"""Log ratio, more than a factor of 50."""

Verdict = Literal["continue", "better", "worse", "undecided"]


@dataclass(frozen=True)
class Standing:
    """What the pairs so far say. `worse`: no gain is to be hoped for; `undecided`: none that is sought, or no more
    pairs could decide it. `promising`: the bets may begin."""

    verdict: Verdict
    promising: bool = False


@dataclass(frozen=True)
class PairTest:
    """The rules for one candidate. Log ratios: above 0 is better."""

    least: float
    """What the median must exceed."""
    alpha: float
    """The level, a share of the run's error budget; 0 while it has none: then it is screened only."""
    max_pairs: int
    deviation: float = 0.0
    """Of the log ratio of equal programs, as far as it is known beforehand."""
    screened: bool = True
    """Whether the first pairs only tell if the candidate is promising; else bets begin at once, and whatever may
    still exceed `least` is looked at on."""
    by_server: bool = False
    """Whether the pairs of one server are one bet; see `layout_matters`."""

    def judge(self, log_ratios: Sequence[float], servers: Sequence[str] = ()) -> Standing:
        """The standing after all these pairs: the first conclusion on the way stands, whatever came later.

        `servers` says which server each pair came from; "" is one of its own.
        """
        return [Standing("continue"), *(standing for _, standing in self.standings(log_ratios, servers))][-1]

    def standings(self, log_ratios: Sequence[float], servers: Sequence[str] = ()) -> Iterator[tuple[int, Standing]]:
        """After each pair, up to the first conclusion: the number of pairs and the standing."""
        names = [name or f"{ALONE}{place}" for place, name in enumerate(servers or [""] * len(log_ratios))]
        began = bets = 0
        evidence = Evidence()
        for count in range(1, len(log_ratios) + 1):
            made = log_ratios[:count]
            look = self._look(made)
            screening = self.screened and not began
            if screening:
                verdict = self._dropped(look, count)
                if verdict == "continue" and count >= LEAST_PAIRS and 2 * look.middle >= look.sought:
                    began, evidence = count, Evidence(_means(made, names) if self.by_server else made)
            else:
                units = self._units(made, names, began)
                for value in units[bets:]:
                    evidence.add(value)
                bets = len(units)
                verdict = self._verdict(evidence, look, count, len(set(names[:count])))
            yield count, Standing(verdict, bool(began))
            if verdict != "continue":
                return

    def _units(self, made: Sequence[float], names: Sequence[str], began: int) -> Sequence[float]:
        """What is bet on: pairs after the first `began`, or the means of the servers that came after and are over."""
        if not self.by_server:
            return made[began:]
        before = set(names[:began])
        groups = [(name, list(items)) for name, items in groupby(range(len(made)), key=names.__getitem__)]
        over = groups if groups[-1][0].startswith(ALONE) else groups[:-1]
        return [sum(made[place] for place in items) / len(items) for name, items in over if name not in before]

    def _verdict(self, evidence: Evidence, look: _Look, count: int, servers: int) -> Verdict:
        needed = -math.log(self.alpha) if self.alpha else math.inf
        if evidence.log_capital >= needed and look.middle > self.least:
            return "better"
        verdict = self._dropped(look, count)
        if verdict != "continue" or count < LEAST_PAIRS or not self.alpha:
            return verdict
        together = count / servers if self.by_server else 1.0
        signal = look.hope / max(look.spread, 1e-12) * math.sqrt(together)
        hoped = evidence.log_capital + (self.max_pairs - count) / together * growth(signal)
        return "continue" if hoped >= needed else "undecided"

    def _dropped(self, look: _Look, count: int) -> Verdict:
        if count >= LEAST_PAIRS and look.hope <= look.sought:
            return "worse" if look.hope < 0 else "undecided"
        return "continue" if count < self.max_pairs else "undecided"

    def _look(self, made: Sequence[float]) -> _Look:
        middle, spread = median(made), max(self.deviation, deviation(made))
        error = spread * (MEDIAN_ERROR if len(made) > 2 else 1.0) / math.sqrt(len(made))
        sought = self.least
        if self.screened:
            sought = max(self.least + min(max(self.least, SOUGHT_BEYOND), spread), spread - COARSE)
        return _Look(middle, spread, middle + CAUTION * error, sought)


@dataclass(frozen=True)
class _Look:
    """Pairs so far, as sizes."""

    middle: float
    spread: float
    """Their deviation, at least that which is known."""
    hope: float
    """An upper limit of the gain."""
    sought: float
    """The gain that is looked for: a little above `least` where noise is small, and never far below the noise."""


def _means(log_ratios: Sequence[float], names: Sequence[str]) -> list[float]:
    """One value for each server in turn."""
    groups = [list(items) for _, items in groupby(range(len(log_ratios)), key=names.__getitem__)]
    return [sum(log_ratios[place] for place in items) / len(items) for items in groups]


def layout_matters(least: float) -> bool:
    """Whether what a server's memory layout does to equal programs is not small beside this log ratio."""
    return least < math.log1p(2.5 * LAYOUT)


def growth(signal: float) -> float:
    """About how much the log capital grows with each bet, by the gain in standard deviations; fitted to simulation."""
    return 0.67 * (1 - math.exp(-0.65 * min(max(signal, 0.0), 10.0) ** 2))


def test_of_gain(rules: Acceptance, index: int, spread: float) -> PairTest:
    """The test of the run's `index`-th promising candidate (0: not yet promising); `spread`: of equal programs."""
    least = math.log1p(rules.min_effect)
    alpha = share_of_alpha(rules.alpha, index) if index else 0.0
    return PairTest(least, alpha, rules.max_pairs, spread, by_server=layout_matters(least))


def detectable(test: PairTest) -> float | None:
    """The smallest gain (log ratio) that is kept in about 8 of 10 cases at the test's deviation, if there is one."""
    low, high = test.least, test.least + test.deviation / 8 + 1e-5
    while _simulated(test, high)[0] < 0.8:
        if high > LARGEST_SOUGHT:
            return None
        low, high = high, test.least + 2 * (high - test.least)
    for _ in range(4):
        middle = (low + high) / 2
        low, high = (low, middle) if _simulated(test, middle)[0] >= 0.8 else (middle, high)
    return high


def expected_pairs(gain: float, test: PairTest) -> int | None:
    """The median number of pairs until a gain of this log ratio is kept; None when fewer than half of them are."""
    share, pairs = _simulated(test, gain)
    return pairs if share >= 0.5 else None


@lru_cache(maxsize=256)
def _simulated(test: PairTest, gain: float) -> tuple[float, int]:
    """Share of candidates of this gain that are kept, and the median number of their pairs: Gaussian noise."""
    noise = random.Random(0)
    kept = []
    for _ in range(TRIALS):
        values = [gain + noise.gauss(0, test.deviation) for _ in range(test.max_pairs)]
        count, standing = list(test.standings(values))[-1]
        kept += [count] if standing.verdict == "better" else []
    return len(kept) / TRIALS, int(median(kept)) if kept else 0
