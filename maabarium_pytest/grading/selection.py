"""Which tests are likeliest and cheapest to reject a candidate. Pure.

Known of tests: how often each rejected earlier candidates, and by the baseline's line map, which of them run what the
candidate changed. The choice decides only what is run first, never what is required.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from maabarium.code.edits import changed_blocks
from maabarium.code.python_file import parse
from maabarium.records import Evaluation, LineMap

__all__ = ["Coverage", "choose", "durations_of", "touched_lines"]

MOST = 40
"""Tests of one selection: beyond that, naming and collecting them costs more than they find."""
TEST_SECONDS = 0.001
FILE_SECONDS = 0.01
"""What reporting a test and collecting a file costs beside the test itself."""

Span = tuple[int, int]
"""Lines of a file from 1, both included."""


def choose(
    covering: Sequence[Sequence[str]],
    rejections: Mapping[str, int],
    durations: Mapping[str, float],
    budget: float,
    most: int = MOST,
) -> tuple[str, ...]:
    """Ids of tests, likeliest and cheapest first, that take at most `budget` seconds.

    `covering`: for each place that was changed the tests that run it, best first. `rejections`: how many candidates a
    test rejected. `durations`: seconds of each test that may be chosen; others are left out.
    """
    touching = {id for ids in covering for id in ids}
    before = sorted(rejections, key=lambda id: (-rejections[id] / (durations.get(id, 0.0) + TEST_SECONDS), id))
    order = [*(id for id in before if id in touching), *_in_turn(covering), *before]
    chosen: dict[str, None] = {}
    files: set[str] = set()
    for id in dict.fromkeys(order):
        file = id.partition("::")[0]
        cost = durations.get(id, budget + 1) + TEST_SECONDS + (0.0 if file in files else FILE_SECONDS)
        if cost <= budget and len(chosen) < most:
            budget -= cost
            files.add(file)
            chosen[id] = None
    return tuple(chosen)


def _in_turn(groups: Sequence[Sequence[str]], price: Mapping[str, int] | None = None) -> Iterable[str]:
    """The first of each, then the second of each, and so on; with a `price`, the cheapest of them first."""
    for place in range(max((len(group) for group in groups), default=0)):
        found = [group[place] for group in groups if place < len(group)]
        yield from found if price is None else sorted(found, key=price.__getitem__)


def touched_lines(base: bytes, champion: bytes, candidate: bytes) -> set[Span]:
    """Spans of the baseline's text in which candidate and champion differ; of an insertion, the lines around it."""
    ours, theirs = changed_blocks(base, candidate), changed_blocks(base, champion)
    differing = {span for span in ours.keys() | theirs.keys() if ours.get(span) != theirs.get(span)}
    return {(first, last) if first <= last else (max(1, last), first) for first, last in differing}


@dataclass(frozen=True)
class Coverage:
    """A line map by line, and which function each line belongs to."""

    tests: Mapping[str, Mapping[int, Sequence[str]]]
    """Ids by path and line, cheapest first."""
    price: Mapping[str, int]
    """Which is the cheapest of all, the second, and so on."""

    @classmethod
    def of(cls, lines: LineMap, durations: Mapping[str, float]) -> Coverage:
        """Turned round; only tests with a duration count."""
        found: dict[str, dict[int, list[str]]] = {}
        order = sorted(durations, key=lambda id: (durations[id], id))
        for id in order:
            for path, numbers in lines.by_test.get(id, {}).items():
                by_line = found.setdefault(path, {})
                for number in numbers:
                    by_line.setdefault(number, []).append(id)
        return cls(found, {id: number for number, id in enumerate(order)})

    def covering(self, path: str, base: bytes, spans: Iterable[Span]) -> list[list[str]]:
        """For each function (or the rest of the file) that these spans touch the tests that run it: those that run the
        touched lines themselves first, then the cheapest."""
        by_line, functions = self.tests.get(path, {}), _functions(base)
        places: dict[Span, set[int]] = {}
        for first, last in spans:
            for line in range(first, last + 1):
                inside = [span for span in functions if span[0] <= line <= span[1]]
                place = max(inside) if inside else (1, base.count(b"\n") + 1)
                places.setdefault(place, set()).add(line)
        groups = []
        for (first, last), lines in sorted(places.items()):
            exactly, around = self._running(by_line, sorted(lines)), self._running(by_line, range(first, last + 1))
            groups.append(list(dict.fromkeys([*exactly, *around])))
        return groups

    def _running(self, by_line: Mapping[int, Sequence[str]], lines: Iterable[int]) -> list[str]:
        """Tests that run any of the lines: each line's cheapest, then each line's second, and so on."""
        return list(dict.fromkeys(_in_turn([by_line[line] for line in lines if line in by_line], self.price)))


def _functions(source: bytes) -> list[Span]:
    """Spans of all functions of a file; none when it cannot be parsed."""
    tree = parse(source)
    nodes = ast.walk(tree) if tree is not None else ()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [(node.lineno, node.end_lineno or node.lineno) for node in nodes if isinstance(node, kinds)]


def durations_of(baseline: Evaluation, may: Callable[[str], bool]) -> dict[str, float]:
    """Seconds of the tests of the suite that passed whenever they ran, and of which `may` says that they may be
    chosen."""
    flaky = frozenset(baseline.flaky)
    passed = (t for t in baseline.tests if t.outcome == "passed" and t.role == "suite" and t.id not in flaky)
    return {test.id: test.duration for test in passed if may(test.id)}
