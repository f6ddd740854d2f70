"""Repetitions: same edits for certain, same idea by its words; only on the same champion."""

from __future__ import annotations

from feedback_attempts import make_attempt
from hypothesis import given
from hypothesis import strategies as st

from maabarium.proposers.council.feedback import DIGEST, alike, edits_digest, idea_of, was_tried
from maabarium.records import FileEdit

EDITS = (FileEdit(path="a.py", operation="modify", content=b"x = 1\n"),)
OTHER = (FileEdit(path="a.py", operation="modify", content=b"x = 2\n"),)
ELSEWHERE = (FileEdit(path="b.py", operation="modify", content=b"x = 2\n"),)


def test_the_same_edits_on_the_same_champion_are_a_repetition() -> None:
    tried = make_attempt(4, summary="one", parent=2, data={DIGEST: edits_digest(EDITS)})
    assert was_tried("quite another", EDITS, [tried], 2)
    assert not was_tried("quite another", EDITS, [tried], 3)
    assert not was_tried("quite another", OTHER, [tried], 2)


def test_the_same_idea_in_other_words_for_the_same_files_is_one_too() -> None:
    tried = make_attempt(4, summary="Cache the compiled pattern of lines", paths=["a.py"], parent=0)
    assert was_tried("cache compiled patterns for the line.", OTHER, [tried], 0)
    assert not was_tried("cache compiled patterns for the line.", ELSEWHERE, [tried], 0)
    assert not was_tried("use a frozenset for suffixes", OTHER, [tried], 0)


def test_kept_ideas_and_failures_on_our_side_are_no_repetitions() -> None:
    for verdict in ("promoted", "error", "cancelled"):
        tried = make_attempt(1, verdict, "the idea in words", paths=["a.py"], data={DIGEST: edits_digest(OTHER)})
        found = was_tried("the idea in words", OTHER, [tried], 0)
        assert found == (verdict == "promoted")  # its edits are still the same edits


def test_replies_that_did_not_apply_may_come_again_in_better_form() -> None:
    tried = make_attempt(1, "invalid", "the idea in words", paths=["a.py"])
    assert not was_tried("the idea in words", OTHER, [tried], 0)


def test_digests_do_not_depend_on_the_order_and_do_on_all_else() -> None:
    assert edits_digest([*EDITS, *ELSEWHERE]) == edits_digest([*ELSEWHERE, *EDITS])
    gone = FileEdit(path="a.py", operation="delete")
    runs = FileEdit(path="a.py", operation="modify", content=b"x = 1\n", mode=0o100755)
    assert len({edits_digest([edit]) for edit in (*EDITS, *OTHER, *ELSEWHERE, gone, runs)}) == 5


@given(st.text(max_size=80), st.text(max_size=80))
def test_likeness_is_symmetric_and_holds_for_every_idea_with_words(one: str, two: str) -> None:
    first, second = idea_of(one), idea_of(two)
    assert alike(first, second) == alike(second, first)
    assert alike(first, first) == bool(first)


def test_words_that_say_nothing_are_left_out() -> None:
    assert idea_of("Use the Cache, to speed up it!") == idea_of("cache speed up")
    assert idea_of("…") == frozenset()
