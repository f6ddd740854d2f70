"""How long the sides of the next pair are to last, by how much pairs differ lately. Pure; knows no metric.

What disturbs one session knows nothing of the next, so a side of k times the CPU time deviates by a √k-th. A pair that
deviates by d with sides of s seconds therefore has a noise of d √s, whatever s was.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from statistics import median

from maabarium.acceptance.estimate import deviation
from maabarium.records import Evaluation

__all__ = ["LEAST_SECONDS", "Steadiness", "lasted"]

LEAST_SECONDS = 0.1
"""CPU time that a side of a pair should last: shorter blocks deviate by several percent."""
MOST_SECONDS = 0.4
"""No side is made longer for steadiness' sake."""
STEADY = 0.012
"""About what a pair should deviate by at most, so that a gain of 2 % takes some ten pairs."""
CLEAR = 6.0
"""An effect of so many deviations needs no precision, and so no more CPU time than shows it that clearly."""
SHORTEST_SECONDS = 0.03
"""Sides of a clear effect are not made shorter: the start of a block is beyond every rule."""
RECENT = 24
"""Pairs that are remembered."""
FEWEST = 3
"""Pairs of a candidate that tell something of the noise."""


def lasted(evaluation: Evaluation | None, sources: Iterable[str]) -> float:
    """CPU seconds of a side: of the shortest of these sources that a CPU clock reads; 0 when none does."""
    wanted = frozenset(sources)
    measured = evaluation.measurements if evaluation else ()
    return min((m.seconds for m in measured if m.source in wanted and m.clock == "cpu" and m.seconds), default=0.0)


class Steadiness:
    """The noise of the latest pairs of a run. Fed with whole candidates, the calibration first."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)

    def add(self, log_ratios: Sequence[float], seconds: Sequence[float], centre: float | None = None) -> None:
        """The pairs of one candidate that is decided: log ratios, and CPU seconds of a side of each. `centre`: its
        true effect, where that is known."""
        self._recent.extend(_noise(log_ratios, seconds, centre))

    def wanted(self, log_ratios: Sequence[float] = (), seconds: Sequence[float] = ()) -> float:
        """CPU seconds that a side of a candidate's next pair should last, after its pairs so far.

        It depends on pairs that are over only, so a sequential test on them stays exact.
        """
        noise = deviation([*self._recent, *_noise(log_ratios, seconds)][-RECENT:], 0.0)
        steady = max(LEAST_SECONDS, min((noise / STEADY) ** 2, MOST_SECONDS))
        effect = abs(median(log_ratios)) if log_ratios else 0.0
        if effect * math.sqrt(steady) <= CLEAR * noise:
            return steady
        return max(SHORTEST_SECONDS, (CLEAR * noise / effect) ** 2)


def _noise(log_ratios: Sequence[float], seconds: Sequence[float], centre: float | None = None) -> list[float]:
    """What each pair is off by, as if its sides had lasted one second."""
    count = len(log_ratios)
    if centre is not None:
        return [(ratio - centre) * math.sqrt(each) for ratio, each in zip(log_ratios, seconds, strict=True)]
    if count < FEWEST:
        return []
    middle, more = median(log_ratios), math.sqrt(count / (count - 1))
    return [(ratio - middle) * math.sqrt(each) * more for ratio, each in zip(log_ratios, seconds, strict=True)]
