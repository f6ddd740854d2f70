"""What confinement costs: sessions of a one-test suite, `trusted` and every level that holds here, paired in one run.

    python benchmarks/sandbox/run.py [rounds]

A session is what the pytest evaluator starts on a suite that uses neither anyio nor hypothesis: other plug-ins of the
environment are loaded, nothing cached but what Python and pytest cache by themselves. Each round runs every level
once, in turn; shown are medians, and the median of the differences within the rounds. The goal is at most 15 % or 3 ms
more.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.processes import Command, Sandbox
from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.selection import available, describe

LEFT_OUT = ("cacheprovider", "maabarium", "anyio", "hypothesispytest")
WORDS = ["-m", "pytest", "-q", *(word for name in LEFT_OUT for word in ("-p", f"no:{name}"))]


def used() -> float:
    """CPU milliseconds of all processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


def session(sandbox: Sandbox, tree: Path, scratch: Path) -> tuple[float, float]:
    """Milliseconds of one session as the caller sees them, and CPU milliseconds with all that belongs to it."""
    command = Command(
        [sys.executable, *WORDS, "--rootdir", str(tree), str(tree)],
        cwd=tree,
        env={"HOME": str(scratch / "home"), "TMPDIR": str(scratch / "tmp")},
        writable=(tree, scratch),
    )
    before, began = used(), time.perf_counter()
    done = sandbox.run(command)
    took = time.perf_counter() - began
    if done.returncode != 0:
        raise SystemExit(done.output)
    return took * 1000, used() - before


def main(rounds: int) -> None:
    """Measure and print."""
    held = [("subprocess", "trusted")]
    for reach in available(SANDBOXES):
        if reach.ok:
            held.append((reach.backend, reach.level))
        else:
            print(f"{reach.backend} {reach.level}: {reach.reason}")
    with tempfile.TemporaryDirectory() as name:
        tree, scratch = Path(name, "tree"), Path(name, "scratch")
        for place in (tree, scratch / "home", scratch / "tmp"):
            place.mkdir(parents=True)
        (tree / "test_one.py").write_text("def test_one():\n    assert 1 + 1 == 2\n")
        sandboxes = {
            (backend, level): SANDBOXES[backend](SandboxOptions.model_validate({"level": level}), threading.Event())
            for backend, level in held
        }
        times: dict[tuple[str, str], list[tuple[float, float]]] = {pair: [] for pair in held}
        for number in range(rounds + 1):
            order = held if number % 2 else held[::-1]
            for pair in order:
                took = session(sandboxes[pair], tree, scratch)
                if number:  # the first one fills caches
                    times[pair].append(took)
    plain = times[held[0]]
    print(f"{rounds} rounds, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; wall clock, then CPU time")
    for pair in held:
        print(f"{describe(sandboxes[pair]):<42}", *(column(times[pair], plain, which) for which in (0, 1)), sep="   ")


def column(times: list[tuple[float, float]], plain: list[tuple[float, float]], which: int) -> str:
    """Median, best and paired difference of one clock."""
    more = statistics.median(a[which] - b[which] for a, b in zip(times, plain, strict=True))
    base = statistics.median(row[which] for row in plain)
    middle, best = statistics.median(row[which] for row in times), min(row[which] for row in times)
    return f"median {middle:6.0f} ms  best {best:5.0f}  paired {more:+6.1f} ms ({more / base:+.1%})"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
