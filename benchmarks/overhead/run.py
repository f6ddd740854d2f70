"""The price of a whole experiment beside pytest by hand and an iteration of OpenEvolve, in one run.

    python benchmarks/overhead/run.py [--experiments 20] [--rounds 2] [--no-package] [--no-openevolve]

Ours: scripted proposals that change one constant, a suite of one test, an exact metric, level `standard`. By hand:
`python -m pytest` in the same checkout with the same plug-ins, bytecode written as usual. OpenEvolve (extra `bench`):
its own process, a local server that answers at once, the same program and the same test. Then a published package with
1 902 tests: candidates that are sound and five that are not, against the suite's own run by hand. The three take turns,
`--rounds` times. Times are medians of the wall clock.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import overhead_openevolve as openevolve
import overhead_package as package
from overhead_runs import PARTS, Experiment, by_hand, run_ours
from overhead_target import ONE_TEST, limited, write_project, write_run

WAYS = {"ours, warm": True, "ours, cold": False}
"""How our sessions are run: what `evaluator.warm` says."""


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=20, help="of each of our runs (default 20)")
    parser.add_argument("--rounds", type=int, default=2, help="how often all take turns (default 2)")
    parser.add_argument("--no-package", action="store_true", help="leave the published package out")
    parser.add_argument("--no-openevolve", action="store_true", help="leave OpenEvolve out")
    options = parser.parse_args()
    if options.experiments < 2 or options.rounds < 1:
        parser.error("at least 2 experiments and 1 round")
    load = os.getloadavg()[0]
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f} before")
    with tempfile.TemporaryDirectory() as folder:
        one_test(Path(folder), options.experiments, options.rounds, openevolve_too=not options.no_openevolve)
        if not options.no_package:
            published(Path(folder, "package"))
    print(f"\nload {os.getloadavg()[0]:.1f} after")


def one_test(folder: Path, count: int, rounds: int, *, openevolve_too: bool) -> None:
    """The suite of one test: all ways in turn."""
    target, theirs = folder / "target", folder / "theirs"
    for place in (target, theirs):
        place.mkdir()
        write_project(place, ONE_TEST)
    proposals = [(f"limit {limit}", "paging.py", limited(limit)) for limit in range(101, 101 + count)]
    hand: list[float] = []
    ours: dict[str, list[Experiment]] = {way: [] for way in WAYS}
    other: list[float] = []
    turn = max(2, count // 4)
    version = openevolve.version() if openevolve_too else None
    for number in range(rounds):
        for way, warm in WAYS.items():
            hand += by_hand(target, turn)
            blueprint = write_run(folder, f"{slug(way)}-{number}", ["paging.py"], proposals, warm=warm)
            ours[way] += run_ours(blueprint)
        hand += by_hand(target, turn)
        if version:
            other += openevolve.iterations(folder / f"openevolve-{number}", theirs, count)
            hand += by_hand(target, turn)
    base = statistics.median(hand)
    print(f"\na suite of one test; {rounds} rounds of {count} experiments")
    print(f"{'':34} {'median':>10} {'of pytest by hand':>18} {'of an OpenEvolve iteration':>27}")
    rows = [(f"{way}: an experiment", [each.wall for each in done]) for way, done in ours.items()]
    rows.append(("python -m pytest by hand", hand))
    if version:
        rows.append((f"OpenEvolve {version}: an iteration", other))
    for name, taken in rows:
        middle = statistics.median(taken)
        against = f"{middle / statistics.median(other):27.2f}" if other else f"{'-':>27}"
        print(f"{name:34} {middle * 1000:7.1f} ms {middle / base:18.3f} {against}")
    if not version:
        why = "not asked for" if not openevolve_too else "not installed: pip install 'maabarium[bench]'"
        print(f"OpenEvolve: {why}")
    for way, done in ours.items():
        phases(way, done)


def slug(way: str) -> str:
    """A name for a folder."""
    return way.replace(", ", "-")


def phases(way: str, done: Sequence[Experiment]) -> None:
    """One run's experiments by phase."""
    sessions, warm = sum(each.sessions for each in done), sum(each.warm for each in done)
    print(f"\n{way} ({warm} of {sessions} sessions were forked), by phase: medians, which need not sum to the whole's")
    for part, what in PARTS.items():
        print(f"{part:24} {statistics.median(each.parts[part] for each in done) * 1000:8.2f} ms   {what}")
    print(f"{'all but the session':24} {statistics.median(each.beside for each in done) * 1000:8.2f} ms")
    print(f"{'Outcome.duration':24} {statistics.median(each.duration for each in done) * 1000:8.2f} ms")


def published(folder: Path) -> None:
    """The package: its suite by hand, sound candidates, and faults."""
    target = folder / "target"
    folder.mkdir()
    problem = package.unpack(target)
    if problem:
        print(f"\npackage: {problem}")
        return
    write_project(target, {})
    proposals = []
    for number, function in enumerate(package.FAULTS):
        proposals += [package.sound(target, number), package.faulty(target, function)]
    own = by_hand(target, 2)
    tried = {}
    for way, warm in WAYS.items():
        blueprint = write_run(folder, slug(way), ["src/**/*.py"], proposals, warm=warm)
        tried[way] = run_ours(blueprint)
    own += by_hand(target, 2)
    base = statistics.median(own)
    print(f"\n{package.NAME}; its own run by hand {base:.2f} s ({min(own):.2f} to {max(own):.2f}), of which:")
    for way, done in tried.items():
        sound, faulty = done[::2], done[1::2]
        middle = statistics.median(each.wall for each in sound)
        warm = sum(each.warm for each in done)
        print(f"{way}: {warm} of {sum(each.sessions for each in done)} sessions were forked")
        print(f"{f'{way}: a sound candidate':34} {middle:7.2f} s {middle / base:7.3f}   {_endings(sound)}")
        for function, each in zip(package.FAULTS, faulty, strict=True):
            print(f"{f'  fault in {function}':34} {each.wall:7.2f} s {each.wall / base:7.3f}   {_endings([each])}")
        middle = statistics.median(each.wall for each in faulty)
        print(f"{f'{way}: a failing candidate':34} {middle:7.2f} s {middle / base:7.3f}")


def _endings(done: Sequence[Experiment]) -> str:
    return ", ".join(sorted({f"{each.verdict}: {each.reason}" for each in done}))


if __name__ == "__main__":
    sys.exit(main())
