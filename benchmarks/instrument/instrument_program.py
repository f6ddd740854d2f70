"""The program that is measured: it counts lines of a log, and how many is known, so that every gain in it is known.

One unit of work is one line, and all lines are of one length. A champion with 2 % more units than the candidate is
beaten by 2 %; `checked` counts, in one process and for long, how much CPU time the extra units really take.
"""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median

__all__ = ["SOURCE", "blueprint", "checked", "files", "source", "units_of"]

SOURCE = "score:speed"
CHECKED = 10_000
"""Units of one run when the truth is checked."""
PROGRAM = '''"""Counts the pages of a log."""

LINES = [f"{{n:03}} host{{n % 31:02}} GET /page/{{n * 7919 % 97:02}} {{n % 500:03}}" for n in range(1_000)]
UNITS = {units}


def work(units=UNITS):
    """How often each page was asked for, in this many lines."""
    seen = {{}}
    while units > 0:
        for line in LINES[:units]:
            page = line.split()[3]
            seen[page] = seen.get(page, 0) + 1
        units -= len(LINES)
    return seen
'''
RULE = """
from work import UNITS, work

def test_speed(score):
    with score.timer("speed"):
        seen = work()
    assert sum(seen.values()) == UNITS
"""
BLUEPRINT = """
[blueprint]
name = "instrument"
version = "1"
description = "how well two programs are told apart"
[domain]
repo_path = "."
target_files = ["work.py"]
language = "python"
isolation = "snapshot"
[constraints]
max_iterations = 1000
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0.0
[metrics]
metrics = [{{ name = "speed", weight = 1.0, direction = "maximize", source = "score:speed" }}]
[evaluator]
rules = ["rules/test_speed.py"]
[acceptance]
min_effect = {min_effect}
"""
TIMED = """
import json, sys, time
scope = {}
exec(sys.stdin.read(), scope)
work, sizes, seconds = scope["work"], json.loads(sys.argv[1]), float(sys.argv[2])
for units in sizes:
    work(units)
spent, until = [], time.monotonic() + seconds
while time.monotonic() < until:
    row = {}
    for units in (*sizes, *reversed(sizes)):
        began = time.process_time()
        work(units)
        row[units] = row.get(units, 0.0) + time.process_time() - began
    spent.append([row[units] for units in sizes])
print(json.dumps(spent))
"""


def source(units: int, remark: str = "") -> str:
    """The program with this much work; `remark` is a comment that makes another file of the same program."""
    return PROGRAM.format(units=units) + (f"# {remark}\n" if remark else "")


def blueprint(min_effect: float) -> str:
    """The blueprint, with the least gain that counts."""
    return BLUEPRINT.format(min_effect=min_effect)


def files(units: int, min_effect: float) -> dict[str, str]:
    """The whole project."""
    return {
        "work.py": source(units),
        "test_work.py": "from work import work\n\ndef test_work():\n    assert work(10)\n",
        "rules/test_speed.py": RULE,
        "blueprint.toml": blueprint(min_effect),
    }


def _times(sizes: list[int], seconds: float) -> list[list[float]]:
    """CPU seconds of each size, in rounds that run them there and back, all in one process."""
    words = [sys.executable, "-c", TIMED, json.dumps(sizes), str(seconds)]
    done = subprocess.run(words, input=source(1), capture_output=True, text=True, check=True)
    rounds: list[list[float]] = json.loads(done.stdout)
    return rounds


def units_of(milliseconds: float) -> int:
    """How much work takes about this long here and now."""
    probe = 20_000
    fastest = min(row[0] / 2 for row in _times([probe], 1.0))
    return max(1_000, round(probe * milliseconds / 1000 / fastest))


def checked(more: float, seconds: float) -> tuple[float, float]:
    """How much more CPU time (share) `more` work takes, and that figure's standard error.

    Runs of some milliseconds take turns, so that drift hits both; the median of their ratios resists bursts.
    """
    ratios = [much / little for little, much in _times([CHECKED, round(CHECKED * (1 + more))], seconds)]
    middle = median(ratios)
    spread = 1.4826 * median(abs(ratio - middle) for ratio in ratios)
    return middle - 1, 1.2533 * spread / len(ratios) ** 0.5
