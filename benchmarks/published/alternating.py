"""Two trees beside one another in fresh processes, without Maabarium: which one does a rule's work in less CPU time.

A pair is two new interpreters with one hash seed, each with the package of its tree. They take turns on one core,
A B B A, a few milliseconds each, so that whatever the machine does hits both. Nothing here knows the instrument.
"""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ["Compared", "compare"]

CHILD = """
import runpy, sys, time
sys.path.insert(0, sys.argv[1])
rule = runpy.run_path(sys.argv[2])
work, times = rule["work"], max(1, rule["TIMES"] // int(sys.argv[3]))
work(times)
print("ready", flush=True)
for line in sys.stdin:
    began = time.process_time()
    work(times)
    print(time.process_time() - began, flush=True)
"""
PARTS = 10
"""A turn is this part of the rule's work."""
TURNS = 40
"""Of each side in a pair."""


@dataclass(frozen=True)
class Compared:
    """How many times as fast the second tree is: the median of the pairs, its standard error, and the pairs it won."""

    factor: float
    error: float
    won: int
    pairs: int


def compare(before: Path, after: Path, rule: Path, pairs: int, seed: int) -> Compared:
    """Measure so many pairs; the folders are those from which the package is imported."""
    chance = random.Random(seed)
    ratios = [_pair(before, after, rule, chance) for _ in range(pairs)]
    middle = median(ratios)
    spread = 1.4826 * median(abs(ratio - middle) for ratio in ratios)
    error = 1.2533 * spread / math.sqrt(pairs)
    return Compared(math.exp(middle), error, sum(ratio > 0 for ratio in ratios), pairs)


def _pair(before: Path, after: Path, rule: Path, chance: random.Random) -> float:
    """The log ratio of the CPU times of one pair; above 0: `after` is faster."""
    env = os.environ | {"PYTHONHASHSEED": str(chance.randrange(1, 1 << 32)), "PYTHONDONTWRITEBYTECODE": "1"}
    order = [before, after] if chance.random() < 0.5 else [after, before]
    children = [_start(folder, rule, env) for folder in order]
    spent = [0.0, 0.0]
    for turn in range(TURNS):
        for place in (0, 1) if turn % 2 else (1, 0):
            spent[place] += _turn(children[place])
    for child in children:
        child.communicate()
    first = math.log(spent[0] / spent[1])
    return first if order[0] is before else -first


def _start(folder: Path, rule: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    words: Sequence[str] = [sys.executable, "-c", CHILD, str(folder), str(rule), str(PARTS)]
    child = subprocess.Popen(words, env=env, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(child.pid, {max(os.sched_getaffinity(0))})
    assert child.stdout is not None
    if child.stdout.readline() != "ready\n":
        raise SystemExit(f"the work of {rule} does not run in {folder}")
    return child


def _turn(child: subprocess.Popen[str]) -> float:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    return float(child.stdout.readline())
