"""Where the fault is thought to be: spectrum, tracebacks, names, symptoms and lessons."""

from __future__ import annotations

import time

import pytest

from maabarium.code.faults import FailingTest, FaultMap, lines_by_name
from maabarium.code.python_file import PythonFile
from maabarium.code.statements import Statement
from maabarium.code.tree import CodeTree, Imports
from maabarium.proposers.mutate.repairs.arm import learn, undone
from maabarium.proposers.mutate.repairs.localisation import Localisation, Suspect
from maabarium.proposers.mutate.repairs.symptoms import Symptom, boost, read_symptom, words
from maabarium.records import Attempt, Origin, Outcome, TestResult

CODE = b"""\
LIMIT = 3

def sign(x, low=0):
    if x > low:
        return "pos"
    if x == 0:
        return "zero"
    return "negative"

def capped(x):
    return min(x, LIMIT)
"""


class Located:
    """The module above, with the lines that its tests run."""

    def __init__(self, coverage: dict[str, tuple[int, ...]], failed: list[str], code: bytes = CODE) -> None:
        source = PythonFile.read(code)
        assert source is not None
        by_test = {test: {"m.py": lines} for test, lines in coverage.items()}
        passing = [test for test in coverage if test not in failed]
        symptoms = tuple(Symptom(test) for test in failed)
        faults = FaultMap.of(symptoms, passing, by_test, ["m.py"], str)
        self.localisation = Localisation({"m.py": source}, symptoms, faults)
        self.statements: dict[int, Statement] = {statement.first: statement for statement in source.statements}

    def at(self, line: int) -> Suspect:
        return self.localisation.suspect("m.py", self.statements[line])


def test_lines_that_only_failing_tests_run_come_first() -> None:
    found = Located({"t1": (4, 5), "t2": (4, 6, 7), "t3": (4, 6, 8)}, ["t3"])
    score = {line: found.at(line).score for line in found.statements}
    assert score[8] > score[6] > score[4] > score[5] == score[7] == 0


def test_failing_tests_are_counted() -> None:
    found = Located({"t1": (4, 5), "t2": (4, 6), "t3": (4,)}, ["t1", "t2"])
    assert found.at(4).failing == 2
    assert found.at(5).failing == 1


def test_one_fault_of_several_is_still_suspicious() -> None:
    """A line that explains one failing test alone must not drown among five tests that fail elsewhere."""
    coverage = {f"a{n}": (4, 5) for n in range(5)} | {"b": (8,), "ok": (6,)}
    found = Located(coverage, [*(f"a{n}" for n in range(5)), "b"])
    assert found.at(8).score > 0.4


def test_import_time_statements_answer_for_the_lines_that_use_them() -> None:
    found = Located({"t1": (4, 5), "t2": (11,)}, ["t2"])
    assert found.at(1).score > 0
    assert found.at(3).score == 0
    assert Located({"t1": (4, 5)}, ["t1"]).at(3).score > 0


def test_the_lines_of_a_file_are_those_that_failing_tests_run_or_show() -> None:
    """What the council's context and the repairs look at is one map."""
    failing = [FailingTest("t1", (("/work/pkg/m.py", 5),)), FailingTest("t2", (("elsewhere.py", 1),))]
    coverage = {"t1": {"m.py": (4,), "other.py": (1,)}, "ok": {"m.py": (4,)}}
    lines = FaultMap.of(failing, ["ok"], coverage, ["m.py"], lambda path: path.rpartition("/")[2]).lines("m.py")
    assert lines.keys() == {4, 5} and 1.0 < lines[5] < 2.0 and 0 < lines[4] < 1.0


def test_names_reach_functions_and_what_they_call() -> None:
    files = {
        "m.py": b"def a():\n    return b()\ndef b():\n    return 1\ndef c():\n    return 2\n",
        "tests/test_m.py": b"import m\ndef test_a():\n    m.a()\ndef test_c(helper):\n    pass\n"
        b"def helper():\n    m.c()\n",
        "unrelated.py": b"def a():\n    pass\n",
    }
    tree = CodeTree(files, files.__getitem__)
    ids = ["tests/test_m.py::test_a", "tests/test_m.py::test_c[1]", "other.py::test_x"]
    found = lines_by_name(tree, Imports(tree), ids[:1], ids[1:], ["m.py", "unrelated.py"])
    assert found == {ids[0]: {"m.py": (2, 4)}, ids[1]: {"m.py": (6,)}, ids[2]: {}}


def failure(detail: str) -> Symptom:
    return read_symptom(TestResult(id="t", outcome="failed", detail=detail))


