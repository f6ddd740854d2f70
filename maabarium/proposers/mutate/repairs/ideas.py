"""All edits worth a thought for one state of the target, each with what it is worth before history is asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from maabarium.proposers.mutate.repairs.drafting import Phrases, factors, repairs_of, spoken
from maabarium.proposers.mutate.repairs.history import Lessons
from maabarium.proposers.mutate.repairs.localisation import Localisation, Suspect
from maabarium.proposers.mutate.repairs.place import Repair
from maabarium.proposers.mutate.repairs.symptoms import boost, words

__all__ = ["Idea", "think", "weight"]

_STALE, _PROMISING = 0.5, 2.0
"""Factors for what failed, or helped, on another champion."""
_SHARPNESS = 2.0
"""Exponent of the suspicion: a line half as suspicious is worth a quarter."""


@dataclass(frozen=True, slots=True)
class Idea:
    """A repair of a suspicious statement; `worth` leaves the history out."""

    suspect: Suspect
    repair: Repair
    site: str
    worth: float

    @property
    def key(self) -> tuple[str, str]:
        """What makes this idea the same one after lines have shifted."""
        return self.site, self.repair.new


def think(localisation: Localisation) -> list[Idea]:
    """All repairs of the most suspicious statements."""
    suspects = localisation.suspects()
    found, hints = words(localisation.symptoms), boost(localisation.symptoms)
    known: Phrases = Counter()
    for path in {suspect.path for suspect in suspects}:
        known.update(spoken(localisation.files[path]))
    ideas: list[Idea] = []
    for suspect in suspects:
        source, statement = localisation.files[suspect.path], suspect.statement
        own = sorted(repairs_of(source, statement, found), key=lambda repair: (repair.start, repair.end, repair.new))
        sites = _sites(suspect, own)
        for repair, site, natural in zip(own, sites, factors(source, statement, own, known), strict=True):
            hint = max((hints.get(tag, 1.0) for tag in repair.tags), default=1.0)
            ideas.append(Idea(suspect, repair, site, suspect.score**_SHARPNESS * repair.prior * hint * natural))
    return ideas


def _sites(suspect: Suspect, own: list[Repair]) -> list[str]:
    """Names of places that do not change when lines shift: path, scope, then n-th statement, operator, n-th place."""
    place = f"{suspect.path}::{suspect.statement.scope.qualname or '<module>'}::{suspect.statement.number}"
    numbers: dict[str, dict[int, int]] = {}
    found = []
    for repair in own:
        starts = numbers.setdefault(repair.operator, {})
        found.append(f"{place}.{repair.operator}.{starts.setdefault(repair.start, len(starts) + 1)}")
    return found


def weight(idea: Idea, lessons: Lessons) -> float:
    """The chance that a change pays, kept below 1 without losing the order."""
    worth = idea.worth * lessons.factor(idea.suspect.path, idea.suspect.statement.first, idea.suspect.statement.last)
    if idea.key in lessons.stale:
        worth *= _STALE
    elif idea.key in lessons.promising:
        worth *= _PROMISING
    return worth / (1.0 + worth)
