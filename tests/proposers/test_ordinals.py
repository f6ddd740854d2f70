"""Numbers in summaries: there where they are needed, and no part of what makes an idea the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maabarium.proposers.mutate.mutation import key_of, numbered


def test_equal_texts_are_numbered_and_others_are_not() -> None:
    found = list(numbered(["a (f", "b (f", *["a (f"] * 21]))
    assert found[:3] == ["a (f, 1st", "b (f", "a (f, 2nd"]
    assert [found[number].rpartition(" ")[2] for number in (3, 4, 11, 12, 13, 21, 22)] == [
        "3rd", "4th", "11th", "12th", "13th", "21st", "22nd",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=3), max_size=8))
def test_no_two_are_the_same_and_the_number_comes_off_again(names: list[str]) -> None:
    found = [f"{text}): why" for text in numbered([f"what ({name}" for name in names])]
    if not any("," in name for name in names):
        assert len(set(found)) == len(found)
        assert [key_of("x", "y", text)[2] for text in found] == [f"what ({name}): why" for name in names]
