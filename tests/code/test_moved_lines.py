"""Lines that ran at the baseline, where the champion's text has them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maabarium.code.moved_lines import moved_lines
from maabarium.records import LineMap

TEXTS = st.lists(st.sampled_from("abcdef"), max_size=12).map(lambda lines: "".join(f"{line}\n" for line in lines))


def traced(text: str) -> LineMap:
    """Every line ran, the n-th one n times."""
    numbers = range(1, len(text.splitlines()) + 1)
    return LineMap(by_test={"t": {"a.py": tuple(numbers)}}, hits={"a.py": {line: line for line in numbers}})


def moved(before: str, after: str) -> LineMap:
    return moved_lines(traced(before), {"a.py": (before.encode(), after.encode())})


def test_lines_below_an_insertion_move_with_their_hits() -> None:
    found = moved("a\nb\nc\n", "a\nnew\nnew\nb\nc\n")
    assert found.hits == {"a.py": {1: 1, 4: 2, 5: 3}}
    assert found.by_test == {"t": {"a.py": (1, 4, 5)}}


def test_what_stands_in_place_of_a_line_ran_as_often() -> None:
    found = moved("a\nb\nc\nd\n", "a\nB1\nB2\nd\n")
    assert found.hits == {"a.py": {1: 1, 2: 3, 3: 3, 4: 4}}


def test_deleted_lines_are_gone_and_other_files_are_left_alone() -> None:
    lines = LineMap(by_test={"t": {"b.py": (7,), "a.py": (1, 2)}}, hits={"b.py": {7: 9}, "a.py": {1: 1, 2: 5}})
    found = moved_lines(lines, {"a.py": (b"a\nb\n", b"b\n")})
    assert found.hits == {"b.py": {7: 9}, "a.py": {1: 5}}
    assert found.by_test == {"t": {"b.py": (7,), "a.py": (1,)}}


@given(TEXTS, TEXTS)
def test_only_lines_that_exist_ran_and_equal_texts_stay(before: str, after: str) -> None:
    found = moved(before, after)
    assert set(found.hits["a.py"]) == set(found.by_test["t"]["a.py"]) <= set(range(1, len(after.splitlines()) + 1))
    assert moved(before, before).hits == traced(before).hits


@given(TEXTS, st.lists(st.sampled_from("XYZ"), min_size=1, max_size=5), TEXTS)
def test_after_an_insertion_every_line_is_known_by_its_text(head: str, new: list[str], tail: str) -> None:
    after = head + "".join(f"{line}\n" for line in new) + tail
    found = moved(head + tail, after)
    assert len(found.hits["a.py"]) == len((head + tail).splitlines())
    for line, hits in found.hits["a.py"].items():
        assert (head + tail).splitlines()[hits - 1] == after.splitlines()[line - 1]
