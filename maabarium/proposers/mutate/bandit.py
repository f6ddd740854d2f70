"""Which change next: Thompson sampling (Biometrika 25, 1933) over operators and places, learned from finished attempts.

Operators, files and functions each have a Beta posterior of the chance that a change pays. One draw a request
from each, its distance from the prior on the log-odds scale, added to the arm's own guess: the largest sum goes
first. Attempts fade when the champion changes, since the code they spoke of has changed.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from maabarium.proposers.mutate.mutation import Mutation, MutationKey, key_of
from maabarium.records import Attempt, Outcome

__all__ = ["Bandit", "function_of"]

PRIOR_WINS, PRIOR_LOSSES = 1.5, 4.5
"""About one proposal in four pays; worth six attempts."""
CALM = 3.0
"""The draws come from a posterior of that many times the evidence: a change is tried once, so that what is passed over
now comes later anyway, and a wide draw would only hide what the arms know."""
FADE = 0.8
"""What an attempt still counts after one change of the champion."""
INVALID = 2.0
"""An invalid proposal counts as that many losses."""
NEAR = 0.4
"""Share of a win in an attempt that looked better but was not proven."""
POSTPONED = 6.0
"""Log-odds by which a change waits that failed before, on another champion."""
IGNORED_VERDICTS = ("error", "cancelled", "baseline")

Key = tuple[str, str]
"""What is learned about: ("operator", name), ("file", path) or ("function", path::qualified.name)."""


@dataclass
class Tally:
    """Weighted wins and losses."""

    wins: float = 0.0
    losses: float = 0.0


@dataclass(frozen=True)
class Bandit:
    """What the history says, and one draw from it. Made by `Bandit.of`."""

    seed: int
    tallies: Mapping[Key, Tally] = field(default_factory=dict)
    failed: frozenset[MutationKey] = frozenset()
    """Changes that were tried and not kept, though not those that pairs nearly proved."""

    @classmethod
    def of(cls, history: Sequence[Attempt], seed: int) -> Bandit:
        """Learn from the attempts of this proposer; those of others say nothing about its operators."""
        tallies: dict[Key, Tally] = defaultdict(Tally)
        failed: set[MutationKey] = set()
        fade = 1.0
        for attempt in reversed(history):
            outcome = attempt.outcome
            promoted = outcome.verdict == "promoted"
            if outcome.origin.agent == "mutate" and outcome.verdict not in IGNORED_VERDICTS:
                won, lost = _reward(outcome)
                for key in _keys(outcome.origin.operator, outcome.origin.site, attempt.paths):
                    tallies[key].wins += fade * won
                    tallies[key].losses += fade * lost
                # If all of the interval was a gain when the pairs ran out, another champion is worth another try.
                nearly = outcome.reason_code == "undecided" and outcome.interval is not None and outcome.interval[0] > 1
                if not promoted and outcome.reason_code != "stale_conflict" and not nearly:
                    failed.add(key_of(outcome.origin.operator, outcome.origin.site, outcome.summary))
            if promoted:
                fade *= FADE
        return cls(seed, dict(tallies), frozenset(failed))

    def ranked(self, changes: Sequence[Mutation]) -> Iterator[Mutation]:
        """The changes from the most to the least promising in this draw."""
        draws: dict[Key, float] = {}
        scores = []
        for change in changes:
            score = _log_odds(change.weight, 1e-4)
            for key in _keys(change.operator, change.site, (change.path,)):
                if key not in draws:
                    draws[key] = self._draw(key)
                score += draws[key]
            if change.key in self.failed:
                score -= POSTPONED
            scores.append(score)
        yield from (changes[n] for n in sorted(range(len(changes)), key=lambda n: -scores[n]))

    def _draw(self, key: Key) -> float:
        """How much better than the prior this operator or place is thought to be now, in log-odds."""
        if key not in self.tallies and key[0] != "operator":
            return 0.0  # places are many: one that was never tried is worth what its arm says
        tally = self.tallies.get(key, Tally())
        wins, losses = CALM * (PRIOR_WINS + tally.wins), CALM * (PRIOR_LOSSES + tally.losses)
        chance = random.Random(f"{self.seed} {key}").betavariate(wins, losses)
        return _log_odds(chance, 0.01) - math.log(PRIOR_WINS / PRIOR_LOSSES)


def _log_odds(chance: float, least: float) -> float:
    chance = min(max(chance, least), 1 - least)
    return math.log(chance / (1 - chance))


def function_of(site: str) -> str:
    """The site without its last part, the ordinal: `path::qualified.name`."""
    return site.rsplit("::", 1)[0]


def _keys(operator: str, site: str, paths: Sequence[str]) -> list[Key]:
    keys = [("operator", operator), *(("file", path) for path in paths)]
    if "::" in site:
        keys.append(("function", function_of(site)))
    return keys


def _reward(outcome: Outcome) -> tuple[float, float]:
    """Wins and losses of one attempt."""
    if outcome.verdict == "promoted":
        return 1.0, 0.0
    if outcome.verdict in ("invalid", "tampered"):
        return 0.0, INVALID
    if outcome.reason_code == "undecided" and outcome.effect is not None and outcome.effect > 1:
        return NEAR, 1 - NEAR
    return 0.0, 1.0
