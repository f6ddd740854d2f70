"""From series of pairs to what a run would have made of them, by the engine's own judge."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from instrument_pairs import Pair

from maabarium.acceptance.judge import Judge

__all__ = ["Trial", "Verdicts", "by_server", "decide", "deviation", "drawn", "log_ratios", "summed_up"]


@dataclass(frozen=True)
class Trial:
    """One candidate, judged to its end."""

    kept: bool
    pairs: int
    effect: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Verdicts:
    """What became of many trials of one planted gain."""

    kept: int
    trials: int
    pairs: float
    """Median of those that were kept; not a number when none was."""
    off: float
    """Mean estimate of those that were kept, less the truth (log ratios)."""
    covered: float
    """Share of the kept whose interval holds the truth."""


def log_ratios(pairs: Iterable[Pair]) -> list[float]:
    """How much faster the candidate was, as a logarithm."""
    return [math.log(pair.candidate / pair.champion) for pair in pairs]


def deviation(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Median; 1.4826 times the median absolute deviation from it; standard deviation."""
    middle = statistics.median(ratios)
    spread = 1.4826 * statistics.median(abs(ratio - middle) for ratio in ratios)
    return middle, spread, statistics.stdev(ratios)


def by_server(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Pairs that share a server, in their order. Without servers each pair stands alone."""
    keyed = ((pair.server or f"alone {number}", pair) for number, pair in enumerate(pairs))
    return [[pair for _, pair in group] for _, group in groupby(keyed, key=lambda item: item[0])]


def drawn(servers: Sequence[Sequence[Pair]], chance: random.Random) -> Iterator[Pair]:
    """Pairs without end: whole servers drawn with replacement, the pairs of each in their order."""
    while True:
        yield from chance.choice(servers)


def decide(judge: Judge, pairs: Iterator[Pair], index: int) -> Trial:
    """Take pairs until the judge has decided, as the index-th candidate of a run to be confirmed."""
    seen = []
    while True:
        seen.append(next(pairs).measured(len(seen) + 1))
        decision = judge.confirm(judge.baseline, seen, index)
        if decision.next != "pair":
            return Trial(decision.verdict == "promoted", len(seen), decision.effect, decision.interval)


def summed_up(trials: Sequence[Trial], truth: float) -> Verdicts:
    """`truth` is the planted log ratio."""
    kept = [trial for trial in trials if trial.kept]
    effects = [math.log(trial.effect) for trial in kept if trial.effect]
    bounds = [trial.interval for trial in kept if trial.interval]
    return Verdicts(
        kept=len(kept),
        trials=len(trials),
        pairs=statistics.median(trial.pairs for trial in kept) if kept else math.nan,
        off=statistics.fmean(effects) - truth if effects else math.nan,
        covered=statistics.fmean(low <= math.exp(truth) <= high for low, high in bounds) if bounds else math.nan,
    )
