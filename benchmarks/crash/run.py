"""Kill runs at random instants, resume them, and compare: `python benchmarks/crash/run.py [--kills 100] [--seed N]`.

Every killed and resumed run must end exactly like the one that nobody disturbed, see `crash_state`, and harm
nothing of the user's. Exit status 1 unless all are equal; the folders of those that are not are kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from crash_case import Result, draw, reference, run_case


def main() -> int:
    """Run all cases, two at a time, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="number of killed runs (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="draws the instants (default 1)")
    parser.add_argument("--at-once", type=int, default=2, help="how many at a time (default 2)")
    parser.add_argument("--api", action="store_true", help="run `maabarium.run` by itself, not in a pytest session")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="maabarium-crash-"))
    began = time.perf_counter()
    expected, wall, transitions = reference(root / "reference", by_pytest=not options.api)
    rows = sum(len(rows) for rows in expected.values())
    print(f"undisturbed: {wall:.1f} s, {transitions} transitions, {rows} rows compared", flush=True)
    cases = draw(options.kills, options.seed, wall, transitions)
    results = []
    with ThreadPoolExecutor(options.at_once) as pool:
        play = [pool.submit(run_case, root, case, expected, by_pytest=not options.api) for case in cases]
        for future in as_completed(play):
            results.append(future.result())
            if results[-1].problems:
                print(f"case {results[-1].case}:", *results[-1].problems, sep="\n  ", flush=True)
    print_table(results)
    equal = sum(not result.problems for result in results)
    print(f"{equal} of {len(results)} equal, {time.perf_counter() - began:.0f} s")
    if equal < len(results):
        print(f"kept: {root}")
    return equal < len(results)


def print_table(results: list[Result]) -> None:
    """How many kills came when, and how many of those ended equal."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        label = "before the run was stored" if result.anew else "after the run had ended" if not result.kills else ""
        low = result.transitions // 6 * 6
        groups.setdefault(label or f"after {low:2} to {low + 5:2} transitions", []).append(result)
    print(f"{'killed':<30}{'runs':>6}{'kills':>7}{'groups':>8}{'equal':>7}")
    for label, found in sorted(groups.items()):
        kills, whole = sum(one.kills for one in found), sum(one.case.group for one in found)
        print(f"{label:<30}{len(found):>6}{kills:>7}{whole:>8}{sum(not one.problems for one in found):>7}")


if __name__ == "__main__":
    sys.exit(main())
