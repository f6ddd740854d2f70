"""The facts of one request brought together: parsed target files, symptoms of failing tests, and the spectrum.

Knows how files and tests name one another; knows no operator and no order of changes.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maabarium.code.python_file import PythonFile
from maabarium.plugins.protocols import ProposalRequest, TreeView
from maabarium.proposers import reach
from maabarium.proposers.mutate.repairs.spectrum import Coverage, Spectrum
from maabarium.proposers.mutate.repairs.survey import Statement, survey
from maabarium.proposers.mutate.repairs.symptoms import Symptom, read
from maabarium.records import Evaluation, TestResult

__all__ = ["Evidence", "File", "Shelf", "failing"]

_MOST_TESTS = 400
"""Failing tests looked at in detail; of a suite that is all red a part tells as much as the whole."""


_INNERMOST, _OUTER = 1.0, 0.35
"""How much a frame of a traceback counts."""


@dataclass(frozen=True)
class File:
    """One parsed file with its statements and the lines that read each name."""

    content: bytes
    source: PythonFile
    statements: tuple[Statement, ...]
    reads: dict[str, tuple[int, ...]]
    path: str

    @functools.cached_property
    def units(self) -> reach.Units:
        """Functions of the file by name; only asked for where no line map is."""
        return reach.units(self.path, self.source.tree)


class Shelf:
    """Parsed files by path and content hash, the least recently used forgotten first."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._files: OrderedDict[tuple[str, bytes], File | None] = OrderedDict()

    def file(self, path: str, content: bytes) -> File | None:
        """The parsed file; None if it cannot be parsed or edited."""
        key = (path, hashlib.sha256(content).digest())
        if key in self._files:
            self._files.move_to_end(key)
            return self._files[key]
        source = PythonFile.read(content)
        found = None
        if source is not None:
            found = File(content, source, tuple(survey(source)), _reads(source.tree), path)
        self._files[key] = found
        if len(self._files) > self._size:
            self._files.popitem(last=False)
        return found


@dataclass(frozen=True)
class Evidence:
    """What is known about the champion's faults."""

    files: dict[str, File]
    symptoms: tuple[Symptom, ...]
    spectrum: Spectrum

    @classmethod
    def of(
        cls, request: ProposalRequest, contents: Mapping[str, bytes], evaluation: Evaluation, shelf: Shelf
    ) -> Evidence | None:
        """Gather it for target files of these contents, which were evaluated thus.

        None when no test fails or no file can be edited.
        """
        tests = evaluation.tests
        symptoms = tuple(read(result) for result in failing(tests)[:_MOST_TESTS])
        if not symptoms:
            return None
        parsed = {path: shelf.file(path, content) for path, content in contents.items()}
        files = {path: file for path, file in parsed.items() if file is not None}
        if not files:
            return None
        passing = [result.id for result in tests if result.outcome == "passed"]
        coverage = _coverage(request, evaluation, files, shelf, [symptom.test for symptom in symptoms], passing)
        spectrum = Spectrum.of(coverage, symptoms, passing)
        _show_frames(spectrum, symptoms, files)
        return cls(files, symptoms, spectrum)

    def using(self, statement: Statement) -> list[tuple[str, int]]:
        """Lines that read a name which a statement that runs on import binds; none for other statements."""
        if not statement.deferred:
            return []
        names = [name for name in statement.binds if statement.scope.kind != "function"]
        return [
            (path, line) for name in names for path, file in self.files.items() for line in file.reads.get(name, ())
        ]


def failing(tests: Iterable[TestResult]) -> list[TestResult]:
    """Tests that did not do what they should."""
    return [result for result in tests if result.outcome in ("failed", "error")]


def _content(files: TreeView, path: str) -> bytes:
    try:
        return files.read(path)
    except KeyError:
        return b"("  # gone: does not parse, so it is passed over


def _reads(tree: ast.Module) -> dict[str, tuple[int, ...]]:
    found: dict[str, set[int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.setdefault(node.id, set()).add(node.lineno)
        elif isinstance(node, ast.Attribute):
            found.setdefault(node.attr, set()).add(node.lineno)
    return {name: tuple(sorted(lines)) for name, lines in found.items()}


def _coverage(
    request: ProposalRequest,
    evaluation: Evaluation,
    files: dict[str, File],
    shelf: Shelf,
    failed: Sequence[str],
    passing: Sequence[str],
) -> Coverage:
    """Lines by test: as measured then, else at the baseline, else guessed from names."""
    for lines in (evaluation.lines, request.baseline.lines):
        if lines is not None and any(lines.by_test.get(test, {}).keys() & files.keys() for test in failed):
            return lines.by_test
    names = {test.partition("::")[0] for test in (*failed, *passing)}
    bodies: dict[str, dict[str, frozenset[str]]] = {}
    shared: dict[str, frozenset[str]] = {}
    for path in request.files.paths():
        fixture = path.rpartition("/")[2] == "conftest.py"
        if fixture or any(path == name or path.endswith("/" + name) for name in names):
            parsed = shelf.file(path, _content(request.files, path))
            own = {name: e[2] for name, entries in parsed.units.items() for e in entries} if parsed else {}
            bodies[path] = own
            shared.update(own if fixture else {})
    bodies = {path: {**shared, **own} for path, own in bodies.items()}
    return reach.coverage((*failed, *passing), bodies, [file.units for file in files.values()])


def _show_frames(spectrum: Spectrum, symptoms: Sequence[Symptom], files: dict[str, File]) -> None:
    """Note where tracebacks pass through target files; what only a traceback shows counts as run by that test."""
    for index, symptom in enumerate(symptoms):
        own = [(found, line) for path, line in symptom.frames if (found := _target(path, files)) is not None]
        for depth, (path, line) in enumerate(reversed(own)):
            rows = spectrum.frames.setdefault(path, {})
            rows[line] = rows.get(line, 0.0) + (_INNERMOST if depth == 0 else _OUTER) / len(symptoms)
            masks = spectrum.failed.setdefault(path, {})
            masks[line] = masks.get(line, 0) | 1 << index


def _target(path: str, files: dict[str, File]) -> str | None:
    """The target file that a traceback means, whatever folder it stood in when it ran."""
    path = path.replace("\\", "/")
    if path in files:
        return path
    return next((known for known in files if path.endswith("/" + known) or known.endswith("/" + path)), None)
