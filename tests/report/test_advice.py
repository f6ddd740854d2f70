"""Advice after a run that kept nothing: by cause, and never more of what is used up."""

from __future__ import annotations

from typing import Any

import pytest
from report_views import baseline, promoted, rejected, run_record, view, won

from maabarium.records import COMBINATION, EXHAUSTED, Evaluation, MetricEffect, Origin, TestResult
from maabarium.report import summary_lines
from maabarium.report.gains import RULE, TRIED_ALL, advice
from maabarium.report.summary import still_red_line

SUITE = tuple(
    MetricEffect(name=source, source=source, weight=weight, direction="minimize", baseline=2.0, raw=2.0, value=0.5)
    for source, weight in (("tests.cpu", 1.0), ("complexity", 0.0))
)


def ended(*codes: str, reason: str = "all experiments are done", suite: bool = False, **run: Any) -> list[str]:
    """The advice for a run with these reasons."""
    outcomes = [rejected(number, code) for number, code in enumerate(codes, 1)]
    first = baseline(metrics=SUITE) if suite else baseline()
    return advice(view((first, *outcomes), reason=reason, run=run_record(**{"max_iterations": len(codes), **run})))


def test_an_exhausted_proposer_is_not_given_more_experiments() -> None:
    assert "allow more experiments" in ended("worse")[0]
    found = ended("worse", "worse", "undecided", reason=EXHAUSTED)
    assert found[0] == TRIED_ALL and "max_pairs" in found[1]
    assert TRIED_ALL in ended("undecided", reason=EXHAUSTED)
    joined = rejected(1).model_copy(update={"origin": Origin(operator=COMBINATION)})
    assert advice(view((baseline(), joined)))[0] == TRIED_ALL, "combinations come when each alone was tried"


def test_the_time_of_a_whole_suite_asks_for_a_rule() -> None:
    for codes in (("worse", "worse", "undecided"), ("undecided", "worse"), ("worse",)):
        found = ended(*codes, suite=True, reason=EXHAUSTED)
        assert found == [f"tests.cpu {RULE}", TRIED_ALL]
    assert "allow more experiments" in ended("worse", suite=True)[1]
    assert not any("rule that times" in each for each in ended("worse", "undecided"))
    assert "broke the tests" in ended("gate_failed", suite=True)[0], "what it measures is not the cause"


def test_what_ended_a_run_before_its_last_experiment_is_said_also_when_something_was_kept() -> None:
    limit = "120 s have\x1b[2J passed (budget.wall_seconds)"
    for outcomes in ((baseline(), rejected(1)), won().outcomes):
        lines = summary_lines(view(outcomes, reason=limit, run=run_record(max_iterations=40)))
        said = f"ended after {len(outcomes) - 1} of 40 experiments: 120 s have passed (budget.wall_seconds)"
        (line,) = [line for line in lines if line.startswith("ended after")]
        assert line.startswith(f"{said}; raise budget.wall_seconds, then maabarium resume ")
    (line,) = [x for x in summary_lines(view((baseline(), rejected(1)), reason=EXHAUSTED)) if x.startswith("ended")]
    assert line.endswith(EXHAUSTED)
    done = view((baseline(), rejected(1)), reason="all experiments are done", run=run_record(max_iterations=1))
    assert not any(line.startswith("ended") for line in summary_lines(done))


def test_what_still_fails_in_what_was_kept_is_said() -> None:
    half = promoted(1, 0, 40_000.0, 60_000.0, failing=("tests/test_a.py::test_x", "tests/test_a.py::flaky"))
    red = [TestResult(id=f"tests/test_a.py::test_{name}", outcome="failed") for name in "xyz"]
    first = Evaluation(tests=tuple(red), flaky=("tests/test_a.py::flaky",), grader="g")
    found = view((baseline(), half), baseline=first)
    assert "still red: 1 test of the 3 that failed before, with all that was kept: tests/test_a.py::test_x" in (
        summary_lines(found)
    )
    assert still_red_line(view((baseline(), promoted(1, 0, 4.0, 6.0)), baseline=first)) == ""
    assert still_red_line(view((baseline(),), baseline=first)) == ""


def test_a_gain_that_was_too_small_asks_for_a_lower_least_gain() -> None:
    assert "min_improvement" in ended("too_small")[0] and "allow more experiments" in ended("no_gain")[0]


def test_advice_is_short_and_only_for_those_who_need_it() -> None:
    assert len(ended("worse", "undecided", "gate_failed", "timeout", suite=True, reason=EXHAUSTED)) == 2
    lines = summary_lines(view((baseline(), rejected(1))))
    assert sum(line.startswith("  try    ") for line in lines) == 1
    assert not any("try " in line for line in summary_lines(won()))
    assert ended("stale_conflict") == []


@pytest.mark.parametrize("code", ["worse", "no_gain", "undecided"])
def test_promotion_off_comes_before_everything_else(code: str) -> None:
    assert "promotion was off" in ended(code, suite=True, promote=False)[0]
