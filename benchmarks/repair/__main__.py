"""How many single faults are repaired, and after how many evaluations: `python -m benchmarks.repair`."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.repair.faults import OPERATORS, Fault, inject
from benchmarks.repair.loop import Files, Run, Suite, failing, mutate, repair
from benchmarks.repair.real import repair_for_real

TARGET = Path(__file__).parent / "target"
PACKAGE = "kitbag"


def noticed(faults: Iterable[Fault], sound: Files, suite: Run, count: int) -> Iterator[tuple[Fault, int]]:
    """Faults that at least one test notices, with how many do; those that hang or break an import are left out,
    because no run starts from a baseline without results."""
    expected = suite(sound, trace=False)
    if not expected.tests or failing(expected):
        raise SystemExit("the sound target's suite must be green")
    for fault in faults:
        if not count:
            return
        found = suite(Files({**sound.contents, fault.path: fault.content}), trace=False)
        if found.failed_gate is None and failing(found) and len(found.tests) == len(expected.tests):
            yield fault, len(failing(found))
            count -= 1


def tree() -> Files:
    """The sound target."""
    return Files({path.relative_to(TARGET).as_posix(): path.read_bytes() for path in sorted(TARGET.rglob("*.py"))})


def main() -> int:
    """Print the table; exit 1 if fewer than the wanted share were repaired."""
    options = _options()
    started = time.monotonic()
    spent: list[int | None] = []
    print("| # | operator | site | change | red tests | evaluations |\n|--:|---|---|---|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        suite = Suite(TARGET, Path(folder) / "work", PACKAGE, 5.0)
        faults = inject(TARGET / PACKAGE, options.seed, operators=options.operators)
        for number, (fault, red) in enumerate(noticed(faults, tree(), suite, options.faults), 1):
            faulty = Files({**tree().contents, fault.path: fault.content})
            if options.real:
                result = repair_for_real(faulty, suite, Path(folder) / f"real{number}", options.budget)
            else:
                lines = not options.no_lines
                result = repair(faulty, suite, mutate(), targets=f"{PACKAGE}/", budget=options.budget, lines=lines)
            spent.append(result.evaluations if result.repaired else None)
            shown = fault.change.replace("|", "\\|")
            answer = result.evaluations if result.repaired else "-"
            site = f"{fault.path}:{fault.line}"
            print(f"| {number} | {fault.operator} | {site} | `{shown}` | {red} | {answer} |", flush=True)
            if options.verbose:
                print("    " + "; ".join(result.kept))
    return _verdict(spent, options, time.monotonic() - started)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.repair")
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--budget", type=int, default=60, help="evaluations per fault")
    parser.add_argument("--want", type=float, default=0.6, help="share that must be repaired")
    parser.add_argument("--operators", choices=tuple(OPERATORS), default="usual", help="which faults are injected")
    parser.add_argument("--no-lines", action="store_true", help="without line coverage: tracebacks and names only")
    parser.add_argument("--real", action="store_true", help="through git, engine and evaluator instead of a simulation")
    parser.add_argument("--verbose", action="store_true", help="print the changes that were kept")
    return parser.parse_args()


def _verdict(spent: list[int | None], options: argparse.Namespace, seconds: float) -> int:
    solved = [count for count in spent if count is not None]
    share = len(solved) / max(len(spent), 1)
    median = statistics.median(solved) if solved else 0
    print(
        f"\n{len(solved)} of {len(spent)} repaired ({share:.0%}) within {options.budget} evaluations; median {median:g}"
    )
    print(f"seed {options.seed}, operators {options.operators}, {seconds:.0f} s")
    return 0 if share >= options.want else 1


if __name__ == "__main__":
    sys.exit(main())
