"""Which tests are run first: the pure choice."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from maabarium.records import Evaluation, LineMap, TestResult
from maabarium_pytest.grading.selection import FILE_SECONDS, TEST_SECONDS, Coverage, choose, durations_of, touched_lines

IDS = st.sampled_from([f"tests/test_{file}.py::test_{name}" for file in "ab" for name in "pqrstuv"])
GROUPS = st.lists(st.lists(IDS, unique=True, max_size=6), max_size=4)
SECONDS = st.floats(0, 2)


@given(GROUPS, st.dictionaries(IDS, st.integers(1, 50)), st.dictionaries(IDS, SECONDS), SECONDS, st.integers(0, 9))
def test_a_choice_keeps_within_its_budget_and_to_what_may_be_chosen(
    groups: list[list[str]], rejections: dict[str, int], durations: dict[str, float], budget: float, most: int
) -> None:
    chosen = choose(groups, rejections, durations, budget, most)
    files = {id.partition("::")[0] for id in chosen}
    cost = sum(durations[id] + TEST_SECONDS for id in chosen) + FILE_SECONDS * len(files)
    assert cost <= budget + 1e-9 and len(chosen) <= most and len(set(chosen)) == len(chosen)
    assert set(chosen) <= durations.keys() & ({id for group in groups for id in group} | rejections.keys())


@given(GROUPS, st.dictionaries(IDS, st.integers(1, 50)), st.dictionaries(IDS, SECONDS, min_size=14))
def test_with_room_for_all_nothing_is_left_out_and_the_order_says_who_rejects(
    groups: list[list[str]], rejections: dict[str, int], durations: dict[str, float]
) -> None:
    chosen = choose(groups, rejections, durations, 1000.0, 1000)
    touching = {id for group in groups for id in group}
    assert set(chosen) == touching | rejections.keys()
    ranks = [0 if id in touching and id in rejections else 1 if id in touching else 2 for id in chosen]
    assert ranks == sorted(ranks)
    for first, second in pairwise(chosen):
        if first in rejections and second in rejections and (first in touching) == (second in touching):
            rates = [rejections[id] / (durations[id] + TEST_SECONDS) for id in (first, second)]
            assert rates[0] >= rates[1]


def test_every_changed_place_gets_its_cheapest_test_before_one_gets_a_second() -> None:
    durations = {f"t.py::{name}": 0.0 for name in "abcd"}
    groups = [["t.py::a", "t.py::b"], ["t.py::c", "t.py::d"]]
    assert choose(groups, {}, durations, 1.0) == ("t.py::a", "t.py::c", "t.py::b", "t.py::d")


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n"]), max_size=12)


def text(lines: list[str]) -> bytes:
    return "".join(lines).encode()


@given(LINES, LINES, LINES)
def test_touched_lines_are_those_of_the_baseline_where_both_differ(a: list[str], b: list[str], c: list[str]) -> None:
    base, champion, candidate = text(a), text(b), text(c)
    assert touched_lines(base, champion, champion) == set()
    spans = touched_lines(base, base, candidate)
    assert bool(spans) == (base != candidate)
    kept = [line for number, line in enumerate(a, 1) if not any(first <= number <= last for first, last in spans)]
    rest = iter(c)
    assert all(line in rest for line in kept), "a line outside all spans is not in the candidate any more"
    assert all(1 <= first <= last for first, last in spans)


SOURCE = b"LIMIT = 3\n\ndef one(x):\n    y = x\n    return y\n\ndef two(x):\n    return x * LIMIT\n"


def coverage() -> Coverage:
    lines = {"t.py::slow_one": (4, 5), "t.py::one": (4,), "t.py::two": (8,), "t.py::flaky": (4, 5, 8)}
    seconds = {"t.py::slow_one": 2.0, "t.py::one": 0.1, "t.py::two": 0.5, "t.py::flaky": 0.0}
    baseline = Evaluation(
        tests=tuple(TestResult(id=id, outcome="passed", duration=each) for id, each in seconds.items()),
        flaky=("t.py::flaky",),
        lines=LineMap(by_test={id: {"m.py": numbers} for id, numbers in lines.items()}),
    )
    durations = durations_of(baseline, lambda id: True)
    assert "t.py::flaky" not in durations and baseline.lines
    return Coverage.of(baseline.lines, durations)


def test_tests_of_a_change_run_its_lines_then_its_function() -> None:
    found = coverage()
    assert found.covering("m.py", SOURCE, [(4, 4)]) == [["t.py::one", "t.py::slow_one"]]
    assert found.covering("m.py", SOURCE, [(5, 5)]) == [["t.py::slow_one", "t.py::one"]], (
        "line 5 is run by the slow one"
    )
    assert found.covering("m.py", SOURCE, [(4, 8)])[0][:1] == ["t.py::one"], "what is outside functions: the whole file"
    assert found.covering("m.py", SOURCE, [(1, 1)]) == [["t.py::one", "t.py::two", "t.py::slow_one"]]
    assert found.covering("other.py", SOURCE, [(1, 1)]) == [[]]
