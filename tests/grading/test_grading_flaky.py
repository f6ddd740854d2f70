"""Before a candidate is blamed for a lost test, the champion runs it again."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from maabarium.records import Champion, Evaluation, FileEdit, Proposal
from maabarium_pytest.grading import flaky
from maabarium_pytest.grading.evaluator import PytestEvaluator

CALC = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a - b\n"
TESTS = """
from pathlib import Path

from calc import add

PLACE = Path({place!r})


who = "candidate" if "slow" in Path(add.__code__.co_filename).read_text() else "champion"
with (PLACE / "log").open("a") as log:
    log.write(who + " ")


def test_first():
    add.ready = True


def test_service():
    script = PLACE / "script"
    letters = script.read_text() if script.exists() else ""
    script.write_text(letters[1:])
    assert letters[:1] != "f"


def test_ordered():
    assert add.ready and add(1, 1) == 2


def test_add():
    assert add(1, 2) == 3
"""


class Runs:
    """A run whose suite has a test that ends as a script says, letter by letter, whoever runs it."""

    def __init__(self, target: Any) -> None:
        self.target, self.place = target, target.folder
        target.sources = frozenset({"size"})
        target.target_files = ["calc.py"]
        self.files = {"calc.py": CALC, "test_calc.py": TESTS.format(place=str(self.place))}
        target.write(self.files)
        self.trees = {"champion": self.files}
        self.evaluator = PytestEvaluator({})
        self.baseline: Evaluation = self.evaluator.evaluate(target.request())
        assert self.baseline.failed_gate is None and self.baseline.flaky == ()

    def read(self, tree: str, path: str) -> bytes:
        return self.trees[tree][path].encode()

    @contextmanager
    def checked_out(self, tree: str) -> Iterator[Any]:
        top = self.place / "apart" / "target"
        shutil.rmtree(top.parent, ignore_errors=True)
        top.mkdir(parents=True)
        self.target.write(self.trees[tree], top)
        yield type(self.target.request().workspace)(top, top, top.parent / "scratch", self.target.blueprint)

    def screen(self, calc: str, script: str, stage: Any = "screen") -> tuple[Evaluation, Counter[str]]:
        """The evaluation of a candidate, and how often a session of each tree began."""
        code = "# slow\n" + calc
        self.trees["candidate"] = self.files | {"calc.py": code}
        self.target.write({"calc.py": code})
        (self.place / "script").write_text(script)
        (self.place / "log").unlink(missing_ok=True)
        edit = FileEdit(path="calc.py", operation="modify", content=code.encode())
        request = replace(
            self.target.request(stage, self.baseline),
            proposal=Proposal(summary="", edits=(edit,)),
            champion=Champion(number=0, commit="c", tree="champion", evaluation=self.baseline, total=0.5),
            tree="candidate",
            baseline_tree="champion",
            champion_tree="champion",
            trees=self,
        )
        evaluation = self.evaluator.evaluate(request)
        return evaluation, Counter((self.place / "log").read_text().split())


@pytest.fixture(params=["whole", "alone"])
def runs(request: pytest.FixtureRequest, target: Any, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Both ways to run tests again, with time for all of it."""
    monkeypatch.setattr(flaky, "WHOLE", 1000.0 if request.param == "whole" else 0.0)
    monkeypatch.setattr(flaky, "SECONDS", 1000.0)
    monkeypatch.setattr(flaky, "PATIENCE", 1000.0)
    return Runs(target)


SERVICE = "test_calc.py::test_service"


def test_what_the_champion_loses_too_is_flaky_from_then_on(runs: Runs) -> None:
    evaluation, _ = runs.screen(CALC, "f" + "pp" + "pf")
    assert evaluation.failed_gate is None and evaluation.not_run == 0
    assert evaluation.later_flaky == (SERVICE,)
    note = next(gate for gate in evaluation.gates if gate.name == "flaky")
    assert note.passed and SERVICE in note.detail and "the champion lost" in note.detail
    # the rest still gates
    evaluation, _ = runs.screen(WRONG, "f" + "pp" + "pf")
    assert evaluation.failed_gate is not None and "test_ordered" in evaluation.failed_gate.detail
    # the engine sends it with the baseline from then on: nobody is asked any more
    runs.baseline = runs.baseline.model_copy(update={"later_flaky": (SERVICE,)})
    evaluation, ran = runs.screen(CALC, "f")
    assert evaluation.failed_gate is None and evaluation.later_flaky == () and ran == {"candidate": 1}


def test_who_loses_it_each_time_is_to_blame(runs: Runs) -> None:
    for _ in range(2):
        evaluation, ran = runs.screen(WRONG, "")
        assert evaluation.failed_gate is not None and evaluation.failed_gate.reason_code == "gate_failed"
        assert (
            evaluation.later_flaky == () and ran["champion"] <= 2 * flaky.FEW and ran["candidate"] <= 1 + 2 * flaky.FEW
        )


def test_a_candidate_that_varies_where_the_champion_does_not_is_to_blame(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flaky, "MANY", 3)
    evaluation, _ = runs.screen(CALC, "f" + "pp" + "ppp")
    assert evaluation.failed_gate is not None and "test_service failed" in evaluation.failed_gate.detail
