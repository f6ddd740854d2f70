"""A candidate's session ends at the first test that rejects it, and says so; whoever needs the whole gets the whole."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from maabarium.records import Evaluation, TestOutcome, TestResult
from maabarium_pytest.grading.gates import later_gates
from maabarium_pytest.grading.losses import Losses
from maabarium_pytest.grading.transcript import ReportedTest, Transcript

CALC = "def add(a, b):\n    return a + b\n"
TESTS = (
    "from pathlib import Path\nfrom calc import add\n"
    "def test_a(): assert add(1, 2) == 3\n"
    "def test_b(): assert add(1, 1) == 2\n"
    "def test_c():\n    Path('c-ran').write_text('')\n    assert add(0, 0) == 0\n"
)
NONE_RIGHT = "def add(a, b):\n    return 7\n"


@pytest.fixture
def calc(target: Any) -> Any:
    target.sources = frozenset({"size"})
    target.write({"calc.py": CALC, "test_calc.py": TESTS})
    return target


def test_it_ends_at_the_first_lost_test_and_says_how_much_was_not_run(calc: Any) -> None:
    baseline = calc.grade()
    assert baseline.failed_gate is None and baseline.not_run == 0
    (calc.top / "c-ran").unlink()
    calc.write(
        {
            "calc.py": NONE_RIGHT,
            "test_calc.py": TESTS.replace("== 3\n", "== 3\ndef test_slow(): __import__('time').sleep(20)\n"),
        }
    )
    began = time.monotonic()
    lost = calc.screen(baseline)
    assert time.monotonic() - began < 15, "the rest of the session was waited for"
    gate = lost.failed_gate
    assert (gate.name, gate.reason_code) == ("tests", "gate_failed")
    assert "test_a failed: assert 7 == 3" in gate.detail and "2 of 3 tests were not run" in gate.detail
    assert lost.not_run == 2 and [test.id for test in lost.tests] == ["test_calc.py::test_a"]
    assert not lost.measurements and not (calc.top / "c-ran").exists()


def test_a_lost_rule_ends_it_before_the_suite(calc: Any) -> None:
    calc.options = {"rules": ["rules/test_three.py"], "holdout": ["kept/test_four.py"]}
    calc.write(
        {"rules/test_three.py": "def test_three():\n    from calc import add\n    assert add(1, 2) == 3\n"}, calc.folder
    )
    calc.write(
        {"kept/test_four.py": "def test_four():\n    from calc import add\n    assert add(2, 2) == 4\n"}, calc.folder
    )
    baseline = calc.grade()
    calc.write({"calc.py": NONE_RIGHT})
    lost = calc.screen(baseline)
    assert lost.failed_gate.name == "rules" and "rules/test_three.py::test_three failed" in lost.failed_gate.detail
    assert lost.not_run == 4 and not any(test.role == "suite" for test in lost.tests)
    calc.write({"calc.py": "def add(a, b):\n    return 3 if a == 1 else a * a * b\n"})
    hidden = calc.screen(baseline).failed_gate.detail
    assert "holdout" in hidden and "test_four" not in hidden and "not run" in hidden


@pytest.mark.parametrize("why", ["share of passed tests", "red baseline", "audit"])
def test_who_needs_the_whole_session_gets_it(calc: Any, why: str) -> None:
    stage = "audit" if why == "audit" else "screen"
    if why == "share of passed tests":
        calc.sources = frozenset({"tests.passed"})
    elif why == "red baseline":
        calc.strict = False
        calc.write({"test_red.py": "def test_red(): assert False\n"})
    baseline = calc.grade()
    calc.write({"calc.py": NONE_RIGHT})
    (calc.top / "c-ran").unlink()
    whole = calc.grade(stage, baseline)
    assert {test.id for test in whole.tests} == {test.id for test in baseline.tests} and whole.not_run == 0
    assert "not run" not in whole.failed_gate.detail and (calc.top / "c-ran").exists()


def transcript_of(outcomes: Mapping[str, TestOutcome], partial: set[str] | None = None) -> Transcript:
    results = {id: ReportedTest(id, outcome, 0.1, "") for id, outcome in outcomes.items()}
    return Transcript(results=results, partial=partial or set())


BASELINE = Evaluation(
    tests=(
        TestResult(id="t.py::passed", outcome="passed"),
        TestResult(id="t.py::flaky", outcome="passed"),
        TestResult(id="t.py::red", outcome="failed"),
        TestResult(id="t.py::skipped", outcome="skipped"),
        TestResult(id="rules/r.py::rule", outcome="passed", role="rule"),
        TestResult(id="rules/r.py::points", outcome="failed", role="rule"),
    ),
    flaky=("t.py::flaky",),
    partial=("rules/r.py::points",),
)
OUTCOMES: tuple[TestOutcome, ...] = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
IDS = (*(test.id for test in BASELINE.tests), "t.py::new", "rules/r.py::new")


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_ends_a_session_is_what_its_gates_would_reject(
    target: Any, strict: bool, id: str, outcome: TestOutcome
) -> None:
    """The session may end early only because the whole would be rejected, too, whatever the other tests do."""
    target.strict = strict
    suite: Any = type("Suite", (), {"strict": strict})
    rest = {test.id: test.outcome for test in BASELINE.tests}
    transcript = transcript_of(rest | {id: outcome}, {"rules/r.py::points"})
    ends = Losses.of(suite, BASELINE).rejects(id, outcome, transcript.partial)
    gates = later_gates(suite, transcript, BASELINE, only_rules=False)
    assert ends == any(not gate.passed for gate in gates)
    assert ends == (outcome not in WELCOME[strict][id])


ANY, GOOD = frozenset(OUTCOMES), frozenset({"passed"})
RULE = frozenset({"passed", "xpassed"})
WELCOME = {
    strict: {
        "t.py::passed": GOOD, "t.py::flaky": ANY, "t.py::red": ANY, "t.py::skipped": ANY,
        "rules/r.py::rule": RULE, "rules/r.py::points": ANY, "rules/r.py::new": RULE,
        "t.py::new": ANY - {"failed", "error"} if strict else ANY,
    }
    for strict in (True, False)
}  # fmt: skip
