"""A guard against going in circles: whether a proposal was made before on the same champion. Pure.

The engine refuses the same tree by itself; this also knows the same edits by their digest, which a proposer leaves in
its proposal's `data`, and the same idea for the same files in other words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from maabarium.proposers.council.feedback.ideas import alike, idea_of, is_ours, parent_of
from maabarium.records import Attempt, FileEdit
from maabarium.safe_text import one_line

__all__ = ["DIGEST", "LoopGuard", "Repetition", "edits_digest"]

DIGEST = "edits_digest"
"""The key in `Proposal.data` under which a proposer leaves the digest of its edits."""


@dataclass(frozen=True)
class Repetition:
    """What was done before. The same `edits` are certain, the same `idea` is a guess from words and paths."""

    number: int
    kind: Literal["edits", "idea"]
    sentence: str


class LoopGuard:
    """Knows what was tried on one champion. An idea that was kept is no repetition: more of it may help again."""

    def __init__(self, history: Iterable[Attempt], champion_number: int) -> None:
        self._edits: dict[str, Attempt] = {}
        self._ideas: list[tuple[frozenset[str], frozenset[str], Attempt]] = []
        for attempt in history:
            if is_ours(attempt) or parent_of(attempt) != champion_number:
                continue
            digest = attempt.data.get(DIGEST)
            if isinstance(digest, str) and digest:
                self._edits.setdefault(digest, attempt)
            if attempt.outcome.verdict in ("rejected", "tampered") and attempt.paths:
                idea = idea_of(attempt.outcome.summary)
                self._ideas.append((idea, frozenset(attempt.paths), attempt))

    def repeated(self, summary: str, edits: Sequence[FileEdit]) -> Repetition | None:
        """What a proposal repeats; None when it is new."""
        before = self._edits.get(edits_digest(edits))
        if before is not None:
            return _repetition(before, "edits")
        idea, paths = idea_of(summary), frozenset(edit.path for edit in edits)
        for known, touched, attempt in self._ideas:
            if touched == paths and alike(idea, known):
                return _repetition(attempt, "idea")
        return None


def edits_digest(edits: Iterable[FileEdit]) -> str:
    """SHA-256 over paths, operations, modes and contents; the order of the edits does not matter."""
    rows = sorted(f"{edit.path}\0{edit.operation}\0{edit.mode or 0}\0{edit.digest}" for edit in edits)
    return hashlib.sha256("\1".join(rows).encode("utf-8", "surrogatepass")).hexdigest()


def _repetition(attempt: Attempt, kind: Literal["edits", "idea"]) -> Repetition:
    outcome = attempt.outcome
    same = "the same edits were" if kind == "edits" else "the same idea for the same files was"
    said = f'{same} tried as experiment {outcome.number} ("{one_line(outcome.summary, 100)}"): {outcome.verdict}'
    return Repetition(outcome.number, kind, f"{said}, {outcome.reason_code}")
