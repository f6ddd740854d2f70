"""The Borda count, by what it must hold to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maabarium.proposers.council.debate import ballot_of, labels, ranked

NAMES = labels(5)
ballots = st.lists(st.lists(st.sampled_from(NAMES), unique=True), max_size=6)
agreements = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4))


def test_names_are_neutral_and_never_run_out() -> None:
    assert labels(3) == ("A", "B", "C")
    assert len(set(labels(200))) == 200


@given(ballots, agreements)
def test_every_draft_is_ranked_once(said: list[list[str]], agreement: dict[str, int]) -> None:
    assert sorted(ranked(NAMES, said, agreement)) == sorted(NAMES)


@given(st.lists(st.lists(st.sampled_from(NAMES), unique=True, min_size=5), min_size=1, max_size=6))
def test_an_unanimous_first_is_first(said: list[list[str]]) -> None:
    first = said[0][0]
    agreed = [[first, *(name for name in ballot if name != first)] for ballot in said]
    assert ranked(NAMES, agreed, {})[0] == first


@given(ballots, agreements, st.randoms())
def test_the_order_of_ballots_does_not_matter(said: list[list[str]], agreement: dict[str, int], random: object) -> None:
    shuffled = list(said)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ranked(NAMES, said, agreement) == ranked(NAMES, shuffled, agreement)


def test_ties_go_to_the_draft_that_more_members_wrote_and_then_to_the_first() -> None:
    assert ranked("AB", [("A", "B"), ("B", "A")], {"A": 1, "B": 2}) == ("B", "A")
    assert ranked("AB", [], {}) == ("A", "B")


def test_a_ballot_that_leaves_a_draft_out_gives_it_nothing() -> None:
    assert ranked("ABC", [("C",)], {}) == ("C", "A", "B")


def test_only_known_names_count_and_each_once() -> None:
    assert ballot_of(["B", "Z", "B", 3, None, "A"], "AB") == ("B", "A")
    assert ballot_of("AB", "AB") == ()
    assert ballot_of({"A": 1}, "AB") == ()
