"""What failing tests say: where each stands in the tree, what of its traceback matters, and which lines it points at.

All of it is untrusted text that only ever changes an order or is shown as data. Knows no budget.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from maabarium.proposers.council.context.library import SourceFiles
from maabarium.proposers.council.context.symbols import Defined, first_line
from maabarium.records import TestResult, TestRole
from maabarium.safe_text import plain

__all__ = ["Failure", "condensed", "failures_of", "frames_of", "source_lines"]

_FRAME = re.compile(r"^(?:E\s+)?(?:File \"([^\"\n]+)\", line (\d+)|([^\s:\"][^:\n\"]*\.\w+):(\d+)(?=:|\s|$))", re.M)
_ERROR = re.compile(r"\b((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Iteration|Interrupt|Warning))\b")
_LONGEST = 20_000
_MOST = 200
"""Failing tests looked at: of a suite that is all red a part tells as much as the whole."""


@dataclass(frozen=True)
class Failure:
    """Failing tests of one function. `path` is empty when its source is not in the tree."""

    ids: tuple[str, ...]
    path: str
    names: tuple[str, ...]
    """The function, after its classes."""
    details: tuple[str, ...]
    outcome: str

    @property
    def function(self) -> str:
        """The id without parameters."""
        return self.ids[0].partition("[")[0]


def failures_of(tests: Iterable[TestResult], library: SourceFiles) -> tuple[Failure, ...]:
    """Failing tests by function, those that fail in different ways first."""
    grouped: dict[str, list[TestResult]] = {}
    for test in tests:
        if test.failed and test.role != "holdout":
            grouped.setdefault(test.id.partition("[")[0], []).append(test)
    found, seen = [], set()
    for function, results in list(grouped.items())[:_MOST]:
        file, *names = function.split("::")
        details = tuple(dict.fromkeys(result.detail for result in results if result.detail))
        way = _way(details[0] if details else "")
        ids = tuple(result.id for result in results)
        found.append(
            (
                way in seen,
                Failure(ids, test_file(file, results[0].role, library), tuple(names), details, results[0].outcome),
            )
        )
        seen.add(way)
    return tuple(failure for _, failure in sorted(found, key=lambda entry: entry[0]))


def frames_of(detail: str) -> list[tuple[str, int]]:
    """The (path, line) that a traceback passes through, the innermost last."""
    found = _FRAME.finditer(detail[:_LONGEST])
    return [(match[1] or match[3], int(match[2] or match[4])) for match in found if len(match[2] or match[4]) < 8]


def condensed(detail: str, most: int = 24) -> str:
    """The lines of a failure that say what happened: asserted values, raised errors, frames. At most so many.

    A text without such lines, from another tool than pytest, is shown by its last lines.
    """
    lines = plain(detail[:_LONGEST]).split("\n")
    telling = [line[:400].rstrip() for line in lines if line[:2] in ("E ", "> ", "E\t") or _FRAME.match(line)]
    if not telling:
        telling = [line[:400].rstrip() for line in lines if line.strip()]
    if len(telling) > most:
        cut = len(telling) - most
        telling = [*telling[: most // 3], f"[{cut} lines left out]", *telling[-(most - most // 3) :]]
    return "\n".join(telling)


def source_lines(failure: Failure, library: SourceFiles) -> list[tuple[int, int]]:
    """Line ranges of the test's file that show it: the function, its class's head, set-up and fixtures of the file.

    Empty when the source cannot be found.
    """
    if not failure.path or library.obstacle(failure.path):
        return []
    tree = library.tree(failure.path)
    if tree is None or not failure.names:
        return _mentioned(failure, library)
    ranges: list[tuple[int, int]] = []
    body: list[ast.stmt] = tree.body
    wanted: ast.stmt | None = None
    for name in failure.names:
        wanted = next((node for node in body if isinstance(node, Defined) and node.name == name), None)
        if wanted is None:
            return ranges or _mentioned(failure, library)
        if isinstance(wanted, ast.ClassDef):
            body = wanted.body
            ranges.append((first_line(wanted), max(wanted.lineno, first_line(body[0]) - 1)))
            ranges += [_range(n) for n in body if isinstance(n, ast.FunctionDef) and _is_setup(n.name)]
        else:
            ranges += [_range(wanted), *_fixtures(wanted, tree)]
    return ranges


def test_file(file: str, role: TestRole, library: SourceFiles) -> str:
    """A test's file in the tree; that of a rule, whose id begins with a folder of its own, may stand anywhere."""
    return library.find(file) or (library.find(file.partition("/")[2]) if role != "suite" else "")


def _way(detail: str) -> tuple[str, str]:
    """What two failures have in common: the last error named and the innermost place."""
    errors = _ERROR.findall(detail[-4000:])
    frames = frames_of(detail)
    return (errors[-1] if errors else "", str(frames[-1]) if frames else detail[-80:])


def _range(node: ast.stmt) -> tuple[int, int]:
    return first_line(node), node.end_lineno or node.lineno


def _is_setup(name: str) -> bool:
    return name in ("setUp", "setup_method", "setup_class", "setUpClass", "asyncSetUp")


def _fixtures(test: ast.stmt, tree: ast.Module) -> list[tuple[int, int]]:
    """Functions of the same file that the test names as arguments or calls."""
    if not isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    named = {argument.arg for argument in (*test.args.posonlyargs, *test.args.args, *test.args.kwonlyargs)}
    named |= {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    return [
        _range(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in named and node is not test
    ][:6]


def _mentioned(failure: Failure, library: SourceFiles) -> list[tuple[int, int]]:
    """For other languages: the blocks in which the test's name occurs."""
    name = failure.names[-1] if failure.names else ""
    if not name:
        return []
    lines = library.lines(failure.path)
    return [
        (chunk.first, chunk.last)
        for chunk in library.chunks(failure.path)
        if any(name in line for line in lines[chunk.first - 1 : chunk.last])
    ][:3]
