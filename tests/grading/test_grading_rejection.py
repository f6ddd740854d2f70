"""The small session before the suite: it ends bad candidates cheaply, and decides nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Champion, Evaluation, FileEdit, Proposal
from maabarium_pytest.grading import rejection
from maabarium_pytest.grading.evaluator import PytestEvaluator
from maabarium_pytest.grading.suite import prepare_suite

CALC = "def add(a, b):\n    return a + b\n\n\ndef mul(a, b):\n    return a * b\n"
LOG = "from pathlib import Path\nimport pytest\n\n@pytest.fixture(autouse=True)\ndef log(request):\n"
LOG += "    with Path({0!r}).open('a') as file:\n        file.write(request.node.name + ' ')\n"
ADD = "from calc import add\ndef test_zero(): assert add(0, 0) == 0\ndef test_add(): assert add(1, 2) == 3\n"
MUL = "from calc import mul\ndef test_mul(): assert mul(2, 3) == 6\n"


class Runs:
    """A run over a target with trees of its own: each a mapping of what differs from the first."""

    def __init__(self, target: Any, files: Mapping[str, str]) -> None:
        self.target, self.trees = target, {"base": dict(files)}
        target.sources = frozenset({"size"})
        target.target_files = ["calc.py"]
        self.log = target.folder / "log"
        files = {**files, "conftest.py": LOG.format(str(self.log)) + files.get("conftest.py", "")}
        self.trees["base"] = files
        target.write(files)
        self.evaluator = PytestEvaluator({})
        self.baseline: Evaluation = self.evaluator.evaluate(target.request())
        assert self.baseline.failed_gate is None

    def read(self, tree: str, path: str) -> bytes:
        return self.trees[tree][path].encode()

    @contextmanager
    def checked_out(self, tree: str) -> Iterator[Any]:
        top = self.target.folder / "apart" / "target"
        shutil.rmtree(top.parent, ignore_errors=True)
        top.mkdir(parents=True)
        self.target.write(self.trees[tree], top)
        workspace = self.target.request().workspace
        yield type(workspace)(top, top, self.target.folder / "apart" / "scratch", self.target.blueprint)

    def screen(self, calc: str, rejections: Mapping[str, int] | None = None) -> tuple[Evaluation, str]:
        """The evaluation of a candidate, and the names of the tests that ran, in their order."""
        self.trees["candidate"] = self.trees["base"] | {"calc.py": calc}
        self.target.write({"calc.py": calc})
        self.log.unlink(missing_ok=True)
        edit = FileEdit(path="calc.py", operation="modify", content=calc.encode())
        request: EvaluationRequest = replace(
            self.target.request("screen", self.baseline),
            proposal=Proposal(summary="", edits=(edit,)),
            champion=Champion(number=0, commit="c", tree="base", evaluation=self.baseline, total=0.5),
            tree="candidate",
            baseline_tree="base",
            trees=self,
            rejections=rejections or {},
        )
        evaluation = self.evaluator.evaluate(request)
        return evaluation, self.log.read_text().strip() if self.log.exists() else ""


@pytest.fixture
def generous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suites of tests take no time: what a small session costs must not keep it from being tried."""
    monkeypatch.setattr(rejection, "SHARE", 1000.0)
    monkeypatch.setattr(rejection, "LEAST_SUITE", 0.0)
    monkeypatch.setattr(rejection, "TOO_DEAR", 1000.0)


pytestmark = pytest.mark.usefixtures("generous")
FILES = {"calc.py": CALC, "test_add.py": ADD, "test_mul.py": MUL}


def test_a_lost_test_of_what_was_changed_is_all_that_is_run(target: Any) -> None:
    runs = Runs(target, FILES)
    lost, ran = runs.screen(CALC.replace("a * b", "a * a"))
    assert lost.failed_gate is not None and lost.failed_gate.reason_code == "gate_failed"
    assert "test_mul.py::test_mul failed" in lost.failed_gate.detail
    assert "2 of 3 tests were not run" in lost.failed_gate.detail and lost.not_run == 2
    assert ran == "test_mul test_mul", "the candidate's, then the champion's beside it"
    again, ran = runs.screen(CALC.replace("a * b", "a - b"))
    assert again.not_run == 2 and ran == "test_mul", "the champion is asked once for a selection"


def test_who_passes_runs_the_whole_suite_in_its_usual_order(target: Any) -> None:
    runs = Runs(target, FILES)
    good, ran = runs.screen(CALC.replace("a * b", "b * a"))
    assert good.failed_gate is None and good.not_run == 0 and good.values()["size"] == runs.baseline.values()["size"]
    assert [test.id for test in good.tests] == [test.id for test in runs.baseline.tests]
    assert ran == "test_mul test_zero test_add test_mul"