@pytest.mark.parametrize(
    ("detail", "kind"),
    [
        ("E       assert 3 == 4\nE        +  where 3 = f(1)", "one off"),
        ("E   AssertionError: assert -5 == 5", "sign"),
        ("E       assert False == True", "truth"),
        ("E       assert False\nE        +  where False = f()", "truth"),
        ("E       assert None == 3", "none"),
        ("E       assert [1, 2] == [1, 2, 3]", "length"),
        ("E       assert [2, 1] == [1, 2]", "order"),
        ("E       assert 'A' == 'a'", "case"),
        ("E       assert 'a  b' == 'a b'", "blanks"),
        ("E       assert [1, ...] == [2, ...]\nE         At index 0 diff: 1 != 2", "one off"),
        ("E         Left contains one more item: 5", "length"),
        ("E       Failed: DID NOT RAISE <class 'ValueError'>", "did not raise"),
        (">       with pytest.raises(KeyError):\nE       IndexError: x", "other error"),
    ],
)
def test_details_tell_what_is_wrong(detail: str, kind: str) -> None:
    assert kind in failure(detail).kinds


@pytest.mark.parametrize("detail", ["", "E", "assert \x00 == [", "E assert (((( == 1", 'File "", line 1', "é" * 30_000])
def test_any_text_can_be_read(detail: str) -> None:
    assert failure(detail).kinds <= {"number"}


def test_frames_and_errors_are_read_from_both_styles() -> None:
    short = failure("tests/test_m.py:3: \n_ _ _\nm.py:7: ZeroDivisionError\nE   ZeroDivisionError: division by zero")
    assert short.frames == (("tests/test_m.py", 3), ("m.py", 7))
    assert short.error == "ZeroDivisionError"
    native = failure('Traceback (most recent call last):\n  File "x.py", line 2, in f\nKeyError: 1')
    assert native.error == "KeyError"
    assert failure('File "/a/x.py", line 2, in f').frames == (("/a/x.py", 2),)


def test_what_was_expected_is_collected() -> None:
    found = words(
        [failure("E   assert 3 == 17"), failure("E   assert 'a, b' == 'a; b'"), failure("raises(LookupError)")]
    )
    assert found.numbers == (17,)
    assert found.texts == ((",", ";"),)
    assert found.exceptions == ("LookupError",)
    unbound = failure("E   UnboundLocalError: cannot access local variable 'total' where it is not")
    assert words([unbound]).unbound == ("total",)


def test_symptoms_speak_for_operators() -> None:
    assert boost([failure("E   assert 3 == 4")])["one"] > 1.5
    assert boost([failure("E   TypeError: unsupported operand")])["arguments"] > 1.2
    assert boost([Symptom("t")]) == {}


def attempt(number: int, replacement: str, failing: tuple[str, ...], **data: object) -> Attempt:
    outcome = Outcome(
        number=number, verdict="promoted" if data.pop("kept", False) else "rejected", reason_code="worse", reason="",
        origin=Origin(site="m.py::f::1.comparison.1"), failing=failing, parent=0,
    )  # fmt: skip
    return Attempt(outcome=outcome, data={"line": 4, "replacement": replacement, **data}, paths=("m.py",))  # type: ignore[dict-item]


def test_a_change_that_turned_a_failing_test_green_marks_its_line() -> None:
    fixed = learn([attempt(1, "<", ("b", "c"))], 0, ["a", "b"])
    same = learn([attempt(1, "<", ("a", "b"))], 0, ["a", "b"])
    broke = learn([attempt(1, "<", ("a", "b", "c"))], 0, ["a", "b"])
    assert fixed.factor("m.py", 4, 4) > 1 > broke.factor("m.py", 4, 4) > same.factor("m.py", 4, 4)
    assert learn([attempt(1, "<", ())], 0, ["a"]).factor("m.py", 4, 4) == 1
    assert fixed.tried == {("m.py::f::1.comparison.1", "<")}
    assert learn([attempt(1, "<", ("b",))], 3, ["a"]).tried == set()


def test_kept_changes_are_undone_in_reverse() -> None:
    kept = [
        attempt(1, "<=", (), kept=True, start=2, replaced="<"),
        attempt(2, "11", (), kept=True, start=0, replaced="1"),
    ]
    assert undone(kept, "m.py", "11 <= 2") == "1 < 2"
    assert undone(kept, "m.py", "12 <= 2") is None  # somebody else changed it since
    assert undone(kept, "other.py", "11 <= 2") is None
    instead = attempt(3, "==", (), kept=True, start=2, replaced="<", instead=True)
    assert undone([*kept, instead], "m.py", "1 == 2") == "1 < 2"
    assert undone([attempt(3, "x", ())], "m.py", "x") is None


def test_a_thousand_lines_are_surveyed_in_linear_time() -> None:
    block = b"def f%d(a, b):\n    if a < b and b - 1 > a:\n        return max(a, b)[a:b]\n    return a + b\n\n"
    content = b"".join(block % number for number in range(200))
    started = time.process_time()
    file = PythonFile.read(content)
    assert file is not None and len(file.statements) == 800
    assert time.process_time() - started < 10  # near 0.05 on an idle machine
