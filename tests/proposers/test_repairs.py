"""The arm as a whole: right changes first, nothing without a red test, nothing twice, and fast."""

from __future__ import annotations

import dataclasses
import time

from proposal_requests import make_attempt, make_request

from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.proposers.mutate.repairs.arm import Repairs
from maabarium.records import Attempt, LineMap, TestResult

SOURCE = b"""\
LIMIT = 10


def window_bounds(size, start):
    end = start + LIMIT
    if end < size:
        return start, end
    return start, size


def label(name):
    return name.strip().upper()
"""
TESTS = b"""\
from pkg import label, window_bounds

def test_fits(): assert window_bounds(20, 0) == (0, 10)
def test_cut(): assert window_bounds(5, 0) == (0, 5)
def test_edge(): assert window_bounds(10, 0) == (1, 10)
def test_label(): assert label(" a ") == "a"
"""
FILES = {"pkg.py": SOURCE, "tests/test_pkg.py": TESTS}
FIT, CUT, EDGE, LABEL = (f"tests/test_pkg.py::test_{name}" for name in ("fits", "cut", "edge", "label"))
COVERED = {FIT: (5, 6, 7), CUT: (5, 6, 8), EDGE: (5, 6, 8), LABEL: (12,)}
CASE = "E   AssertionError: assert 'A' == 'a'\nE     + where 'A' = label(' a ')\n\ntests/test_pkg.py:6: AssertionError"


def request(failing: dict[str, str], *, lines: bool = True, history: tuple[Attempt, ...] = ()) -> ProposalRequest:
    tests = [
        TestResult(id=test, outcome="failed" if test in failing else "passed", detail=failing.get(test, ""))
        for test in COVERED
    ]
    made = make_request(FILES, tests=tests, history=history)
    found = LineMap(by_test={test: {"pkg.py": rows} for test, rows in COVERED.items()}) if lines else None
    evaluation = made.champion.evaluation.model_copy(update={"lines": found})
    champion = made.champion.model_copy(update={"evaluation": evaluation})
    return dataclasses.replace(made, champion=champion, baseline=evaluation, targets=("pkg.py",))


def lines_of(changes: list[Mutation]) -> list[object]:
    return [change.data["line"] for change in changes]


def test_nothing_is_proposed_for_a_green_suite() -> None:
    assert list(Repairs().changes(request({}))) == []


def test_the_line_that_only_the_failing_test_runs_comes_first() -> None:
    changes = list(Repairs().changes(request({LABEL: CASE})))
    assert set(lines_of(changes)) == {12}
    assert b"name.strip().lower()" in changes[0].content
    assert changes[0].summary == "`upper` -> `lower` in label (line 12): 1 failing test covers it"
    assert changes[0].site == "pkg.py::label::1.neighbour.2"
    assert changes[0].operator == "neighbour"


def test_the_weight_falls_and_stays_a_chance() -> None:
    weights = [change.weight for change in Repairs().changes(request({EDGE: "E   assert (0, 10) == (1, 10)"}))]
    assert weights == sorted(weights, reverse=True)
    assert 0 < weights[-1] <= weights[0] < 1


def test_the_same_request_gives_the_same_changes_in_a_new_process_or_an_old_one() -> None:
    arm = Repairs()
    first = list(arm.changes(request({CUT: "", EDGE: ""})))
    assert (
        first
        == list(arm.changes(request({CUT: "", EDGE: ""})))
        == list(Repairs().changes(request({CUT: "", EDGE: ""})))
    )
    contents = [change.content for change in first]
    assert len(contents) == len(set(contents))
    assert SOURCE not in contents


def test_constants_read_by_suspicious_lines_are_reached() -> None:
    changes = list(Repairs().changes(request({FIT: "E   assert (0, 11) == (0, 10)"})))
    assert any(b"LIMIT = 11\n" in change.content for change in changes)
    assert 12 not in lines_of(changes)


