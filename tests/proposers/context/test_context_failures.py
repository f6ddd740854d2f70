"""Failing tests: from pytest's own reports to sources, tracebacks and the lines that they point at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from context_room import Files, make_blueprint, make_request

from maabarium.code.faults import frames_of
from maabarium.code.tree import Imports
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context.failures import condensed, failed_functions, source_lines
from maabarium.proposers.council.context.files import Priorities
from maabarium.proposers.council.context.source_files import SourceFiles
from maabarium.records import LineMap, TestResult

SHOP = """def total(prices):
    result = 0
    for price in prices:
        result -= price
    return result


def first(items):
    return items[1]


def unused():
    return "never run"
"""
TESTS = """import pytest

from shop import first, total


@pytest.fixture
def prices():
    return [1, 2]


class TestTotal:
    kind = "sum"

    def setup_method(self):
        self.bonus = 3

    def test_sum(self, prices):
        assert total(prices) == self.bonus

    def test_fine(self):
        assert total([]) == 0


@pytest.mark.parametrize("items", [[1], [2, 2]])
def test_first(items):
    assert first(items) == items[0]
"""
REPORTER = """
import json, sys, pytest
class Told:
    def __init__(self): self.rows = []
    def pytest_runtest_logreport(self, report):
        if report.when == "call": self.rows.append((report.nodeid, report.outcome, report.longreprtext))
