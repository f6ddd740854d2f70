"""When two summaries say the same: a bag of words that leaves out what changes nothing. Pure."""

from __future__ import annotations

import re

from maabarium.records import Attempt
from maabarium.safe_text import one_line

__all__ = ["alike", "idea_of", "is_ours", "parent_of"]

_WORD = re.compile(r"[^\W_]+")
_EMPTY = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on",
        "or", "so", "that", "the", "then", "this", "to", "use", "using", "with",
    }
)  # fmt: skip
_OURS = frozenset({"provider_failed", "budget_spent", "interrupted", "internal", "exhausted", "promotion_failed"})
_ALIKE = 0.8


def idea_of(summary: str) -> frozenset[str]:
    """The words of a summary that carry it; a plural counts as its singular."""
    words = _WORD.findall(one_line(summary, 2000).casefold())
    return frozenset(word.removesuffix("s") if len(word) > 3 else word for word in words if word not in _EMPTY)


def alike(one: frozenset[str], two: frozenset[str]) -> bool:
    """Whether two ideas share at least four of five words; one without words is like no other."""
    return bool(one) and bool(two) and len(one & two) >= _ALIKE * len(one | two)


def is_ours(attempt: Attempt) -> bool:
    """Whether an attempt failed, or was cut off, on our side: it says nothing about its idea."""
    return attempt.outcome.verdict in ("error", "cancelled") or attempt.outcome.reason_code in _OURS


def parent_of(attempt: Attempt) -> int:
    """The number of the champion that an attempt started from."""
    return attempt.outcome.parent
