"""Advice after a run that kept nothing: by cause, and never more of what is used up."""

from __future__ import annotations

from typing import Any

import pytest
from report_views import baseline, rejected, run_record, view, won

from maabarium.records import COMBINATION, EXHAUSTED, MetricEffect, Origin
from maabarium.report import summary_lines
from maabarium.report.gains import RULE, TRIED_ALL, advice

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


def test_a_limit_that_ended_the_run_is_named() -> None:
    found = ended("worse", reason="120 s have\x1b[2J passed", max_iterations=40)
    assert found[0] == "a limit ended the run early (120 s have passed); raise it in [budget]"
    assert not any("[budget]" in each for each in ended("worse", reason=EXHAUSTED, max_iterations=40))


def test_advice_is_short_and_only_for_those_who_need_it() -> None:
    assert len(ended("worse", "undecided", "gate_failed", "timeout", suite=True, reason=EXHAUSTED)) == 2
    lines = summary_lines(view((baseline(), rejected(1))))
    assert sum(line.startswith("  try    ") for line in lines) == 1
    assert not any("try " in line for line in summary_lines(won()))
    assert ended("stale_conflict") == []


@pytest.mark.parametrize("code", ["worse", "undecided"])
def test_promotion_off_comes_before_everything_else(code: str) -> None:
    assert "promotion was off" in ended(code, suite=True, promote=False)[0]