told = Told()
pytest.main(["-q", "-p", "no:cacheprovider", "tests"], plugins=[told])
open("rows.json", "w").write(json.dumps(told.rows))
"""
FILES = {"shop.py": SHOP, "tests/test_shop.py": TESTS}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[TestResult]:
    """What pytest really says of these tests."""
    folder = tmp_path_factory.mktemp("shop")
    for path, text in FILES.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(folder)}
    environment.pop("PYTEST_ADDOPTS", None)
    subprocess.run([sys.executable, "-c", REPORTER], cwd=folder, env=environment, check=True, capture_output=True)
    rows = json.loads((folder / "rows.json").read_text())
    return [TestResult(id=id, outcome=outcome, detail=detail) for id, outcome, detail in rows]


def shelf(files: dict[str, str] = FILES) -> SourceFiles:
    return SourceFiles(Files(files), make_blueprint(["*.py"]))


def evidence_of(request: ProposalRequest) -> Priorities:
    library = SourceFiles(request.files, request.blueprint)
    failures = failed_functions(request.champion.evaluation.tests, library)
    return Priorities(request, failures, library, Imports(library))


def test_cases_of_one_function_are_one_failure(results: list[TestResult]) -> None:
    found = failed_functions(results, shelf())
    assert [failure.tests[0].id.partition("[")[0] for failure in found] == [
        "tests/test_shop.py::TestTotal::test_sum", "tests/test_shop.py::test_first",
    ]  # fmt: skip
    assert len(found[1].tests) == 1 and found[1].path == "tests/test_shop.py"


def test_the_source_of_a_method_brings_its_class_set_up_and_fixtures(results: list[TestResult]) -> None:
    library = shelf()
    first = failed_functions(results, library)[0]
    ranges = source_lines(first.path, first.names, library)
    lines = library.lines("tests/test_shop.py")
    shown = "\n".join(line for first, last in ranges for line in lines[first - 1 : last])
    assert "class TestTotal:" in shown and "def test_sum(self, prices):" in shown
    assert "def setup_method" in shown and "@pytest.fixture\ndef prices():" in shown
    assert "test_fine" not in shown and "test_first" not in shown


def test_a_traceback_is_condensed_to_what_says_what_happened(results: list[TestResult]) -> None:
    failed = {result.id.partition("[")[0]: result.detail for result in results if result.outcome == "failed"}
    text = condensed(failed["tests/test_shop.py::TestTotal::test_sum"])
    assert "E       assert -3 == 3" in text and ">       assert total(prices) == self.bonus" in text
    assert "def test_sum" not in text
    assert "shop.py:9: IndexError" in condensed(failed["tests/test_shop.py::test_first"])
    assert frames_of(failed["tests/test_shop.py::test_first"])[-1] == ("shop.py", 9)


def test_a_condensed_text_keeps_head_and_tail_and_says_what_is_missing() -> None:
    text = condensed("\n".join(f"E   line {n}" for n in range(100)), 9)
    assert text.count("\n") == 9
    assert text.startswith("E   line 0") and text.endswith("E   line 99") and "[91 lines left out]" in text


def test_output_of_other_tools_is_shown_by_its_lines() -> None:
    assert condensed("expected 1\n\n  got 2") == "expected 1\n  got 2"


def test_what_a_terminal_would_obey_is_made_visible() -> None:
    assert condensed("E   \x1b[31mred\x1b[0m\u202e") == "E   red\\u202e"


def test_the_holdout_is_not_among_the_failures() -> None:
    tests = [
        TestResult(id="rules/holdout/test_a.py::t", outcome="failed", role="holdout"),
        TestResult(id="rules/test_a.py::t", outcome="failed", role="rule"),
    ]
    assert [failure.tests[0].id.partition("[")[0] for failure in failed_functions(tests, shelf())] == [
        "rules/test_a.py::t"
    ]


def test_rules_are_found_in_the_tree_when_they_are_there() -> None:
    library = shelf({"loop/rules/test_speed.py": "def test_speed(score):\n    pass\n"})
    tests = [TestResult(id="rules/test_speed.py::test_speed", outcome="failed", role="rule")]
    (failure,) = failed_functions(tests, library)
    assert failure.path == "loop/rules/test_speed.py"
    assert source_lines(failure.path, failure.names, library) == [(1, 2)]


def test_unknown_places_have_no_source() -> None:
    library = shelf()
    for id in ("nowhere.py::test_x", "tests/test_shop.py::test_gone", "tests/test_shop.py::TestTotal::gone", "odd"):
        (failure,) = failed_functions([TestResult(id=id, outcome="error")], library)
        assert all(first >= 1 for first, _ in source_lines(failure.path, failure.names, library))
        assert "def test_fine" not in str(source_lines(failure.path, failure.names, library))


def test_parameters_may_hold_colons_and_brackets() -> None:
    (failure,) = failed_functions([TestResult(id="tests/test_shop.py::test_first[a::b[0]]", outcome="failed")], shelf())
    assert failure.names == ("test_first",)


def test_a_traceback_alone_points_at_its_innermost_target_line(results: list[TestResult]) -> None:
    request = make_request(FILES, tests=results, target_files=["*.py"])
    library = SourceFiles(request.files, request.blueprint)
    evidence = Priorities(request, failed_functions(results, library), library, Imports(library))
    assert max(evidence.blame["shop.py"], key=lambda n: evidence.blame["shop.py"][n]) == 9
    assert not evidence.narrow


def test_lines_of_failing_tests_are_blamed_more_than_those_that_passing_ones_run_too() -> None:
    tests = [TestResult(id="t.py::bad", outcome="failed"), TestResult(id="t.py::good", outcome="passed")]
    by_test = {"t.py::bad": {"shop.py": (2, 4)}, "t.py::good": {"shop.py": (2, 9)}}
    request = make_request(FILES, tests=tests, lines=LineMap(by_test=by_test), target_files=["*.py"])
    library = SourceFiles(request.files, request.blueprint)
    evidence = Priorities(request, failed_functions(tests, library), library, Imports(library))
    assert evidence.blame["shop.py"][4] > evidence.blame["shop.py"][2] > 0
    assert 9 not in evidence.blame["shop.py"]
    chunks = {chunk.name: evidence.of_chunk("shop.py", chunk) for chunk in library.chunks("shop.py")}
    assert chunks["total"] > chunks["first"] == chunks["unused"] == 0


def test_without_lines_and_frames_names_decide() -> None:
    tests = [TestResult(id="tests/test_shop.py::test_first", outcome="failed", detail="boom")]
    files = {**FILES, "other.py": "def other():\n    pass\n"}
    request = make_request(files, tests=tests, target_files=["*.py"])
    library = SourceFiles(request.files, request.blueprint)
    evidence = Priorities(request, failed_functions(tests, library), library, Imports(library))
    assert evidence.of_file("shop.py") > evidence.of_file("other.py") == 0
    chunks = {chunk.name: evidence.of_chunk("shop.py", chunk) for chunk in library.chunks("shop.py")}
    assert chunks["first"] > chunks["unused"] == 0


def test_heat_is_a_share_and_rules_that_measure_count_more() -> None:
    lines = LineMap(hits={"shop.py": {4: 10, 9: 10}}, by_test={"rules/r.py::t": {"shop.py": (9,)}})
    tests = [TestResult(id="rules/r.py::t", outcome="passed", role="rule")]
    request = make_request(FILES, tests=tests, lines=lines, target_files=["*.py"], source="score:speed")
    evidence = evidence_of(request)
    assert sum(evidence.heat["shop.py"].values()) == pytest.approx(1.0)
    assert evidence.heat["shop.py"][9] == pytest.approx(0.8)


def test_static_sources_look_at_files_that_never_run(tmp_path: Path) -> None:
    lines = LineMap(hits={"shop.py": {4: 10}})
    request = make_request(FILES, lines=lines, target_files=["*.py"], source="complexity")
    assert not evidence_of(request).narrow
