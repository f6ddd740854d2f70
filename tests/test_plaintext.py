"""Untrusted text: nothing that a terminal obeys is left of it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maabarium.safe_text import one_line, plain

HOSTILE = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x07[]()0;mHJK\\P\r\n\t\u202e\ud800")))


@given(HOSTILE)
@example("\x1b\x1b[m[2J")
@example("\x1b\x1b]0;\x07]0;x\x07")
@example("\r\r\n\n")
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = plain(text)
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert not set(shown) & set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
    shown.encode("utf-8")  # can be written anywhere
    assert plain(shown) == shown


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"], include_characters=" \n\t\u200d")))
def test_harmless_text_is_unchanged(text: str) -> None:
    assert plain(text) == text


@given(HOSTILE, st.integers(1, 30))
def test_limits_hold(text: str, limit: int) -> None:
    whole, cut = plain(text), plain(text, limit)
    assert len(cut) <= limit
    assert cut == whole if len(whole) <= limit else cut == whole[: limit - 1] + "…"
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line and "\t" not in line and "  " not in line and line == line.strip()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1;2|data\x1b\\after", "after"),
        ("\x1b]0;unterminated", "\\x1b]0;unterminated"),
        ("\x1bc", "\\x1bc"),
        ("5 failed\r0 failed", "5 failed\\x0d0 failed"),
        ("a\r\nb", "a\nb"),
        ("a\x08b\x7f", "a\\x08b\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("if\u202e admin", "if\\u202e admin"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("größe 木 👩\u200d🚀", "größe 木 👩\u200d🚀"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_one_line_joins_lines() -> None:
    assert one_line("  a\n\n\tb\r\nc  ") == "a b c"
    assert one_line("abcdef", 4) == "abc…"


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        plain("x", 0)


def test_a_megabyte_of_broken_sequences_takes_no_time() -> None:
    """The expressions must be linear: each of these begins a sequence that never ends."""
    assert len(plain("\x1b]" * 500_000)) == 2_500_000
    assert len(plain("\x1bP" * 500_000)) == 2_500_000
    assert len(plain("\x1b[" * 500_000)) == 2_500_000
