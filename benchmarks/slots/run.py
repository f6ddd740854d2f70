"""How many evaluations until the slots problem is solved: `python benchmarks/slots/run.py [--seeds N]`.

Prints the mean with its 95 % interval, median and worst case for our proposer and two baselines, measured on the
same instances. Exit status 1 when our mean is above the bound.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

from simulation import evaluations_of_mutate, evaluations_of_random_search, evaluations_of_random_slots

BOUND = 12.0
WAYS: dict[str, Callable[[int], int]] = {
    "mutate": evaluations_of_mutate,
    "keep-winner, random one-slot changes": evaluations_of_random_slots,
    "random search": evaluations_of_random_search,
}


def main() -> int:
    """Measure all ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="number of instances (default 50)")
    seeds = range(parser.parse_args().seeds)
    print(f"evaluations until solved, baseline included, {len(seeds)} instances")
    print(f"{'':38} {'mean':>7} {'95 %':>15} {'median':>7} {'worst':>6} {'ms each':>8}")
    means = {}
    for name, way in WAYS.items():
        began = time.perf_counter()
        counts = [way(seed) for seed in seeds]
        spent = (time.perf_counter() - began) * 1000 / sum(counts)
        means[name] = statistics.fmean(counts)
        half = 1.96 * statistics.stdev(counts) / len(counts) ** 0.5 if len(counts) > 1 else 0.0
        interval = f"{means[name] - half:.1f}-{means[name] + half:.1f}"
        median = statistics.median(counts)
        print(f"{name:38} {means[name]:7.1f} {interval:>15} {median:7.1f} {max(counts):6} {spent:8.2f}")
    reached = means["mutate"] <= BOUND
    print(f"bound for mutate: {BOUND:g} - {'reached' if reached else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
