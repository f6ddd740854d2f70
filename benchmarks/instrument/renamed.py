"""Candidates that change names, comments and the order of definitions, and nothing else: none may be kept.

    python benchmarks/instrument/renamed.py [--candidates 300] [--runs 3] [--min-effect 0.01] [--load none]

Each run is `pytest --maabarium` with scripted proposals: real gates, real pairs, the real engine. The program reads a
log in a dozen small functions for about 0.1 s. Printed: how many candidates reached confirmation, their pairs, how many
were kept. Exit status 1 when one was.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from instrument_load import LOADS, loaded
from instrument_program import BLUEPRINT, RULE, units_of

from maabarium.records import Outcome
from maabarium.store import Store

FUNCTIONS = [
    "def _fields(_line):\n    _words = _line.split()\n    return _words\n",
    "def _page_of(_line):\n    _words = _fields(_line)\n    return _words[3]\n",
    "def _host_of(_line):\n    _words = _fields(_line)\n    return _words[1]\n",
    "def _size_of(_line):\n    _words = _fields(_line)\n    return int(_words[4])\n",
    "def _is_large(_line):\n    _size = _size_of(_line)\n    return _size > 400\n",
    "def _add(_counts, _key):\n    _counts[_key] = _counts.get(_key, 0) + 1\n",
    "def _most(_counts):\n    _best = max(_counts, key=_counts.get)\n    return _best\n",
    "def _total(_counts):\n    _sum = 0\n    for _each in _counts.values():\n        _sum += _each\n    return _sum\n",
    "def _batches(_units):\n    while _units > 0:\n        yield LINES[:_units]\n        _units -= len(LINES)\n",
    "def _seen_in(_lines, _pages, _hosts):\n    for _line in _lines:\n        _add(_pages, _page_of(_line))\n"
    "        if _is_large(_line):\n            _add(_hosts, _host_of(_line))\n",
    "def work(units=UNITS):\n    _pages, _hosts = {}, {}\n    for _lines in _batches(units):\n"
    "        _seen_in(_lines, _pages, _hosts)\n    assert _most(_pages) in _pages and _total(_hosts) <= units\n"
    "    return _pages\n",
]
HEAD = (
    '"""Reads a log."""\n\n'
    'LINES = [f"{{n}} host{{n % 31}} GET /page/{{n * 7919 % 97}} {{n % 500}}" for n in range(1_000)]\n'
    "UNITS = {units}\n"
)
SLOWER = 3
"""How many times the work of a unit is that of `instrument_program`."""
SYLLABLES = ("ba", "ko", "mi", "te", "zu", "ra", "ne", "lo", "pi", "sa")


def program(units: int, chance: random.Random | None = None) -> str:
    """The program; with chance: other names, comments and order."""
    functions = list(FUNCTIONS)
    if chance is None:
        return HEAD.format(units=units) + "".join(f"\n\n{_plain(text)}" for text in functions)
    chance.shuffle(functions)
    names: dict[str, str] = {}
    parts = [HEAD.format(units=units)]
    for text in functions:
        renamed = re.sub(r"\b_(\w+)", lambda found: names.setdefault(found[0], _word(chance, names.values())), text)
        remark = " ".join(_word(chance, ()) for _ in range(chance.randrange(1, 12)))
        lines = renamed.splitlines(keepends=True)
        lines.insert(chance.randrange(2), f"# {remark}\n")
        parts.append("\n\n" + "".join(lines))
    return "".join(parts)


def _plain(text: str) -> str:
    return re.sub(r"\b_(\w+)", r"\1", text)


def _word(chance: random.Random, taken: object) -> str:
    while True:
        word = "".join(chance.choice(SYLLABLES) for _ in range(chance.randrange(2, 7)))
        if word not in taken:  # type: ignore[operator]
            return word


def outcomes(folder: Path, seed: int, count: int, min_effect: float) -> list[Outcome]:
    """One run of so many candidates, all of it in `folder`."""
    chance, units = random.Random(seed), units_of(100) // SLOWER
    target = folder / "target"
    patches = [{"path": "work.py", "operation": "modify", "content": program(units, chance)} for _ in range(count)]
    scripted = [{"summary": f"rename {number}", "file_patches": [patch]} for number, patch in enumerate(patches)]
    proposer = '[proposer]\nkind = "scripted"\npath = "proposals.jsonl"\n'
    for name, text in {
        "work.py": program(units),
        "test_work.py": "from work import work\n\ndef test_work():\n    assert work(100)\n",
        "rules/test_speed.py": RULE,
        "blueprint.toml": BLUEPRINT.format(min_effect=min_effect) + proposer,
        "proposals.jsonl": "".join(json.dumps(line) + "\n" for line in scripted),
    }.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    database = folder / "runs.db"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    words = ["--maabarium", str(target / "blueprint.toml"), "--maabarium-db", str(database)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--maabarium-seed", str(seed)],
        cwd=folder,
        env=kept | {"XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"the run ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    with Store.open(database, readonly=True) as store:
        found = store.view(store.resolve("last")).outcomes
    return [outcome for outcome in found if outcome.number]


def main() -> int:
    """Run, print, and return 1 when anything was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=300, help="of all runs together (default 300)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--min-effect", type=float, default=0.01)
    parser.add_argument("--load", choices=LOADS, default="none")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before")
    made: list[Outcome] = []
    for number in range(options.runs):
        count = options.candidates // options.runs + (number < options.candidates % options.runs)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, loaded(options.load):
            made += outcomes(Path(folder), options.seed + number, count, options.min_effect)
        each = (time.perf_counter() - began) / count
        print(
            f"run {number + 1}: {count} candidates, {each:.2f} s each, load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    reasons = Counter(f"{outcome.verdict}: {outcome.reason_code}" for outcome in made)
    paired = [outcome for outcome in made if outcome.pairs]
    effects = [math.log(outcome.effect) for outcome in paired if outcome.effect]
    kept = [outcome for outcome in made if outcome.verdict == "promoted"]
    print(", ".join(f"{reason} {count}" for reason, count in reasons.most_common()))
    print(f"{len(paired)} were confirmed by pairs, {sum(outcome.pairs for outcome in made)} pairs in all")
    if effects:
        print(f"their effects: {min(effects):+.2%} to {max(effects):+.2%}")
    print(f"kept: {len(kept)} of {len(made)}")
    return 1 if kept else 0


if __name__ == "__main__":
    sys.exit(main())
