"""Many runs at once: the arithmetic of `maabarium.acceptance` on arrays.

`tests/core/test_phantom.py` proves, on the same numbers, that this gives what the real engine gives, candidate by
candidate. Where the pairs of one server are one bet, the real test itself is asked, which is slower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from phantom_problem import Values

from maabarium.acceptance import sequential as rules
from maabarium.acceptance.calibration import pairs_wanted
from maabarium.acceptance.estimate import TO_DEVIATION, WINSORISED, deviation
from maabarium.acceptance.evidence import LARGEST_STAKE, OUTLYING, SLOPES, share_of_alpha
from maabarium.blueprint.schema import Blueprint

__all__ = ["Runs", "naive", "simulate", "spreads", "upper_limit"]

Floats = NDArray[np.float64]
CONTINUE, BETTER, LOST = 0, 1, 2


@dataclass(frozen=True)
class Runs:
    """What became of R runs of C candidates: which were kept, and the pairs that each one took."""

    kept: NDArray[np.bool_]
    pairs: NDArray[np.int64]


@dataclass(frozen=True)
class Walks:
    """What N candidates would show after each of P pairs, whatever share of the error budget they have."""

    promising: NDArray[np.bool_]
    """N: whether the bets ever begin."""
    ends: NDArray[np.int64]
    """N: the pair after which it is dropped in any case."""
    capital: Floats
    """N x P: the logarithm."""
    above: NDArray[np.bool_]
    """N x P: whether the median is above the least gain, in the bets."""
    hoped: Floats
    """N x P: the log capital at the end, if all goes well."""


def spreads(values: Values) -> Floats:
    """The deviation that each run's calibration finds."""
    rows = values.calibration.tolist()
    return np.array([deviation(row[: pairs_wanted(row, [0.0], None)], 0.0) for row in rows])


def simulate(case: Blueprint, values: Values) -> Runs:
    """Judge all candidates of all runs, with the run's error budget."""
    acceptance, spread = case.acceptance, spreads(values)
    runs, candidates, _ = values.ratios.shape
    if rules.layout_matters(math.log1p(acceptance.min_effect)) and values.servers.any():
        return _by_server(case, values, spread)
    flat = values.ratios.reshape(runs * candidates, -1)[:, : acceptance.max_pairs]
    walks = _walk(case, flat, np.repeat(spread, candidates))
    kept, pairs = np.zeros((runs, candidates), bool), walks.ends.reshape(runs, candidates).copy()
    spent = np.zeros(runs, int)
    for candidate in range(candidates):
        at = np.arange(runs) * candidates + candidate
        here = np.flatnonzero(walks.promising[at])
        rows = at[here]
        needed = -np.log([share_of_alpha(acceptance.alpha, spent[run] + 1) for run in here])[:, None]
        better = (walks.capital[rows] >= needed) & walks.above[rows]
        hopeless = (walks.hoped[rows] < needed) | (np.arange(1, flat.shape[1] + 1) >= walks.ends[rows][:, None])
        last = (better | hopeless).argmax(axis=1)
        good = better[np.arange(here.size), last]
        kept[here, candidate], pairs[here, candidate] = good, last + 1
        spent[here] += ~good
    return Runs(kept, pairs)


