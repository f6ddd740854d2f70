"""The estimate: never below what a small tokenizer with single digits counts, by more than a tenth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.proposers.tokens import estimate_tokens

COUNTED = [
    ("def is_asset(path):\n    return path.endswith('.css')\n", 15),
    ("0123456789" * 20, 200),
    ("Überprüfung der Schätzung, größere Straßen führen häufig zu Verzögerungen. " * 4, 137),
    ("😀🎉🚀✨" * 10, 110),
    ("\t\t\tx = 1\n" * 20, 121),
    ("(){}[];:,.<>" * 10, 90),
]
"""Texts, and how many tokens the shipped small model (SmolLM2) makes of them, or a little less."""


@pytest.mark.parametrize(("text", "counted"), COUNTED)
def test_the_guess_is_high(text: str, counted: int) -> None:
    assert estimate_tokens(text) >= 0.9 * counted


def test_prose_and_code_are_not_guessed_twice_too_high() -> None:
    prose = "The estimate should not waste the room that a model has for what it is shown. " * 10
    assert estimate_tokens(prose) < 300  # counted: 160


def test_keys_and_hashes_count_more_than_words() -> None:
    assert estimate_tokens("a" * 39) < 20
    assert estimate_tokens("a1B2" * 20) >= 60


@given(st.text(st.characters()))
def test_bounds(text: str) -> None:
    guess = estimate_tokens(text)
    assert (guess == 0) == (text == "")
    assert guess <= len(text.encode("utf-8", "surrogatepass"))


@given(st.lists(st.text(st.characters(), max_size=60), max_size=8))
def test_lines_joined_never_cost_more_than_apart(lines: list[str]) -> None:
    assert estimate_tokens("\n".join(lines)) <= sum(estimate_tokens(line + "\n") for line in lines)
