"""Replies through parsing and applying: `python benchmarks/replies/run.py [--count N] [--seed N]`.

A fifth of the replies is faithful and must give exactly what it means; the others are broken: faithful ones and
recorded replies of a model after accidents, and whatever Hypothesis makes of the schema. Counts what became of them.
Then diffs are made of pairs of texts and applied, and megabytes of hostile text are read. Exit status 1 for a crash
(any exception but ProposalError), an escape (an edit outside the targets or of lines that were not shown), a faithful
reply that gave anything else, a diff that did not give its text back, or a hostile text that took over a second.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from reply_breakage import broken, slow_texts
from reply_cases import Case, faithful, shown_of, tree_of
from reply_checks import Result, outcome_of
from reply_inventions import REPLIES

from maabarium.code.diffs import apply_diff, parse_diff
from maabarium.code.edits import make_diff
from maabarium.proposers.council.replies import FORMATS, Shown

RECORDED = Path(__file__).with_name("recorded.jsonl")
KINDS = ("applied", "nothing", "unparseable", "does_not_apply", "out_of_bounds", "crash")
SLOWEST = 1.0
"""Seconds of processor time that a megabyte may take."""


def written(number: int, start: int) -> Iterator[Case]:
    """Faithful replies."""
    yield from (faithful(random.Random(start + index)) for index in range(number))


def mutated(number: int, start: int) -> Iterator[Case]:
    """Faithful replies after accidents."""
    for index in range(number):
        rng = random.Random(-1 - start - index)
        case = faithful(rng)
        yield replace(case, text=broken(rng, case.text), expected=None)


def recorded(number: int, start: int) -> Iterator[Case]:
    """Replies of a model to real prompts, as they were and after accidents."""
    lines = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    for index in range(number):
        rng = random.Random(start + index)
        one = lines[index % len(lines)]
        tree = tree_of(rng)
        text = one["text"].replace(one["path"], "src/app.py")
        tree["src/app.py"] = one["content"].encode()
        shown = (Shown("src/app.py", tree["src/app.py"]),)
        yield Case(text if index < len(lines) else broken(rng, text), one["format"], tree, shown)


def invented(number: int, start: int) -> Iterator[Case]:
    """Whatever Hypothesis makes: texts, and JSON in about the schema."""
    cases: list[Case] = []

    @seed(start)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(FORMATS), REPLIES, st.integers(0, 2**32))
    def collect(format: str, text: str, number: int) -> None:
        rng = random.Random(number)
        tree = tree_of(rng)
        cases.append(Case(text, format, tree, shown_of(rng, tree)))  # type: ignore[arg-type]

    collect()
    yield from cases


def counted(name: str, cases: Iterator[Case]) -> tuple[int, bool, float]:
    """Print the row of one origin. Returns the number of replies, whether all was well, and the slowest one."""
    kinds: Counter[str] = Counter()
    escapes = wrong = 0
    slowest = 0.0
    for case in cases:
        result = outcome_of(case)
        kinds[result.kind] += 1
        escapes += result.escaped
        wrong += result.wrong
        slowest = max(slowest, result.seconds)
        if result.kind == "crash" or result.escaped or result.wrong:
            complain(name, case, result)
    cells = " ".join(f"{kinds[kind]:14d}" for kind in KINDS)
    print(f"{name:12} {kinds.total():8d} {cells} {escapes:8d} {wrong:6d}", flush=True)
    return kinds.total(), not (kinds["crash"] or escapes or wrong), slowest


def complain(name: str, case: Case, result: Result) -> None:
    """Show one reply that broke a promise."""
    print(
        f"  {name}: {result.kind}: {result.problem}\n    {case.format} {case.text[:1000]!r}\n    {case.expected!r}"[
            :3000
        ]
    )


def round_trips(number: int, start: int) -> int:
    """Diffs made and applied that did not give the text back."""
    wrong = 0
    for index in range(number):
        rng = random.Random(start + index)
        before, after = rng.choice(list(tree_of(rng).values())), rng.choice(list(tree_of(rng).values()))
        if rng.random() < 0.5:  # related texts have several small hunks
            lines = before.split(b"\n")
            after = b"\n".join(line for line in lines for _ in range(rng.choice((0, 1, 1, 1, 1, 2))))
        text = make_diff(before, after, "src/app.py")
        wrong += (apply_diff(parse_diff(text), before) if text else before) != after
    return wrong


def hostile() -> float:
    """Read each slow text twice in two formats (`whole` reads differently). Prints and returns the longest time."""
    rng = random.Random(0)
    tree = tree_of(rng)
    tree["src/app.py"] = b"a\n" * 2000 + b"b\nx = 1\n"
    worst = 0.0
    gc.collect()  # what the replies left behind is not part of the measurement
    for name, text in slow_texts().items():
        shown = (Shown("src/app.py", tree["src/app.py"]),)
        cases = [Case(text, form, tree, shown) for form in ("blocks", "whole")]
        spent = max(min(outcome_of(case).seconds for _ in range(2)) for case in cases)
        worst = max(worst, spent)
        print(f"  {name:24} {len(text) / 2**20:5.2f} MB {spent * 1000:7.0f} ms", flush=True)
    return worst


def main() -> int:
    """Count, print, say whether everything held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="replies in all (default 100000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began, fifth, start = time.perf_counter(), options.count // 5, options.seed * 10**9
    print(f"{'origin':12} {'replies':>8} " + " ".join(f"{kind:>14}" for kind in KINDS) + "  escapes  wrong")
    rows = [
        counted("faithful", written(fifth, start)),
        counted("mutated", mutated(options.count - 3 * fifth, start)),
        counted("recorded", recorded(fifth, start)),
        counted("hypothesis", invented(fifth, options.seed)),
    ]
    different = round_trips(options.count, start)
    total, well, slowest = sum(row[0] for row in rows), all(row[1] for row in rows), max(row[2] for row in rows)
    print(f"{total} replies, seed {options.seed}; the slowest took {slowest * 1000:.0f} ms")
    print(f"{options.count} diffs made and applied again, different: {different}")
    print("hostile texts, the slower of two formats:")
    worst = hostile()
    held = well and not different and worst <= SLOWEST
    print(f"{'all held' if held else 'BROKEN'} in {time.perf_counter() - began:.0f} s")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
