"""All edits worth a thought for one state of the target, each with what it is worth before history is asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from maabarium.proposers.mutate.repairs.blame import Blame
from maabarium.proposers.mutate.repairs.drafting import drafts
from maabarium.proposers.mutate.repairs.evidence import Evidence
from maabarium.proposers.mutate.repairs.history import Lessons
from maabarium.proposers.mutate.repairs.phrases import Phrases, factors, spoken
from maabarium.proposers.mutate.repairs.place import Draft
from maabarium.proposers.mutate.repairs.spectrum import Suspicion
from maabarium.proposers.mutate.repairs.survey import Statement
from maabarium.proposers.mutate.repairs.symptoms import boost, words

__all__ = ["Idea", "think", "weight"]

_MOST_STATEMENTS = 150
_STALE, _PROMISING = 0.5, 2.0
"""Factors for what failed, or helped, on another champion."""
_SHARPNESS = 2.0
"""Exponent of the suspicion: a line half as suspicious is worth a quarter."""


@dataclass(frozen=True, slots=True)
class Idea:
    """A draft with the place it came from; `worth` leaves the history out."""

    path: str
    statement: Statement
    draft: Draft
    site: str
    suspicion: Suspicion
    worth: float

    @property
    def key(self) -> tuple[str, str]:
        """What makes this idea the same one after lines have shifted."""
        return self.site, self.draft.new


def think(evidence: Evidence) -> list[Idea]:
    """All drafts for the most suspicious statements."""
    suspects = _suspects(evidence)
    found, hints = words(evidence.symptoms), boost(evidence.symptoms)
    known: Phrases = Counter()
    for path in sorted({path for _, path, _ in suspects}):
        known.update(spoken(evidence.files[path].source))
    ideas: list[Idea] = []
    for suspicion, path, statement in suspects:
        source = evidence.files[path].source
        own = sorted(drafts(source, statement, found), key=lambda draft: (draft.start, draft.end, draft.new))
        sites = _sites(path, statement, own)
        for draft, site, natural in zip(own, sites, factors(source, statement, own, known), strict=True):
            hint = max((hints.get(tag, 1.0) for tag in draft.tags), default=1.0)
            worth = suspicion.score**_SHARPNESS * draft.prior * hint * natural
            ideas.append(Idea(path, statement, draft, site, suspicion, worth))
    return ideas


def _suspects(evidence: Evidence) -> list[tuple[Suspicion, str, Statement]]:
    """The most suspicious statements of all files, the worst first."""
    found: list[tuple[Suspicion, str, Statement]] = []
    for path, file in evidence.files.items():
        own = {id(s.node): evidence.spectrum.suspicion(path, s, evidence.using(s)) for s in file.statements}
        blame = Blame(evidence, path)
        for statement in reversed(file.statements):  # inner statements first: a condition answers for its branches
            suspicion = blame.shared(statement, own)
            own[id(statement.node)] = suspicion
            if suspicion.score > 0:
                found.append((suspicion, path, statement))
    found.sort(key=lambda suspect: (-suspect[0].score, suspect[1], suspect[2].first))
    return found[:_MOST_STATEMENTS]


def _sites(path: str, statement: Statement, own: list[Draft]) -> list[str]:
    """Names of places that do not change when lines shift: path, scope, then n-th statement, operator, n-th place."""
    scope = statement.scope.qualname or "<module>"
    seats: dict[str, dict[int, int]] = {}
    found = []
    for draft in own:
        starts = seats.setdefault(draft.operator, {})
        place = starts.setdefault(draft.start, len(starts) + 1)
        found.append(f"{path}::{scope}::{statement.number}.{draft.operator}.{place}")
    return found


def weight(idea: Idea, lessons: Lessons) -> float:
    """The chance that a change pays, kept below 1 without losing the order."""
    worth = idea.worth * lessons.factor(idea.path, idea.statement.first, idea.statement.last)
    if idea.key in lessons.stale:
        worth *= _STALE
    elif idea.key in lessons.promising:
        worth *= _PROMISING
    return worth / (1.0 + worth)
