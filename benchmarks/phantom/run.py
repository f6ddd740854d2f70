"""How often a run keeps something that is no better, and what it makes of real gains.

`python benchmarks/phantom/run.py`, about two minutes.

First every candidate is exactly as fast as the champion, so every promotion is false: the share of runs with any, with
its 95 % upper limit, for the acceptance rules of Maabarium and for the rule of one look; at `min_effect` 0, the hardest
case, or where `min_effect` is named at that. Then candidates have a planted gain: how many are kept, after how many
pairs, and how their estimates and intervals meet the truth. `--recorded FILE` (`benchmarks/instrument --noise` writes
it) takes noise from servers that were measured, resampled whole. Exit status 1 when an upper limit is above alpha, or
estimates are off by more than a tenth of the gain, or intervals cover the truth in less than 90 or more than 99 %.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from phantom_problem import NOISES, Draw, blueprint, of_noise, of_servers, read_recorded
from phantom_simulation import naive, simulate, upper_limit

from maabarium.acceptance.estimate import median_interval
from maabarium.acceptance.evidence import share_of_alpha

BLOCK = 100
MIN_IMPROVEMENT = 0.01
FOLDER = Path(__file__).parent
DEVIATIONS = (0.007, 0.010, 0.015)
ROBUST_OF_T = 0.7649 * 1.4826
"""Robust deviation of Student's t with 3 degrees of freedom."""


@dataclass(frozen=True)
class Planted:
    """What became of candidates with a real gain."""

    kept: float
    pairs: float
    """Median of those that were kept."""
    off: float
    """Mean estimate less the truth, over the truth."""
    covered: float

    def text(self) -> str:
        """In a table."""
        return f"{self.kept:6.1%} ({self.pairs:3.0f})"

    @property
    def sound(self) -> bool:
        """Whether estimates are within a tenth of the gain and intervals cover the truth as often as they say."""
        return abs(self.off) <= 0.1 and 0.9 <= self.covered <= 0.99


def neutral(draw: Draw, min_effect: float, seed: int, runs: int, candidates: int) -> tuple[int, int, float]:
    """Runs with a false promotion by our rule, by the naive one, and the mean number of pairs of a run."""
    case = blueprint(min_effect=min_effect)
    ours = theirs = pairs = 0
    for begin in range(0, runs, BLOCK):
        drawn = draw(seed + begin, min(BLOCK, runs - begin), candidates, case.acceptance.max_pairs, 0.0)
        judged = simulate(case, drawn)
        ours += int(judged.kept.any(axis=1).sum())
        pairs += int(judged.pairs.sum())
        theirs += int(naive(drawn, MIN_IMPROVEMENT).any(axis=1).sum())
    return ours, theirs, pairs / runs


def planted(draw: Draw, effect: float, index: int, min_effect: float, tries: int) -> Planted:
    """Candidates of this gain, each as the index-th one that is promising."""
    case = blueprint(min_effect=min_effect)
    alpha = 2 * share_of_alpha(case.acceptance.alpha, index)  # of which the first candidate has a half
    shifted = case.model_copy(update={"acceptance": case.acceptance.model_copy(update={"alpha": alpha})})
    drawn = draw(index, tries, 1, case.acceptance.max_pairs, effect)
    judged = simulate(shifted, drawn)
    truth, offs, covered = math.log1p(effect), [], []
    for row in np.flatnonzero(judged.kept[:, 0]):
        seen = drawn.ratios[row, 0, : judged.pairs[row, 0]].tolist()
        low, high = median_interval(seen) or (math.nan, math.nan)
        offs.append(math.expm1(median(seen)) - effect)
        covered.append(low <= truth <= high)
    pairs = judged.pairs[judged.kept]
    return Planted(
        float(judged.kept.mean()),
        float(np.median(pairs)) if pairs.size else math.nan,
        float(np.mean(offs)) / effect if offs else math.nan,
        float(np.mean(covered)) if covered else math.nan,
    )


def gaussian(deviation: float) -> Draw:
    """Pairs with this deviation."""
    return of_noise(lambda chance, when: chance.normal(0.0, deviation / math.sqrt(2), when.shape))


def heavy(deviation: float) -> Draw:
    """Pairs with heavy tails (Student, 3 degrees of freedom) and this robust deviation."""
    chance = np.random.default_rng(1)
    return of_servers((deviation / ROBUST_OF_T * chance.standard_t(3, (200_000, 1))).tolist())


