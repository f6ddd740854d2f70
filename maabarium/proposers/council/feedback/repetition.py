"""Whether a proposal was made before on the same champion, and when two summaries say the same. Pure.

The engine refuses the same tree by itself; this also knows the same edits by their digest, which a proposer leaves in
its proposal's `data`, and the same idea for the same files in other words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from maabarium.records import Attempt, FileEdit
from maabarium.safe_text import one_line

__all__ = ["DIGEST", "alike", "edits_digest", "idea_of", "is_ours", "was_tried"]

DIGEST = "edits_digest"
"""The key in `Proposal.data` under which a proposer leaves the digest of its edits."""

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


def edits_digest(edits: Iterable[FileEdit]) -> str:
    """SHA-256 over paths, operations, modes and contents; the order of the edits does not matter."""
    rows = sorted(f"{edit.path}\0{edit.operation}\0{edit.mode or 0}\0{edit.digest}" for edit in edits)
    return hashlib.sha256("\1".join(rows).encode("utf-8", "surrogatepass")).hexdigest()


def was_tried(summary: str, edits: Sequence[FileEdit], history: Iterable[Attempt], champion_number: int) -> bool:
    """Whether the same edits, or the same idea for the same files, were tried on this champion.

    An idea that was kept is no repetition (more of it may help again), nor is a reply that did not apply.
    """
    idea, paths, digest = idea_of(summary), {edit.path for edit in edits}, edits_digest(edits)
    for attempt in history:
        if is_ours(attempt) or attempt.outcome.parent != champion_number:
            continue
        judged = attempt.outcome.verdict in ("rejected", "tampered") and bool(attempt.paths)
        same_idea = judged and paths == set(attempt.paths) and alike(idea, idea_of(attempt.outcome.summary))
        if same_idea or attempt.data.get(DIGEST) == digest:
            return True
    return False