def test_without_a_line_map_names_and_tracebacks_lead_to_the_function() -> None:
    changes = list(Repairs().changes(request({LABEL: CASE}, lines=False)))
    assert set(lines_of(changes)) == {12}
    trace = "pkg.py:12: in label\n    return name\nE   AttributeError: x\n"
    unknown = request({LABEL: trace}, lines=False)
    without_tests = dataclasses.replace(unknown, files=make_request({"pkg.py": SOURCE}).files)
    assert set(lines_of(list(Repairs().changes(without_tests)))) == {12}


def attempt_of(change: Mutation, verdict: str, number: int, **fields: object) -> Attempt:
    origin = {"arm": "repairs", "operator": change.operator, "site": change.site}
    made = make_attempt(number, verdict, change.data, origin=origin, summary=change.summary, **fields)
    return dataclasses.replace(made, paths=(change.path,)) if dataclasses.is_dataclass(made) else made


def test_a_tried_change_is_not_repeated_and_a_moved_test_draws_attention() -> None:
    red = {CUT: "", EDGE: ""}
    first, *rest = Repairs().changes(request(red))
    other = next(change for change in rest if change.data["line"] != first.data["line"])
    history = (attempt_of(other, "rejected", 1, failing=[EDGE, FIT]),)
    again = list(Repairs().changes(request(red, history=history)))
    assert other.content not in {change.content for change in again}
    line = other.data["line"]
    before = [change.weight for change in rest if change.data["line"] == line and change is not other]
    after = [change.weight for change in again if change.data["line"] == line]
    assert max(after) > max(before)


def test_what_broke_on_our_side_may_be_tried_again() -> None:
    red = {CUT: "", EDGE: ""}
    first = next(iter(Repairs().changes(request(red))))
    history = (attempt_of(first, "error", 1, reason_code="internal"),)
    assert next(iter(Repairs().changes(request(red, history=history)))).content == first.content


def test_after_a_half_repair_the_other_edits_of_the_baseline_stay_in_the_race() -> None:
    red = {CUT: "", EDGE: ""}
    start = request(red)
    kept = next(change for change in Repairs().changes(start) if change.data["line"] == 8)
    half = request({EDGE: ""}, history=(attempt_of(kept, "promoted", 1),))
    files = make_request({**FILES, "pkg.py": kept.content}).files
    champion = half.champion.model_copy(update={"tree": files.tree, "number": 1})
    changes = list(
        Repairs().changes(dataclasses.replace(half, files=files, champion=champion, baseline=start.baseline))
    )
    instead = [change for change in changes if change.data["instead"]]
    assert b"if end <= size:" in b"".join(change.content for change in instead)
    assert all("instead of what was kept" in change.summary for change in instead)
    assert not any(change.content in (SOURCE, kept.content) for change in changes)
    text = kept.content.splitlines()
    assert all(text[7] not in change.content.splitlines() or change.data["line"] == 8 for change in instead)


def test_files_that_are_absent_or_broken_are_passed_over() -> None:
    made = request({LABEL: CASE})
    targets = ("absent.py", "broken.py", "notes.txt", "pkg.py")
    files = make_request({**FILES, "broken.py": b"def (", "notes.txt": b"\xff"}).files
    assert list(Repairs().changes(dataclasses.replace(made, targets=targets, files=files)))


def test_a_thousand_lines_are_read_once() -> None:
    block = b"def f%d(a, b):\n    if a < b and b - 1 > a:\n        return max(a, b)[a:b]\n    return a + b * 2\n\n"
    content = b"".join(block % number for number in range(200))
    tests = [TestResult(id=f"t.py::t{n}", outcome="failed" if n % 4 == 0 else "passed") for n in range(200)]
    lines = {test.id: {"m.py": tuple(range(5 * n + 2, 5 * n + 5))} for n, test in enumerate(tests)}
    made = make_request({"m.py": content}, tests=tests)
    evaluation = made.champion.evaluation.model_copy(update={"lines": LineMap(by_test=lines)})
    made = dataclasses.replace(made, champion=made.champion.model_copy(update={"evaluation": evaluation}))
    arm = Repairs()
    started = time.process_time()
    for _ in range(20):  # all but the first are on the same champion
        assert next(iter(arm.changes(made)))
    assert time.process_time() - started < 10  # near 0.2 on an idle machine
