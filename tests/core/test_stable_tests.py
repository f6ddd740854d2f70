"""When tests that end otherwise each time leave nothing that could stop a wrong candidate."""

from __future__ import annotations

from typing import Any

from engine_fakes import COUNT, make_blueprint
from hypothesis import given
from hypothesis import strategies as st

from maabarium.acceptance.stable_tests import with_later_flaky, without_stable_tests
from maabarium.records import Evaluation, LineMap, Measured, TestResult

SHARE = {"name": "passed", "weight": 1, "direction": "maximize", "source": "tests.passed"}


def baseline(outcomes: dict[str, Any], flaky: str = "", covering: str = "", **more: Any) -> Evaluation:
    """A baseline whose tests have one letter each."""
    tests = tuple(TestResult(id=id, outcome=outcome) for id, outcome in outcomes.items())
    lines = LineMap(by_test={id: {"app.py": (1,)} for id in covering}) if covering else None
    return Evaluation(tests=tests, flaky=tuple(flaky), lines=lines, **more)


PASSED = dict.fromkeys("abcd", "passed")


def test_a_suite_without_flaky_tests_is_taken_as_it_is() -> None:
    for suite in ({}, PASSED, {"a": "failed"}, {"a": "skipped"}):
        assert without_stable_tests(make_blueprint(COUNT), baseline(suite)) == ""


def test_more_than_half_of_the_tests_must_gate() -> None:
    blueprint = make_blueprint(COUNT)
    assert without_stable_tests(blueprint, baseline(PASSED, "ab")) == ""
    assert "3 of 4 tests are flaky and gate nothing (a, b, c)" in without_stable_tests(
        blueprint, baseline(PASSED, "abc")
    )
    assert "3 of 4" in without_stable_tests(blueprint, baseline(PASSED, "a", later_flaky=("b", "c")))
    skipped = PASSED | {"c": "skipped", "d": "xfailed"}
    assert "2 of 2" in without_stable_tests(blueprint, baseline(skipped, "ab"))


def test_a_stable_test_must_run_what_may_change() -> None:
    blueprint = make_blueprint(COUNT)
    assert without_stable_tests(blueprint, baseline(PASSED, "a", covering="ab")) == ""
    said = without_stable_tests(blueprint, baseline(PASSED, "a", covering="a"))
    assert said.startswith("no stable test covers the files that may change, only flaky ones do (a)")
    assert without_stable_tests(blueprint, baseline(PASSED, "a", covering="ab", partial=("b",))) != ""
    red = PASSED | {"b": "failed"}
    assert without_stable_tests(blueprint, baseline(red, "a", covering="ab")) != ""
    # what is to be repaired is measured, and need not pass yet
    assert without_stable_tests(make_blueprint(SHARE), baseline(red, "a", covering="ab")) == ""


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcd")), st.sampled_from(["screen", "pair"]))
def test_what_is_found_flaky_stays_so(first: list[str], second: list[str], stage: Any) -> None:
    known = baseline(PASSED, later_flaky=tuple(sorted(set(first))))
    measured = Measured(number=1, stage=stage, candidate=Evaluation(later_flaky=tuple(second)))
    found = with_later_flaky(known, measured)
    assert found.later_flaky == tuple(sorted({*first, *second}))
    assert with_later_flaky(found, measured) is found
    audit = measured.model_copy(update={"stage": "audit"})
    assert with_later_flaky(known, audit) is known, "under its own hash seeds only"
