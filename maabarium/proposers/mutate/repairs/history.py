"""What earlier experiments say: which changes were tried, which statements moved the tests, and how to undo a change.

After Metallaxis (Papadakis and Le Traon, 2015): a change in the faulty statement turns some failing test green,
a change elsewhere mostly turns passing ones red. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from maabarium.records import Attempt

__all__ = ["Lessons", "learn", "undone"]

_UNFINISHED = {"error", "cancelled"}
_TELLING = {"promoted", "rejected"}
_SILENT = {"timeout", "crashed", "out_of_memory", "output_flood", "import_failed", "does_not_apply", "out_of_bounds"}
_FULL = 50
"""An outcome names at most so many failing tests; a full list cannot be compared."""
_FIXED, _BROKE, _SAME = 1.8, 0.95, 0.85
_LEAST, _MOST = 0.6, 2.5
"""Bounds of a statement's factor: many wrong edits of a long line say little against the line."""


@dataclass
class Lessons:
    """What to make of (site, replacement): `tried` here, `stale` or `promising` on another champion.

    `lines` holds factors by path and line.
    """

    tried: set[tuple[str, str]] = field(default_factory=set)
    stale: set[tuple[str, str]] = field(default_factory=set)
    promising: set[tuple[str, str]] = field(default_factory=set)
    lines: dict[tuple[str, int], float] = field(default_factory=dict)

    def factor(self, path: str, first: int, last: int) -> float:
        """How much more (or less) a statement is worth than its suspicion says."""
        value = 1.0
        for line in range(first, last + 1):
            value *= self.lines.get((path, line), 1.0)
        return min(max(value, _LEAST), _MOST)


def learn(history: Iterable[Attempt], state: int, failing: Iterable[str]) -> Lessons:
    """Read the attempts that this arm's changes led to; `state` is the number of the champion they must start from.

    A change made "instead" of kept ones starts from the baseline, whoever was champion then.
    """
    lessons = Lessons()
    before = set(failing)
    for attempt in history:
        outcome, data = attempt.outcome, attempt.data
        if outcome.verdict in _UNFINISHED or "replacement" not in data:
            continue
        same = state == (0 if data.get("instead") else outcome.parent)
        key = (outcome.origin.site or str(data.get("site", "")), str(data["replacement"]))
        if same:
            lessons.tried.add(key)
        elif outcome.verdict == "promoted" or _cures(set(outcome.failing), before):
            lessons.promising.add(key)  # what helped one champion may be the whole repair of another
        else:
            lessons.stale.add(key)
        line = data.get("line")
        if same and isinstance(line, int) and outcome.verdict in _TELLING and outcome.reason_code not in _SILENT:
            after = set(outcome.failing)
            known = outcome.verdict == "promoted" or bool(after)
            if known and len(before) < _FULL and len(after) < _FULL:
                place = (key[0].partition("::")[0], line)
                moved = _FIXED if before - after else (_BROKE if after - before else _SAME)
                lessons.lines[place] = lessons.lines.get(place, 1.0) * moved
    return lessons


def _cures(after: set[str], before: set[str]) -> bool:
    """Whether at most half of the failing tests were left, though others may have broken."""
    return 0 < len(after) < _FULL and 2 * len(before & after) <= len(before)


def undone(history: Iterable[Attempt], path: str, text: str) -> str | None:
    """The text of a file as it was before all kept changes; None if no change of it was kept or one is unknown."""
    kept = [attempt.data for attempt in history if attempt.outcome.verdict == "promoted" and _concerns(attempt, path)]
    for data in reversed(kept):
        start, old, new = data.get("start"), data.get("replaced"), data.get("replacement")
        if not (isinstance(start, int) and isinstance(old, str) and isinstance(new, str)):
            return None
        if text[start : start + len(new)] != new:
            return None
        text = text[:start] + old + text[start + len(new) :]
        if data.get("instead"):
            break  # this one was made to the baseline's text: nothing older is left in the file
    return text if kept else None


def _concerns(attempt: Attempt, path: str) -> bool:
    return path in attempt.paths or str(attempt.data.get("site", "")).startswith(f"{path}::")
