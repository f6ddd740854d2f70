"""Which lines are suspicious: those that failing tests run and passing tests do not, and those in their tracebacks.

Ochiai (Abreu et al., 2007) and D* with exponent 2 (Wong et al., 2014) over the lines of a `LineMap`, once for all
failing tests together and once for each group of tests that fail alike, because a suite may have several faults.
The text of a failing test is untrusted: it is read with bounded effort and only ever changes an order.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from maabarium.code.tree import CodeTree, Imports
from maabarium.records import LineMap

__all__ = [
    "DETAIL", "FRAME", "Coverage", "FailingTest", "FaultMap", "frames_of", "lines_by_name", "mentions",
    "traced_lines",
]  # fmt: skip

Coverage = Mapping[str, Mapping[str, Sequence[int]]]
"""Test id -> path -> lines, as in `LineMap.by_test`."""
DETAIL = 20_000
"""Characters of a failing test's text that are read."""
FRAME = re.compile(r"^(?:E\s+)?(?:File \"([^\"\n]+)\", line (\d+)|([^\s:\"][^:\n\"]*\.\w+):(\d+)(?=:|\s|$))", re.M)
_ERROR = re.compile(
    r"^(?:E\s+|\S+\.py:\d+: )?((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Iteration|Interrupt|Warning))\b", re.M
)
_INNERMOST, _OUTER = 1.0, 0.35
"""How much a frame of a traceback counts."""

_Units = dict[str, list[tuple[str, tuple[int, ...], frozenset[str]]]]
"""Name of a function or class -> for each of that name its path, lines and the names it mentions."""
_NAMED: Mapping[type[ast.AST], str] = {ast.Name: "id", ast.Attribute: "attr", ast.arg: "arg"}
_STEPS = 4
_TEST_FILES = 60


def frames_of(detail: str) -> tuple[tuple[str, int], ...]:
    """The (path, line) that a traceback passes through, the innermost last."""
    found = FRAME.finditer(detail[:DETAIL])
    return tuple((match[1] or match[3], int(match[2] or match[4])) for match in found if len(match[2] or match[4]) < 8)


@dataclass(frozen=True)
class FailingTest:
    """A failing test as its text tells it: the frames of its traceback and the kind of error."""

    test: str
    frames: tuple[tuple[str, int], ...] = ()
    error: str = ""

    @classmethod
    def of(cls, test: str, detail: str) -> FailingTest:
        """Read what pytest, or another tool, said of a test."""
        errors = [match.rpartition(".")[2] for match in _ERROR.findall(detail[:DETAIL])]
        error = next((name for name in errors if name != "AssertionError"), "AssertionError" if errors else "")
        return FailingTest(test, frames_of(detail), error)


def traced_lines(maps: Iterable[LineMap | None], failing: Sequence[str], targets: Collection[str]) -> Coverage | None:
    """The lines by test of the first line map that knows of target lines which failing tests run."""
    known = [lines.by_test for lines in maps if lines is not None]
    return next((rows for rows in known if any(set(targets) & rows.get(test, {}).keys() for test in failing)), None)


@dataclass
class FaultMap:
    """Counts by path and line. `failed` are bit masks over the failing tests, `passed` numbers of passing tests."""

    tests: tuple[str, ...]
    groups: tuple[int, ...]
    failed: dict[str, dict[int, int]]
    passed: dict[str, Counter[int]]
    frames: dict[str, dict[int, float]] = field(default_factory=dict)
    """Path -> line -> share of failing tests whose traceback shows it, innermost frames in full."""

    @classmethod
    def of(
        cls, failing: Sequence[FailingTest], passing: Iterable[str], coverage: Coverage,
        targets: Collection[str], find: Callable[[str], str],
    ) -> FaultMap:  # fmt: skip
        """Count who runs which lines of target files. `find` gives the file that a path in a traceback means."""
        failed: dict[str, dict[int, int]] = {}
        for index, one in enumerate(failing):
            for path, lines in coverage.get(one.test, {}).items():
                if path in targets:
                    rows = failed.setdefault(path, {})
                    for line in lines:
                        rows[line] = rows.get(line, 0) | 1 << index
        passed: dict[str, Counter[int]] = {path: Counter() for path in failed}
        for test in passing:
            for path, lines in coverage.get(test, {}).items():
                if path in passed:
                    passed[path].update(lines)
        found = cls(tuple(one.test for one in failing), _groups(failing), failed, passed)
        found._add_frames(failing, targets, find)
        return found

    def _add_frames(self, failing: Sequence[FailingTest], targets: Collection[str], find: Callable[[str], str]) -> None:
        """Note where tracebacks pass through target files; what only a traceback shows counts as run by that test."""
        places = {path: find(path) for one in failing for path, _ in one.frames}
        for index, one in enumerate(failing):
            own = [(places[path], line) for path, line in one.frames if places[path] in targets]
            for depth, (path, line) in enumerate(reversed(own)):
                shown = self.frames.setdefault(path, {})
                shown[line] = shown.get(line, 0.0) + (_OUTER if depth else _INNERMOST) / len(failing)
                masks = self.failed.setdefault(path, {})
                masks[line] = masks.get(line, 0) | 1 << index

    def passing(self, path: str, line: int) -> int:
        """How many passing tests run a line."""
        return self.passed.get(path, Counter())[line]

    def score(self, mask: int, passing: int) -> float:
        """Suspicion of a line (0 to 1) by who runs it: the better of the view of all failing tests and of one group."""
        every = (1 << len(self.tests)) - 1
        best = _combined(mask.bit_count(), len(self.tests), passing)
        for group in self.groups:
            if group != every and mask & group:
                best = max(best, 0.8 * _combined((mask & group).bit_count(), group.bit_count(), passing))
        return best

    def lines(self, path: str) -> dict[int, float]:
        """The suspicious lines of a file, 0 to about 2: by who runs them, and by the tracebacks that show them."""
        shown = self.frames.get(path, {})
        masks = self.failed.get(path, {})
        return {n: self.score(mask, self.passing(path, n)) + shown.get(n, 0.0) for n, mask in masks.items()}


