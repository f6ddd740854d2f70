"""How to look for the next change, judged by how the last ones ended. Pure: same history and seed, same advice.

- Replies that cannot be used, again and again: show less and ask for less (`narrow`), a little cooler.
- Repetitions of what was tried: hotter.
- No promotion for longer than this run lets expect: hotter, and another agent leads; after twice as long, also show
  more of the tree (`wide`). Unusable replies speak before a plateau.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median
from typing import Literal

from maabarium.proposers.council.feedback.repetition import alike, idea_of, is_ours
from maabarium.records import Attempt

__all__ = ["Advice", "AdviceScope", "advice_on", "plateau_length"]

_SHORTEST, _LONGEST, _UNKNOWN = 4, 20, 6
"""Bounds of the length of a plateau in attempts, and what it is before anything was kept."""
_RECENT = 6
_UNUSABLE: dict[str, str] = {
    "unparseable": "could not be read; keep to the form exactly",
    "does_not_apply": "did not fit the files; copy the old lines exactly as they are shown",
    "out_of_bounds": "touched files that may not change; keep to the files that are shown as changeable",
}
"""Reason codes of replies that could not be used, and what is said of them."""
_COOLEST, _HOTTEST = -0.3, 0.6
AdviceScope = Literal["normal", "narrow", "wide"]
"""How much of the tree is shown."""


@dataclass(frozen=True)
class Advice:
    """What to do differently in the next experiment."""

    temperature_delta: float = 0.0
    """To be added to each model's temperature; -0.3 to 0.6."""
    lead: int = 0
    """Index of the agent that goes first."""
    scope: AdviceScope = "normal"
    note: str = ""
    """A sentence or two for the prompt, in our own words; may be empty."""


def advice_on(history: Sequence[Attempt], agents: int, seed: int) -> Advice:
    """The advice after these attempts, for so many agents. Attempts that broke on our side do not count."""
    counted = [attempt for attempt in history if not is_ours(attempt)]
    last = max((index for index, each in enumerate(counted) if each.outcome.verdict == "promoted"), default=-1)
    since = counted[last + 1 :]
    waited = len(since) // plateau_length(counted)
    invalid, repeated = _invalid(since), _repeated(since)
    delta, notes = 0.15 * min(waited, 2), []
    scope: AdviceScope = "wide" if waited >= 2 else "normal"
    if waited:
        notes.append(
            f"Nothing was kept in the last {len(since)} attempts: try another kind of change than those listed"
            + (", and other places." if waited >= 2 else ".")
        )
    if repeated:
        delta += 0.1 * min(repeated, 3)
        notes.append("The last proposals repeated earlier ones. Propose something that is not in the list of ideas.")
    if invalid:
        delta -= 0.1 * min(invalid, 3)
        scope = "narrow"
        how = _UNUSABLE[since[-1].outcome.reason_code]
        notes.append(f"The last {invalid} replies {how}. Change a few lines of one file only.")
    return Advice(
        temperature_delta=round(min(max(delta, _COOLEST), _HOTTEST), 2),
        lead=_lead(waited, agents, seed),
        scope=scope,
        note=" ".join(notes),
    )


def plateau_length(history: Sequence[Attempt]) -> int:
    """After how many attempts without a promotion a plateau begins: twice the usual distance between two of them."""
    kept = [index for index, attempt in enumerate(history) if attempt.outcome.verdict == "promoted"]
    if not kept:
        return _UNKNOWN
    distances = [later - earlier for earlier, later in zip([-1, *kept], kept, strict=False)]
    return max(_SHORTEST, min(_LONGEST, round(2 * median(distances))))


def _invalid(since: Sequence[Attempt]) -> int:
    """How many replies in a row, up to now, could not be used; a single one is an accident."""
    count = len(list(takewhile(lambda attempt: attempt.outcome.reason_code in _UNUSABLE, reversed(since))))
    return count if count >= 2 else 0


def _repeated(since: Sequence[Attempt]) -> int:
    """How many of the last few attempts had been tried on the same champion before; a single one is an accident."""
    count = 0
    for index in range(max(0, len(since) - _RECENT), len(since)):
        attempt = since[index]
        own = idea_of(attempt.outcome.summary)
        before = (each for each in since[:index] if each.outcome.parent == attempt.outcome.parent)
        same = attempt.outcome.reason_code in ("duplicate", "no_effect")
        count += same or any(alike(own, idea_of(each.outcome.summary)) for each in before)
    return count if count >= 2 else 0


def _lead(waited: int, agents: int, seed: int) -> int:
    """The first agent until a plateau, then the others in an order of the seed's, then the first again."""
    others = list(range(1, agents))
    random.Random(seed).shuffle(others)
    return [0, *others][waited % (len(others) + 1)]
