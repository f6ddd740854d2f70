"""How often a run keeps something that is no better: `python benchmarks/phantom/run.py [--runs N] [--candidates N]`.

Every candidate is exactly as fast as the champion, so every promotion is false. Prints the share of runs with any,
with its 95 % upper limit, for the acceptance rule of Maabarium and for the rule of one look; then the power at
2 % Gaussian noise. `min_effect` is 0, the hardest case. Exit status 1 when an upper limit is above alpha.
"""

from __future__ import annotations

import argparse
import math
import sys
import time

import numpy as np
from phantom_problem import NOISES, Noise, blueprint, values
from phantom_simulation import naive, simulate, upper_limit

BLOCK = 250
MIN_IMPROVEMENT = 0.01
EFFECTS = (0.02, 0.05, 0.10)
INDICES = (1, 10, 30, 100)


def neutral(noise: Noise, seed: int, runs: int, candidates: int) -> tuple[int, int, float]:
    """Runs with a false promotion by our rule, by the naive one, and the mean number of pairs of a run."""
    case = blueprint()
    ours = theirs = pairs = 0
    for begin in range(0, runs, BLOCK):
        drawn = values(noise, seed + begin, min(BLOCK, runs - begin), candidates, case.acceptance.max_pairs)
        judged = simulate(case, drawn)
        ours += int(judged.kept.any(axis=1).sum())
        pairs += int(judged.pairs.sum())
        theirs += int(naive(drawn, MIN_IMPROVEMENT).any(axis=1).sum())
    return ours, theirs, pairs / runs


def power(effect: float, index: int, min_effect: float, tries: int) -> tuple[float, float]:
    """Share of candidates that are kept, and the median pairs of those, as the index-th one to be confirmed."""
    case = blueprint(min_effect=min_effect)
    share = case.acceptance.alpha / (index * (index + 1))
    shifted = case.model_copy(update={"acceptance": case.acceptance.model_copy(update={"alpha": share * 2})})
    # alpha / 2 is the share of the first candidate: with twice the index-th share, the first one stands for it
    judged = simulate(shifted, values(NOISES["Gaussian, 2 %"], index, tries, 1, case.acceptance.max_pairs, effect))
    kept = judged.pairs[judged.kept]
    return float(judged.kept.mean()), float(np.median(kept)) if kept.size else math.nan


def main() -> int:
    """Measure, print both tables, say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="runs of each noise (default 2000)")
    parser.add_argument("--candidates", type=int, default=100, help="neutral candidates in a run (default 100)")
    options = parser.parse_args()
    alpha = blueprint().acceptance.alpha
    print(f"any false promotion in {options.runs} runs of {options.candidates} neutral candidates, min_effect 0")
    print(f"{'noise':34} {'ours':>7} {'95 % limit':>11} {'one look':>9} {'pairs a run':>12} {'seconds':>8}")
    worst = 0.0
    for number, (name, noise) in enumerate(NOISES.items()):
        began = time.perf_counter()
        ours, theirs, pairs = neutral(noise, 1_000_000 * number, options.runs, options.candidates)
        limit = upper_limit(ours, options.runs)
        worst = max(worst, limit)
        spent = time.perf_counter() - began
        shares = f"{ours / options.runs:7.2%} {limit:11.2%} {theirs / options.runs:9.1%}"
        print(f"{name:34} {shares} {pairs:12.0f} {spent:8.1f}", flush=True)
    print("\nkept (median pairs) at 2 % Gaussian noise, by how many candidates reached confirmation before")
    print(f"{'effect':34} " + " ".join(f"{f'index {index}':>13}" for index in INDICES))
    for effect in EFFECTS:
        for least in (0.0, 0.01):
            cells = [power(effect, index, least, 4000) for index in INDICES]
            row = " ".join(f"{share:7.1%} ({median:3.0f})" for share, median in cells)
            print(f"{f'{effect:.0%}, min_effect {least:.0%}':34} {row}")
    print(f"\nbound {alpha:.0%} - {'held' if worst <= alpha else 'BROKEN'} (highest limit {worst:.2%})")
    return 0 if worst <= alpha else 1


if __name__ == "__main__":
    sys.exit(main())