def _combined(failing: int, of: int, passing: int) -> float:
    """Ochiai, sharpened by D*: both are 1 for a line that all failing tests run and no passing one."""
    if not failing:
        return 0.0
    ochiai = failing / math.sqrt(of * (failing + passing))
    dstar = failing * failing / (passing + (of - failing) + failing * failing)
    return 0.7 * ochiai + 0.3 * dstar


def _groups(failing: Sequence[FailingTest]) -> tuple[int, ...]:
    """Failing tests that fail alike: same kind of error with the same innermost frames, else the same function."""
    found: dict[tuple[object, ...], int] = {}
    for index, one in enumerate(failing):
        function = one.test.partition("[")[0]
        found[("test", function)] = found.get(("test", function), 0) | 1 << index
        if one.error and one.error != "AssertionError" and one.frames:
            key = ("error", one.error, one.frames[-1])
            found[key] = found.get(key, 0) | 1 << index
    return tuple(dict.fromkeys(found.values()))


def mentions(node: ast.AST) -> frozenset[str]:
    """All names and attributes that occur below a node."""
    return frozenset(getattr(inner, _NAMED[type(inner)]) for inner in ast.walk(node) if type(inner) in _NAMED)


def lines_by_name(
    tree: CodeTree, imports: Imports, failing: Sequence[str], passing: Iterable[str], targets: Collection[str]
) -> Coverage:
    """The lines of target files that failing and passing tests (ids) may run."""
    tests = [*failing, *passing]
    files = {name: tree.find(name) for name in dict.fromkeys(test.partition("::")[0] for test in tests)}
    roots = dict.fromkeys(files[test.partition("::")[0]] for test in failing)
    near = [path for path in imports.reached(filter(None, roots)) if path in targets]
    known: _Units = {}
    for path in near or targets:
        _add_units(known, path, tree)
    shared: dict[str, frozenset[str]] = {}
    for path in tree.paths:
        if path.rpartition("/")[2] == "conftest.py":
            shared |= _functions(path, tree)
    found = list(dict.fromkeys(path for path in files.values() if path))[:_TEST_FILES]
    bodies = {path: {**shared, **_functions(path, tree)} for path in found}
    reached: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {}
    coverage: dict[str, dict[str, tuple[int, ...]]] = {}
    for test in tests:
        file, _, rest = test.partition("::")
        key = (file, rest.partition("[")[0].rpartition("::")[2])
        if key not in reached:
            functions = bodies.get(files[file], {})
            reached[key] = _closure(functions.get(key[1], frozenset()), functions, known)
        coverage[test] = reached[key]
    return coverage


def _add_units(known: _Units, path: str, tree: CodeTree) -> None:
    """Note the functions of a file by name; a class name stands for its special methods, which run unnamed."""
    module = tree.tree(path)
    for node in ast.walk(module) if module is not None else ():
        named = [node] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
        if isinstance(node, ast.ClassDef):
            named = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name.startswith("__")]
        for unit in named:
            lines = tuple(range(unit.body[0].lineno, (unit.end_lineno or unit.lineno) + 1))
            name = node.name if isinstance(node, ast.ClassDef) else unit.name
            known.setdefault(name, []).append((path, lines, mentions(unit)))


def _functions(path: str, tree: CodeTree) -> dict[str, frozenset[str]]:
    """Functions of a file and the names that each mentions."""
    units: _Units = {}
    _add_units(units, path, tree)
    return {name: frozenset().union(*(names for _, _, names in entries)) for name, entries in units.items()}


def _closure(start: frozenset[str], helpers: Mapping[str, frozenset[str]], known: _Units) -> dict[str, tuple[int, ...]]:
    lines: dict[str, set[int]] = {}
    seen: set[str] = set()
    names = set(start)
    for _ in range(_STEPS):
        fresh = names - seen
        seen |= fresh
        names = set()
        for name in fresh:
            names |= helpers.get(name, frozenset())
            for path, own, called in known.get(name, ()):
                lines.setdefault(path, set()).update(own)
                names |= called
    return {path: tuple(sorted(own)) for path, own in lines.items()}
