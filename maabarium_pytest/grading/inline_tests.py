"""Tests inside the files that may change: an edit must not change what they expect. Starts no process."""

from __future__ import annotations

from dataclasses import dataclass, field

from maabarium.blueprint.globs import Globs
from maabarium.code.expectations import changed_examples, changed_tests, may_expect
from maabarium.plugins.protocols import RunTrees
from maabarium.records import Evaluation, Gate
from maabarium_pytest.grading.suite import Suite, speaks_of

__all__ = ["InlineTests"]


@dataclass
class InlineTests:
    """What one evaluator knows of the baseline's files. Threads may call at once: at worst something is read twice."""

    _baseline: Evaluation | None = None
    _collected: dict[str, set[str]] = field(default_factory=dict)
    """Names of tests by file, of files that may change."""
    _before: dict[str, bytes] = field(default_factory=dict)
    """Files of the baseline that expect something; empty for others."""
    _doctested: bool | None = None

    def gate(self, suite: Suite) -> Gate | None:
        """A failed gate when the proposal changes what its own tests expect; None when it does not."""
        request = suite.request
        if request.stage != "screen" or not (request.proposal and request.baseline and request.trees):
            return None
        if self._baseline is None:
            self._baseline, self._collected = request.baseline, collected_in_targets(suite, request.baseline)
        for path in sorted({edit.path for edit in request.proposal.edits}):
            before = self._content(request.trees, request.baseline_tree, path)
            what = self._changed(suite, path, before) if before else ""
            if what:
                sentence = (
                    f"{path} holds tests of itself, and {what} in it was changed: they stay as they are at the start"
                )
                return Gate(name="expectations", passed=False, reason_code="out_of_bounds", detail=sentence)
        return None

    def _content(self, trees: RunTrees, tree: str, path: str) -> bytes:
        if path not in self._before:
            try:
                content = trees.read(tree, path)
            except KeyError:  # it is new
                content = b""
            self._before[path] = content if path in self._collected or may_expect(content) else b""
        return self._before[path]

    def _changed(self, suite: Suite, path: str, before: bytes) -> str:
        place = suite.targets.top / path
        after = place.read_bytes() if place.is_file() else b""
        names = self._collected.get(path, set())
        tests = {name for name in names if "." not in name}
        found = changed_tests(before, after, tests) if path.endswith(".py") else ""
        if found:
            return found
        owner = changed_examples(path, before, after)
        if not owner:
            return ""
        if self._doctested is None:
            self._doctested = speaks_of(suite, b"doctest")
        return f"the example of {owner}" if self._doctested or names - tests or not path.endswith(".py") else ""


def collected_in_targets(suite: Suite, baseline: Evaluation) -> dict[str, set[str]]:
    """Names of the tests that are collected in files which may change, by path; those of doctests hold a dot."""
    changeable = Globs(suite.request.blueprint.domain.target_files)
    root, top = suite.configuration.rootdir, suite.targets.top
    found: dict[str, set[str]] = {}
    known: dict[str, str] = {}
    for test in baseline.tests:
        file, _, name = test.id.partition("::")
        if file not in known:
            place = root / file
            path = place.relative_to(top).as_posix() if place.is_relative_to(top) else ""
            known[file] = path if test.role == "suite" and path and changeable.matches(path) else ""
        if known[file]:
            found.setdefault(known[file], set()).add(name.partition("::")[0].partition("[")[0])
    return found
