"""What the plug-in costs a session that does not ask for it: paired starts with and without, in one environment.

    python benchmarks/inert/run.py [--pairs 40]

Each pair runs the same one-test suite twice, `pytest` and `pytest -p no:maabarium`, in random order, with third-party
autoload off but for ours, bytecode cached and written as usual. Printed: medians and the median of the differences
(target: at most 15 ms); whether the output is the same (but for durations and pytest's own list of installed
plug-ins); whether the plug-in opened a socket (an audit hook in the process counts).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_MS = 15.0
AUDIT = """
import atexit, pathlib, sys
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event.startswith("socket.") else None)
atexit.register(lambda: pathlib.Path("sockets").write_text("\\n".join(seen)))
"""


def session(folder: Path, *arguments: str) -> tuple[float, str]:
    """One session: seconds and what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    lines = [line for line in done.stdout.splitlines() if not line.startswith("plugins: ")]
    return seconds, re.sub(r"in \d+\.\d+s", "in 0s", "\n".join(lines)) + done.stderr


def sockets(folder: Path, *arguments: str) -> list[str]:
    """Socket events of one session."""
    (folder / "audit.py").write_text(AUDIT)
    session(folder, "-p", "audit", *arguments)
    return [line for line in (folder / "sockets").read_text().splitlines() if line]


def main() -> int:
    """Measure, print, and return 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    pairs = parser.parse_args().pairs
    dice = random.Random(1)
    sides = {"with": ("-p", "maabarium"), "without": ("-p", "no:maabarium")}
    taken: dict[str, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "test_one.py").write_text("def test_one():\n    assert True\n")
        printed = {side: session(folder, *arguments)[1] for side, arguments in sides.items()}  # warms the caches
        for _ in range(pairs):
            for side in dice.sample(list(sides), 2):
                taken[side].append(session(folder, *sides[side])[0] * 1000)
        opened = sockets(folder, *sides["with"])
    difference = statistics.median(a - b for a, b in zip(taken["with"], taken["without"], strict=True))
    result = {
        "pairs": pairs,
        "with_ms": round(statistics.median(taken["with"]), 1),
        "without_ms": round(statistics.median(taken["without"]), 1),
        "median_difference_ms": round(difference, 2),
        "limit_ms": LIMIT_MS,
        "same_output": printed["with"] == printed["without"],
        "sockets_opened": len(opened),
    }
    print(json.dumps(result, indent=2))
    return 0 if difference <= LIMIT_MS and result["same_output"] and not opened else 1


if __name__ == "__main__":
    sys.exit(main())