def print_neutral(noises: dict[str, tuple[Draw, float, int]], candidates: int) -> float:
    """The table of false promotions; the highest upper limit."""
    print(f"any false promotion in runs of {candidates} neutral candidates")
    print(f"{'noise':50} {'runs':>5} {'ours':>7} {'95 % limit':>11} {'one look':>9} {'pairs each':>11} {'seconds':>8}")
    worst = 0.0
    for number, (name, (draw, min_effect, runs)) in enumerate(noises.items()):
        began = time.perf_counter()
        ours, theirs, pairs = neutral(draw, min_effect, 1_000_000 * number, runs, candidates)
        limit = upper_limit(ours, runs)
        worst = max(worst, limit)
        spent = time.perf_counter() - began
        shares = f"{runs:5} {ours / runs:7.2%} {limit:11.2%} {theirs / runs:9.1%}"
        print(
            f"{f'{name}, min_effect {min_effect:.0%}':44} {shares} {pairs / candidates:11.1f} {spent:8.1f}", flush=True
        )
    return worst


def print_planted(noises: dict[str, Draw], tries: int) -> bool:
    """The tables of power and of estimates; whether the estimates of 2, 5 and 10 % are sound."""
    print("\nkept (median pairs) of planted gains, as the 1st and as the 10th promising candidate of a run")
    cells = ((0.02, 0.01, 1), (0.02, 0.01, 10), (0.05, 0.01, 1), (0.05, 0.01, 10), (0.01, 0.0, 1))
    heads = [f"{effect:.0%}{'' if least else ', min 0'} {index}." for effect, least, index in cells]
    print(f"{'noise':36} " + " ".join(f"{head:>13}" for head in heads))
    for name, draw in noises.items():
        row = [planted(draw, effect, index, least, tries).text() for effect, least, index in cells]
        print(f"{name:36} " + " ".join(f"{cell:>13}" for cell in row), flush=True)
    print("\nestimates of the kept: mean error over the gain, and how often the 95 % interval covers the truth")
    print(f"{'noise':36} " + " ".join(f"{f'{effect:.0%}':>16}" for effect in (0.02, 0.05, 0.10)))
    sound = True
    for name, draw in noises.items():
        found = [planted(draw, effect, 1, 0.01, tries) for effect in (0.02, 0.05, 0.10)]
        sound = sound and all(each.sound for each in found)
        print(f"{name:36} " + " ".join(f"{f'{each.off:+.1%} {each.covered:.1%}':>16}" for each in found), flush=True)
    return sound


def main() -> int:
    """Measure, print all tables, say whether the promises hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="runs of each noise (default 2000)")
    parser.add_argument("--candidates", type=int, default=100, help="neutral candidates in a run (default 100)")
    parser.add_argument("--tries", type=int, default=1000, help="candidates of each planted gain (default 1000)")
    parser.add_argument(
        "--recorded", type=Path, action="append", metavar="FILE", help="noise by server (default: noise-*.json here)"
    )
    options = parser.parse_args()
    fewer = max(1, options.runs // 4)  # of the slow ones, in which a server is one bet
    noises = {name: (draw, 0.0, fewer if "layout" in name else options.runs) for name, draw in NOISES.items()}
    gains = {f"Gaussian, {each:.1%} a pair".replace("%", " %"): gaussian(each) for each in DEVIATIONS}
    gains |= {f"heavy-tailed, {each:.1%} a pair".replace("%", " %"): heavy(each) for each in DEVIATIONS}
    layout = "shared layout (0.3 %, servers of 4)"
    noises[f"{layout} "] = (NOISES[layout], 0.01, options.runs)
    gains[layout] = NOISES[layout]
    for path in options.recorded or sorted(FOLDER.glob("noise-*.json")):
        recorded, name = read_recorded(path), f"recorded, {path.stem.removeprefix('noise-')}"
        noises[name] = (recorded, 0.01, options.runs)
        noises[f"{name} "] = (recorded, 0.0, fewer)
        gains[name] = recorded
    worst = print_neutral(noises, options.candidates)
    sound = print_planted(gains, options.tries)
    alpha = blueprint().acceptance.alpha
    print(f"\nbound {alpha:.0%} - {'held' if worst <= alpha else 'BROKEN'} (highest limit {worst:.2%})")
    print(f"estimates within a tenth, intervals cover 90 to 99 % - {'held' if sound else 'BROKEN'}")
    return 0 if worst <= alpha and sound else 1


if __name__ == "__main__":
    sys.exit(main())
