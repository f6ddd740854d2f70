"""The advice: what repeated failures, repetitions and plateaus change; the same history and seed give the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from feedback_attempts import history_of, make_attempt
from hypothesis import given
from hypothesis import strategies as st

from maabarium.proposers.council.feedback import Advice, advice_on, plateau_length

HISTORIES = st.text("+-idec", max_size=60)


def test_at_first_nothing_is_different() -> None:
    assert advice_on([], 3, 1) == Advice()
    assert advice_on(history_of("+-"), 3, 1) == Advice()


@pytest.mark.parametrize(
    ("letters", "patience"),
    [("", 6), ("-----", 6), ("+", 4), ("---+---+", 8), ("-" * 30 + "+", 20), ("+++", 4), ("-----+-----+--", 12)],
)
def test_patience_is_twice_the_usual_distance_between_promotions(letters: str, patience: int) -> None:
    assert plateau_length(history_of(letters)) == patience


def test_a_plateau_makes_hotter_and_turns_the_lead_a_long_one_looks_wider() -> None:
    short, long = advice_on(history_of("-" * 6), 3, 1), advice_on(history_of("-" * 12), 3, 1)
    assert (short.scope, long.scope) == ("normal", "wide")
    assert 0 < short.temperature_delta < long.temperature_delta
    assert {0, short.lead, long.lead} == {0, 1, 2}
    assert "6 attempts" in short.note and "other places" in long.note
    assert advice_on(history_of("-" * 18), 3, 1).lead == 0


def test_a_promotion_ends_a_plateau() -> None:
    assert advice_on(history_of("-" * 12 + "+"), 3, 1) == Advice()


def test_replies_that_cannot_be_used_make_narrower_and_cooler() -> None:
    advice = advice_on(history_of("--iii"), 3, 1)
    assert advice.scope == "narrow" and advice.temperature_delta < 0
    assert "copy the old lines exactly" in advice.note
    assert advice_on(history_of("--i"), 3, 1) == Advice()
    assert advice_on(history_of("iii-"), 3, 1).scope == "normal"


def test_vetoes_are_no_unusable_replies() -> None:
    vetoed = [make_attempt(n, "invalid", reason_code="policy_objection") for n in range(1, 4)]
    assert advice_on(vetoed, 3, 1) == Advice()


def test_unusable_replies_speak_before_a_plateau() -> None:
    assert advice_on(history_of("-" * 14 + "ii"), 3, 1).scope == "narrow"


def test_repetitions_make_hotter() -> None:
    assert advice_on(history_of("dd"), 2, 1).temperature_delta == 0.2
    assert advice_on(history_of("d"), 2, 1).temperature_delta == 0
    same = [make_attempt(n, summary="Cache the compiled pattern", parent=0) for n in (1, 2, 3)]
    assert advice_on(same, 2, 1).temperature_delta == 0.2
    assert "not in the list" in advice_on(same, 2, 1).note


@given(HISTORIES, st.integers(0, 6), st.integers(0, 2**48))
def test_bounds_and_purity(letters: str, agents: int, seed: int) -> None:
    history = history_of(letters)
    advice = advice_on(history, agents, seed)
    assert advice == advice_on(list(history), agents, seed)
    assert -0.3 <= advice.temperature_delta <= 0.6
    assert 0 <= advice.lead < max(agents, 1)
    assert (advice.note == "") == (advice == replace(Advice(), lead=advice.lead))


@given(HISTORIES, st.integers(1, 6), st.integers(0, 99))
def test_what_breaks_on_our_side_changes_nothing(letters: str, agents: int, seed: int) -> None:
    history = history_of(letters)
    told = [attempt for attempt in history if attempt.outcome.verdict not in ("error", "cancelled")]
    assert advice_on(history, agents, seed) == advice_on(told, agents, seed)


@given(HISTORIES, st.integers(2, 6), st.integers(0, 99))
def test_every_agent_gets_to_lead_on_a_long_plateau(letters: str, agents: int, seed: int) -> None:
    history = history_of(letters)
    patience = plateau_length([a for a in history if a.outcome.verdict not in ("error", "cancelled")])
    leads = set()
    for _ in range(agents + 1):
        history += [make_attempt(1000 + len(history) + n, summary=f"{len(history)}x{n}") for n in range(patience)]
        leads.add(advice_on(history, agents, seed).lead)
    assert leads == set(range(agents))
