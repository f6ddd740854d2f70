"""Which statements of the target files are suspicious, given what the failing tests say and which lines they run.

A statement answers for its lines. A condition answers for the branch that it opens, a statement that binds a name
for the line that breaks on it, and one that runs on import for the lines that use it: none of that is new evidence,
so all of it is discounted.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from maabarium.code.faults import FaultMap, lines_by_name, mentions, traced_lines
from maabarium.code.python_file import PythonFile
from maabarium.code.statements import Statement
from maabarium.code.tree import CodeTree, Imports
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.repairs.symptoms import Symptom, read_symptom
from maabarium.records import Evaluation

__all__ = ["Localisation", "Suspect"]

_MOST_TESTS = 400
"""Failing tests looked at in detail; of a suite that is all red a part tells as much as the whole."""
_MOST_STATEMENTS = 150
_SHOWN = 0.6
"""How much a line gains that is innermost in every failing test's traceback."""
_ON_IMPORT = 0.75
_BRANCH = 0.75
"""What a condition takes over from the first statement of its most suspicious branch."""
_RAISED = 0.6
"""How much likelier a condition is whose `raise` ended the failing tests."""
_BINDING = 0.4
"""How much likelier a statement is that binds what a traceback's innermost line reads."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """How suspicious a statement is (0 to 1) and how many failing tests run it."""

    path: str
    statement: Statement
    score: float = 0.0
    failing: int = 0


@dataclass(frozen=True)
class Localisation:
    """The parsed target files, the symptoms of failing tests, and the fault map of both."""

    files: Mapping[str, PythonFile]
    symptoms: tuple[Symptom, ...]
    faults: FaultMap

    @classmethod
    def of(
        cls,
        request: ProposalRequest,
        contents: Mapping[str, bytes],
        evaluation: Evaluation,
        read: Callable[[bytes], PythonFile | None],
    ) -> Localisation | None:
        """For target files of these contents, which were evaluated thus.

        None when no test fails or no file can be edited.
        """
        failed = [test for test in evaluation.tests if test.failed][:_MOST_TESTS]
        parsed = {path: read(content) for path, content in contents.items()}
        files = {path: file for path, file in parsed.items() if file is not None}
        if not failed or not files:
            return None
        symptoms = tuple(map(read_symptom, failed))
        tree = CodeTree(request.files.paths(), lambda path: contents.get(path) or request.files.read(path))
        failing = [test.id for test in failed]
        passing = [test.id for test in evaluation.tests if test.outcome == "passed"]
        traced = traced_lines((evaluation.lines, request.baseline.lines), failing, files)
        coverage = traced or lines_by_name(tree, Imports(tree), failing, passing, files)
        return cls(files, symptoms, FaultMap.of(symptoms, passing, coverage, files, tree.find))

    def suspects(self) -> list[Suspect]:
        """The most suspicious statements of all files, the worst first."""
        found = [suspect for path in self.files for suspect in self._of_file(path) if suspect.score > 0]
        found.sort(key=lambda suspect: (-suspect.score, suspect.path, suspect.statement.first))
        return found[:_MOST_STATEMENTS]

    def suspect(self, path: str, statement: Statement) -> Suspect:
        """A statement by its own lines, or, if it runs on import, by the lines that use it."""
        places = [(path, line) for line in range(statement.first, statement.last + 1)]
        if statement.deferred:
            names = statement.binds if statement.scope.kind != "function" else ()
            reads = [(where, file.reads.get(name, ())) for name in names for where, file in self.files.items()]
            places = [(where, line) for where, lines in reads for line in lines]
            if statement.body is not None:
                places += [(path, line) for line in range(statement.body[0], statement.body[1] + 1)]
        mask, passing, shown = 0, 0, 0.0
        for where, line in places:
            hit = self.faults.failed.get(where, {}).get(line, 0)
            mask |= hit
            if hit or statement.deferred:
                passing = max(passing, self.faults.passing(where, line))
            if not isinstance(statement.node, ast.Raise):
                shown = max(shown, self._shown(where, line, line))
        if not mask:
            return Suspect(path, statement)
        score = self.faults.score(mask, passing) * (_ON_IMPORT if statement.deferred else 1.0)
        return Suspect(path, statement, score * (1.0 + _SHOWN * shown) / (1.0 + _SHOWN), mask.bit_count())

    def _shown(self, path: str, first: int, last: int) -> float:
        """The share of failing tests whose traceback shows one of these lines."""
        frames = self.faults.frames.get(path, {})
        return max((frames.get(line, 0.0) for line in range(first, last + 1)), default=0.0)

    def _of_file(self, path: str) -> list[Suspect]:
        """Every statement of a file, with what it answers for."""
        statements = self.files[path].statements
        read: dict[str, float] = {}
        for statement in statements:
            shown = self._shown(path, statement.first, statement.last)
            for name in frozenset().union(*map(mentions, statement.parts)) if shown > 0 else ():
                read[name] = max(read.get(name, 0.0), shown)
        known = {statement.node: self.suspect(path, statement) for statement in statements}
        for statement in reversed(statements):  # inner statements first: a condition answers for its branches
            suspect = known[statement.node]
            if suspect.failing:
                score = self._with_branches(suspect, known)
                targets = statement.node.targets if isinstance(statement.node, ast.Assign) else ()
                bound = [*statement.binds, *(target.attr for target in targets if isinstance(target, ast.Attribute))]
                shown = max((read.get(name, 0.0) for name in bound), default=0.0)
                known[statement.node] = replace(suspect, score=min(score * (1.0 + _BINDING * shown), 1.0))
        return [known[statement.node] for statement in reversed(statements)]

    def _with_branches(self, suspect: Suspect, known: Mapping[ast.AST, Suspect]) -> float:
        node, score = suspect.statement.node, suspect.score
        for branch in (node.body, node.orelse) if isinstance(node, ast.If | ast.While | ast.For) else ():
            inner = known.get(branch[0]) if branch else None
            if inner is not None:
                score = max(score, inner.score * _BRANCH)
                if isinstance(branch[0], ast.Raise):  # it did what it was told to: who told it?
                    last = branch[0].end_lineno or branch[0].lineno
                    score *= 1.0 + _RAISED * self._shown(suspect.path, branch[0].lineno, last)
        return score