def _walk(case: Blueprint, ratios: Floats, spread: Floats) -> Walks:
    least, most = math.log1p(case.acceptance.min_effect), case.acceptance.max_pairs
    count = len(ratios)
    shape = (count, most)
    walks = Walks(
        np.zeros(count, bool), np.full(count, most), np.zeros(shape), np.zeros(shape, bool), np.full(shape, np.inf)
    )
    logs, sizes, live = np.zeros((count, len(SLOPES))), np.abs(ratios), np.arange(count)
    for pairs in range(1, most + 1):
        made, promising = ratios[live, :pairs], walks.promising[live]
        middle = np.median(made, axis=1)
        betting = live[promising]
        if betting.size:
            relative = sizes[betting, pairs - 1] / np.median(sizes[betting, : pairs - 1], axis=1)
            shrink = np.sign(ratios[betting, pairs - 1]) * np.minimum(1.0, OUTLYING / relative)
            stakes = np.minimum(np.tanh(np.array(SLOPES) * relative[:, None]), LARGEST_STAKE)
            logs[betting] += np.log1p(stakes * shrink[:, None])
            highest = logs[betting].max(axis=1)
            walks.capital[betting, pairs - 1] = highest + np.log(np.exp(logs[betting] - highest[:, None]).mean(axis=1))
            walks.above[betting, pairs - 1] = middle[promising] > least
        if pairs < rules.LEAST_PAIRS:
            continue
        seen = np.maximum(spread[live], _deviations(made, middle))
        hope = middle + rules.CAUTION * seen * (rules.MEDIAN_ERROR if pairs > 2 else 1.0) / math.sqrt(pairs)
        sought = np.maximum(least + np.minimum(max(least, rules.SOUGHT_BEYOND), seen), seen - rules.COARSE)
        signal = np.minimum(np.maximum(hope / np.maximum(seen, 1e-12), 0.0), 10.0)
        grown = walks.capital[live, pairs - 1] + (most - pairs) * 0.67 * (1 - np.exp(-0.65 * signal**2))
        walks.hoped[betting, pairs - 1] = grown[promising]
        dropped = (hope <= sought) | (pairs >= most)
        walks.ends[live[dropped]] = pairs
        walks.promising[live[~dropped & (2 * middle >= sought)]] = True
        live = live[~dropped]
        if not live.size:
            break
    return walks


def _deviations(made: Floats, middle: Floats) -> Floats:
    distances = np.abs(made - middle[:, None])
    limit = WINSORISED * np.median(distances, axis=1)
    count = made.shape[1]
    means: Floats = np.minimum(distances, limit[:, None]).mean(axis=1)
    return TO_DEVIATION * means * math.sqrt(count / (count - 1))


def _by_server(case: Blueprint, values: Values, spread: Floats) -> Runs:
    runs, candidates, _ = values.ratios.shape
    kept, pairs = np.zeros((runs, candidates), bool), np.zeros((runs, candidates), int)
    for run in range(runs):
        spent = 0
        for candidate in range(candidates):
            ratios = values.ratios[run, candidate, : case.acceptance.max_pairs].tolist()
            servers = [str(number) for number in values.servers[run, candidate]]
            test = rules.test_of_gain(case.acceptance, spent + 1, float(spread[run]))
            count, standing = list(test.standings(ratios, servers))[-1]
            kept[run, candidate], pairs[run, candidate] = standing.verdict == "better", count
            spent += standing.promising and standing.verdict != "better"
    return Runs(kept, pairs)


def naive(values: Values, min_improvement: float) -> NDArray[np.bool_]:
    """The rule of one look: a normalised score above the champion's by `min_improvement`; who was kept."""
    times = np.exp(values.screens)
    scores = times[:, :1] / (times[:, :1] + times[:, 1:])
    champion = np.full(len(scores), 0.5)
    kept = np.zeros(scores.shape, bool)
    for candidate in range(scores.shape[1]):
        kept[:, candidate] = scores[:, candidate] > champion + min_improvement
        champion = np.where(kept[:, candidate], scores[:, candidate], champion)
    return kept


def upper_limit(count: int, total: int, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson limit: the share at which `count` or fewer of `total` get improbable."""
    low, high = count / total, 1.0
    logs = [math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) for k in range(count + 1)]
    for _ in range(60):
        share = (low + high) / 2
        if share >= 1.0:
            break
        below = sum(math.exp(c + k * math.log(share) + (total - k) * math.log1p(-share)) for k, c in enumerate(logs))
        low, high = (share, high) if below > 1 - confidence else (low, share)
    return high
