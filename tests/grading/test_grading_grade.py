"""Grading is a function of what was run: it reads no file, changes no session, and says the same each time."""

from __future__ import annotations

import copy
import shutil
from typing import Any

from maabarium_pytest.grading.evaluator import run_sessions
from maabarium_pytest.grading.grade import grade
from maabarium_pytest.grading.servers import Servers
from maabarium_pytest.grading.suite import prepare_suite

RULES = """
import calc
import pytest


@pytest.mark.points("style", 2)
def test_documented():
    assert calc.__doc__


def test_speed(score):
    with score.timer("adds"):
        calc.add(1, 2)
"""


def graded(target: Any, stage: str, baseline: Any = None) -> Any:
    """The evaluation of sessions whose tree is gone when they are graded, twice."""
    suite = prepare_suite(target.request(stage, baseline))
    sessions = run_sessions(suite, Servers())
    away = target.top.with_name("away")
    target.top.rename(away)
    try:
        before = [copy.deepcopy(session.transcript) for session in sessions]
        evaluation = grade(suite, sessions, baseline)
        assert grade(suite, sessions, baseline) == evaluation
        assert [session.transcript for session in sessions] == before
    finally:
        shutil.move(away, target.top)
    return evaluation, [session.mode.purpose for session in sessions]


def test_grading_needs_nothing_but_the_sessions(target: Any) -> None:
    target.write(
        {"calc.py": "def add(a, b):\n    return a + b\n", "test_calc.py": "import calc\n\ndef test_add(): pass\n"}
    )
    target.write({"rules/test_speed.py": RULES}, target.folder)
    target.options = {"rules": ["rules/test_speed.py"]}
    target.sources = frozenset({"score:style", "score:adds", "size"})
    baseline, purposes = graded(target, "baseline")
    assert baseline.failed_gate is None and baseline.partial == ("rules/test_speed.py::test_documented",)
    assert purposes == ["grade", "grade", "trace"] and baseline.lines is not None
    assert 0 < baseline.session_seconds == baseline.duration and "score:adds" in baseline.noisy
    assert {test.role for test in baseline.tests} == {"suite", "rule"}

    target.write(
        {"rules/test_speed.py": RULES.replace("def test_speed", "@pytest.mark.points('style', 2)\ndef test_speed")},
        target.folder,
    )
    grown, purposes = graded(target, "screen", baseline)
    assert grown.failed_gate.name == "measured" and "out of 4.0 points" in grown.failed_gate.detail
    assert purposes == ["grade"] and grown.grader != baseline.grader
