"""Failing tests in a prompt: where each stands in the tree, what of its traceback matters, and both as text.

All of it is untrusted: it only ever changes an order, or is shown as data.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maabarium.code.faults import DETAIL, FRAME, FailingTest
from maabarium.code.symbols import Defined, first_line
from maabarium.proposers.council.context.excerpts import Excerpts, PromptPart, cost_of
from maabarium.proposers.council.context.source_files import SourceFiles
from maabarium.proposers.tokens import estimate_tokens, fitting
from maabarium.records import TestResult, TestRole
from maabarium.safe_text import one_line, plain

__all__ = ["FailedFunction", "condensed", "failed_functions", "show_failures", "source_lines", "test_file"]

_TITLE, _SOURCE = "How tests fail now", "test output"
_MOST = 200
"""Failing functions looked at: of a suite that is all red a part tells as much as the whole."""
_SETUP = ("setUp", "setup_method", "setup_class", "setUpClass", "asyncSetUp")


@dataclass(frozen=True)
class FailedFunction:
    """Failing tests of one function. `path` is empty when its source is not in the tree."""

    tests: tuple[TestResult, ...]
    path: str
    names: tuple[str, ...]
    """The function, after its classes."""

    @property
    def details(self) -> tuple[str, ...]:
        """The different ways in which its tests fail."""
        return tuple(dict.fromkeys(test.detail for test in self.tests if test.detail))


def failed_functions(tests: Iterable[TestResult], library: SourceFiles) -> tuple[FailedFunction, ...]:
    """Failing tests by function; those whose kind of error and innermost place came up before go last."""
    grouped: dict[str, list[TestResult]] = {}
    for test in tests:
        if test.failed and test.role != "holdout":
            grouped.setdefault(test.id.partition("[")[0], []).append(test)
    new, known, seen = list[FailedFunction](), list[FailedFunction](), set[tuple[str, str]]()
    for function, results in list(grouped.items())[:_MOST]:
        file, *names = function.split("::")
        found = FailedFunction(tuple(results), test_file(file, results[0].role, library), tuple(names))
        detail = "".join(found.details[:1])
        failing = FailingTest.of("", detail)
        way = (failing.error, str(failing.frames[-1]) if failing.frames else detail[-80:])
        (known if way in seen else new).append(found)
        seen.add(way)
    return (*new, *known)


def show_failures(
    excerpts: Excerpts, failures: Sequence[FailedFunction], limit: int, most: int
) -> tuple[PromptPart | None, int, int]:
    """The text, what text and sources cost together, and how many failing tests are not even named.

    At most `most` functions are shown with source and traceback; the others are named as far as there is room.
    """
    left = limit - cost_of(PromptPart(_TITLE, "", _SOURCE))
    texts: list[str] = []
    told = 0
    for failure in failures[:most]:
        text = _text(failure, left // 2)
        cost = estimate_tokens(text) + 2
        if not text or cost > left:
            break
        left -= cost
        texts.append(text)
        told += 1
        ranges = source_lines(failure.path, failure.names, excerpts.library)
        if ranges:
            heads, share = excerpts.library.heads(failure.path), left if told == 1 else left * 2 // 3
            left -= excerpts.show_with(failure.path, ranges, heads, share) or 0
    named = [one_line(test.id, 160) for failure in failures[told:] for test in failure.tests]
    kept, rest = fitting(named, left - 8)
    if kept:
        left = rest
        texts.append("Also failing:\n" + "\n".join(kept))
    missing = len(named) - len(kept)
    if not texts:
        return None, 0, missing
    return PromptPart(_TITLE, "\n\n".join(texts) + "\n", _SOURCE), limit - left, missing


def _text(failure: FailedFunction, room: int) -> str:
    """One function's failure; a long traceback is shortened until it fits, at last to the id alone."""
    more = f" and {len(failure.tests) - 1} more of its cases" if len(failure.tests) > 1 else ""
    head = f"{one_line(failure.tests[0].id, 300)}{more}: {failure.tests[0].outcome}"
    for kept in (24, 10, 5):
        body = "\n".join(condensed(detail, kept) for detail in failure.details[: 2 if kept == 24 else 1])
        text = f"{head}\n{body}" if body else head
        if estimate_tokens(text) <= room:
            return text
    return head if estimate_tokens(head) <= room else ""


def condensed(detail: str, most: int = 24) -> str:
    """The lines of a failure that say what happened: asserted values, raised errors, frames. At most so many.

    A text without such lines, from another tool than pytest, is shown by its last lines.
    """
    lines = plain(detail[:DETAIL]).split("\n")
    telling = [line[:400].rstrip() for line in lines if line[:2] in ("E ", "> ", "E\t") or FRAME.match(line)]
    telling = telling or [line[:400].rstrip() for line in lines if line.strip()]
    if len(telling) > most:
        cut = len(telling) - most
        telling = [*telling[: most // 3], f"[{cut} lines left out]", *telling[-(most - most // 3) :]]
    return "\n".join(telling)


def source_lines(path: str, names: Sequence[str], library: SourceFiles) -> list[tuple[int, int]]:
    """Line ranges of the test's file that show it: the function, its class's head, set-up and fixtures of the file.

    Empty when the source cannot be found.
    """
    if not path or library.obstacle(path):
        return []
    tree = library.tree(path)
    if tree is None or not names:
        return _mentioned(path, names, library)
    ranges: list[tuple[int, int]] = []
    body: list[ast.stmt] = tree.body
    wanted: ast.stmt | None = None
    for name in names:
        wanted = next((node for node in body if isinstance(node, Defined) and node.name == name), None)
        if wanted is None:
            return ranges or _mentioned(path, names, library)
        if isinstance(wanted, ast.ClassDef):
            body = wanted.body
            ranges.append((first_line(wanted), max(wanted.lineno, first_line(body[0]) - 1)))
            ranges += [_range(n) for n in body if isinstance(n, ast.FunctionDef) and n.name in _SETUP]
        else:
            ranges += [_range(wanted), *_fixtures(wanted, tree)]
    return ranges


def test_file(file: str, role: TestRole, library: SourceFiles) -> str:
    """A test's file in the tree; that of a rule, whose id begins with a folder of its own, may stand anywhere."""
    return library.find(file) or (library.find(file.partition("/")[2]) if role != "suite" else "")


def _range(node: ast.stmt) -> tuple[int, int]:
    return first_line(node), node.end_lineno or node.lineno


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


def _mentioned(path: str, names: Sequence[str], library: SourceFiles) -> list[tuple[int, int]]:
    """For other languages: the blocks in which the test's name occurs."""
    lines = library.lines(path)
    return [
        (chunk.first, chunk.last)
        for chunk in library.chunks(path)
        if names and names[-1] and any(names[-1] in line for line in lines[chunk.first - 1 : chunk.last])
    ][:3]
