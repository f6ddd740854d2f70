"""Many runs at once: the judge's arithmetic on arrays, with every verdict taken from the real sequential test.

`tests/core/test_phantom.py` proves, on the same numbers, that this gives what the real judge gives, candidate by
candidate. Promotions do happen here: a false winner becomes the champion, and the run goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from phantom_problem import Values

from maabarium.acceptance.sequential import SignTest, share_of_alpha
from maabarium.blueprint.schema import Acceptance, Blueprint

__all__ = ["Runs", "naive", "simulate", "upper_limit"]

CONTINUE, BETTER, LOST = 0, 1, 2


@dataclass(frozen=True)
class Runs:
    """What became of R runs of C candidates: which were kept, and the pairs that each one took (0: not promising)."""

    kept: NDArray[np.bool_]
    pairs: NDArray[np.int64]


@cache
def _verdicts(acceptance: Acceptance, index: int) -> NDArray[np.int8]:
    """The real verdict after n pairs (rows, from 1) with w wins (columns)."""
    share = share_of_alpha(acceptance.alpha, index)
    code = {"continue": CONTINUE, "better": BETTER, "futile": LOST, "undecided": LOST}
    table = np.zeros((acceptance.max_pairs + 1, acceptance.max_pairs + 1), np.int8)
    for count in range(1, acceptance.max_pairs + 1):
        for wins in range(count + 1):
            table[count, wins] = code[SignTest(wins, count, share).verdict(acceptance.max_pairs)]
    return table


def simulate(blueprint: Blueprint, values: Values) -> Runs:
    """Judge all candidates of all runs by screening, confirmation and the run's error budget."""
    acceptance = blueprint.acceptance
    runs, candidates = values.screens.shape
    tables = np.stack([_verdicts(acceptance, index) for index in range(1, candidates + 1)])
    wins = np.log(values.champion / values.candidate) > np.log1p(acceptance.min_effect)
    won = wins.cumsum(axis=2)
    counts = np.arange(1, acceptance.max_pairs + 1)
    samples = np.full((runs, 1 + candidates * acceptance.max_pairs), np.inf)  # the champion's, padded with inf
    samples[:, 0] = values.baseline
    seen, confirmed = np.ones(runs, int), np.zeros(runs, int)
    kept, pairs = np.zeros((runs, candidates), bool), np.zeros((runs, candidates), int)
    for candidate in range(candidates):
        medians = _medians(samples, seen)
        at = np.flatnonzero(np.log(medians / values.screens[:, candidate]) > 0)
        if not at.size:
            continue
        steps = tables[confirmed[at][:, None], counts[None, :], won[at, candidate]]
        last = (steps != CONTINUE).argmax(axis=1)
        good = steps[np.arange(at.size), last] == BETTER
        confirmed[at] += 1
        kept[at, candidate], pairs[at, candidate] = good, last + 1
        for run, length, better in zip(at, last + 1, good, strict=True):
            if better:
                samples[run] = np.inf
                samples[run, :length], seen[run] = values.candidate[run, candidate, :length], length
            else:
                samples[run, seen[run] : seen[run] + length] = values.champion[run, candidate, :length]
                seen[run] += length
    return Runs(kept, pairs)


def _medians(samples: NDArray[np.float64], seen: NDArray[np.int64]) -> NDArray[np.float64]:
    """The median of the first `seen` values of each row. Sorts in place, which leaves the padding at the end."""
    used = samples[:, : int(seen.max())]
    used.sort(axis=1)
    rows = np.arange(len(samples))
    medians: NDArray[np.float64] = (samples[rows, (seen - 1) // 2] + samples[rows, seen // 2]) / 2
    return medians


def naive(values: Values, min_improvement: float) -> NDArray[np.bool_]:
    """The rule of one look: a normalised score above the champion's by `min_improvement`; who was kept."""
    scores = values.baseline[:, None] / (values.baseline[:, None] + values.screens)
    champion = np.full(len(values.baseline), 0.5)
    kept = np.zeros(values.screens.shape, bool)
    for candidate in range(values.screens.shape[1]):
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