def test_what_the_small_session_misses_the_suite_finds(target: Any) -> None:
    """The line map does not know of `add` in a test of another process; the table may not know it either."""
    runs = Runs(target, FILES)
    runs.baseline = runs.baseline.model_copy(update={"lines": None})
    lost, ran = runs.screen(CALC.replace("a + b", "a - b"), {"test_mul.py::test_mul": 3})
    assert lost.failed_gate is not None and "test_add.py::test_add failed" in lost.failed_gate.detail
    assert ran.startswith("test_mul test_zero test_add"), "the small session, then the suite in its order"
    lost, ran = runs.screen(
        CALC.replace("a + b", "a - b"), {"test_add.py::test_add": 10**6, "test_mul.py::test_mul": 1}
    )
    assert ran.split()[0] == "test_add" and lost.not_run == 2


ORDERED = (
    "import calc\ndef test_first(): calc.ready = True\ndef test_second(): assert calc.ready and calc.add(1, 1) == 2\n"
)


def test_a_test_that_needs_another_one_before_it_rejects_nobody_out_of_its_order(target: Any) -> None:
    runs = Runs(target, {"calc.py": CALC, "test_order.py": ORDERED})
    table = {"test_order.py::test_second": 9}
    good, ran = runs.screen(CALC.replace("a + b", "b + a"), table)
    assert good.failed_gate is None and good.not_run == 0, "the suite is green in its own order"
    assert ran.endswith("test_first test_second")
    _, ran = runs.screen(CALC.replace("a + b", "b + a + 0"), table)
    assert ran == "test_first test_second", "it is not chosen again"
    lost, _ = runs.screen(CALC.replace("a + b", "a - b"), table)
    assert lost.failed_gate is not None and "test_second failed" in lost.failed_gate.detail


SPOILS = """
import pathlib
for place in [pathlib.Path(__file__).parent, pathlib.Path.cwd()]:
    if place.parent.name == "apart":
        (place / "test_mul.py").write_text("def test_mul(): pass\\n")
        (place / "conftest.py").write_text("")
def add(a, b): return a + b
def mul(a, b): return a * b if pathlib.Path(__file__).parent.parent.name == "apart" else 7
"""


def test_what_a_candidate_leaves_in_the_small_session_is_not_there_in_the_suite(target: Any) -> None:
    runs = Runs(target, FILES)
    lost, _ = runs.screen(SPOILS)
    assert lost.failed_gate is not None and "test_mul.py::test_mul failed" in lost.failed_gate.detail


@pytest.mark.parametrize(("calc", "code"), [("import os; os._exit(3)\n", "crashed"), ("def add(:\n", "import_failed")])
def test_other_ends_of_a_small_session_are_for_the_suite_to_judge(target: Any, calc: str, code: str) -> None:
    runs = Runs(target, FILES)
    lost, _ = runs.screen(calc)
    assert lost.failed_gate is not None and lost.failed_gate.reason_code == code and lost.not_run == 0


def test_it_is_given_up_where_it_takes_a_larger_part_of_the_suite(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(target, FILES)
    monkeypatch.setattr(rejection, "TOO_DEAR", 0.1)
    for number in range(rejection.TRIALS):
        good, ran = runs.screen(CALC.replace("a * b", f"b * a + {number} - {number}"))
        assert good.failed_gate is None and ran.split()[0] == "test_mul"
    lost, ran = runs.screen(CALC.replace("a * b", "a - b"))
    assert lost.failed_gate is not None
    assert ran == "test_zero test_add test_mul", "a suite of milliseconds is cheaper than a session before it"


def test_ids_that_pytest_would_not_find_again_are_not_chosen(target: Any) -> None:
    ids = {
        "test_mul.py::test_mul[a]": True,
        "test_mul.py": False,
        "not_there.py::test": False,
        "test_mul.py::a\\n": False,
        "test_mul.py::test_moving[#1]": False,
    }
    Path(target.top / "test_mul.py").write_text("")
    suite = prepare_suite(target.request("screen", Evaluation(moving=("test_mul.py::test_moving",))))
    assert {id: rejection.can_be_named(suite, id) for id in ids} == ids


def test_a_parameter_with_slashes_is_named_as_it_is(target: Any) -> None:
    tests = "import pytest\nfrom calc import mul\n@pytest.mark.parametrize('url', ['http://a//b', './c//d'])\n"
    runs = Runs(target, {"calc.py": CALC, "test_mul.py": tests + "def test_mul(url): assert mul(url, 1) == url\n"})
    lost, ran = runs.screen(CALC.replace("a * b", "a * 2"))
    assert ran.split()[0] in ("test_mul[http://a//b]", "test_mul[./c//d]") and lost.failed_gate is not None, lost
