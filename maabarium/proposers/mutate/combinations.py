"""Several rewrites at once, when each of them alone has been tried on this champion.

A gain that is too small to be shown of one change can often be shown of several together: of those that looked
better, or no worse than the noise explains. A pure function of the champion's files, the history and the seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from statistics import median

from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import Arm, KnownFiles, Mutation
from maabarium.records import COMBINATION, Attempt, Outcome

__all__ = ["combinations"]

MAX_FRUITLESS = 4
"""Combinations that fail on one champion before no more are made: small gains that add up show in the first ones."""
NEAR = 0.5
"""How far below 1 a part may have looked, in standard deviations of the noise that was seen."""
PAIR_NOISE = 0.01
"""Standard deviation of the logarithm of one pair's factor, where no pairs have shown it."""
HALF_WIDTH = 2.33
"""Of an interval of a median, in its standard errors (98 %, see `maabarium.acceptance.estimate`)."""
DRAWS = 24
"""Random subsets that are looked at for one proposal."""

Place = tuple[str, str]
"""Operator and site."""
Tried = tuple[Mutation, Outcome]
"""One change that may be taken along, and the latest experiment that tried it alone."""


def combinations(arms: Sequence[Arm], request: ProposalRequest) -> Iterator[Mutation]:
    """All promising changes together first, those that looked better, those of one file each, then random subsets."""
    tried = (attempt.outcome for attempt in request.history if attempt.outcome.origin.operator == COMBINATION)
    fruitless = sum(each.parent == request.champion.number and each.verdict == "rejected" for each in tried)
    parts = _promising(arms, request) if fruitless < MAX_FRUITLESS else []
    if len(parts) < 2:
        return
    by_file: dict[str, list[Tried]] = {}
    for part in parts:
        by_file.setdefault(part[0].path, []).append(part)
    draw = random.Random(f"{request.seed}:combinations")
    subsets = [parts, [part for part in parts if (part[1].effect or 0) > 1], *by_file.values()]
    subsets += [draw.sample(parts, draw.randint(2, len(parts))) for _ in range(DRAWS)]
    seen: set[frozenset[Place]] = set()
    for subset in subsets:
        wanted = {(change.operator, change.site): (change, tried) for change, tried in subset}
        if len(wanted) < 2 or frozenset(wanted) in seen:
            continue
        seen.add(frozenset(wanted))
        joined = _joined(arms, request, wanted)
        if joined is not None:
            yield joined


def _promising(arms: Sequence[Arm], request: ProposalRequest) -> list[Tried]:
    """Changes that looked better, or hardly worse, when they were tried alone. What may not be tried has not been."""
    tried = {(a.outcome.origin.operator, a.outcome.origin.site): a.outcome for a in request.history}
    noise = _noise(request.history)
    found = {(change.operator, change.site): change for arm in arms for change in arm.changes(request)}
    parts = [(change, tried[place]) for place, change in found.items() if place in tried]
    return [(change, outcome) for change, outcome in parts if not _lost(outcome, noise)]


def _lost(outcome: Outcome, noise: float) -> bool:
    """Whether it failed, or was worse by more than `NEAR` of what one sample, or the median of its pairs, scatters."""
    if outcome.verdict == "promoted":
        return False
    if outcome.effect is None or outcome.effect <= 0:
        return True
    scatter = noise * (math.sqrt(math.pi / 2 / outcome.pairs) if outcome.pairs else math.sqrt(0.5))
    return math.log(outcome.effect) < -NEAR * scatter


def _noise(history: Sequence[Attempt]) -> float:
    """Standard deviation of the logarithm of one pair's factor, told from the intervals of the medians."""
    found = []
    for outcome in (attempt.outcome for attempt in history):
        low, high = outcome.interval or (0.0, 0.0)
        if 0 < low < high < math.inf and outcome.pairs:
            half_width = math.log(high / low) / 2
            found.append(half_width / (HALF_WIDTH * math.sqrt(math.pi / 2 / outcome.pairs)))
    return median(found) if found else PAIR_NOISE


def _joined(arms: Sequence[Arm], request: ProposalRequest, wanted: Mapping[Place, Tried]) -> Mutation | None:
    """The changes one after the other, each found anew in what the others made; None if fewer than two are left."""
    contents: dict[str, bytes] = {}
    left = dict(wanted)
    while left:
        now = replace(request, files=KnownFiles(request.files, dict(contents)))
        found = (change for arm in arms for change in arm.changes(now) if (change.operator, change.site) in left)
        # The last place of a function first: what was changed is no longer counted, so that later ones move up.
        change = max(found, key=lambda change: _ordinal(change.site), default=None)
        if change is None:
            break
        del left[change.operator, change.site]
        contents[change.path] = change.content
    done = [part for place, part in wanted.items() if place not in left]
    if len(done) < 2:
        return None
    (path, content), *others = contents.items()
    names = ", ".join(change.summary.partition(":")[0] for change, _ in done[:4]) + (" …" if len(done) > 4 else "")
    return Mutation(
        path=path,
        operator=COMBINATION,
        site="+".join(sorted(f"{change.operator}@{change.site}" for change, _ in done)),
        summary=f"{_named([outcome for _, outcome in done])} at once ({names}): alone each was too small to show",
        content=content,
        others=tuple(others),
        arm="rewrites",
    )


def _ordinal(site: str) -> int:
    last = site.rpartition("::")[2]
    return int(last) if last.isdecimal() else 0


def _named(tried: Sequence[Outcome]) -> str:
    """The experiments that are put together, `3-5 + 9`; no `#`, with which git would take a commit for a comment."""
    numbers = sorted(outcome.number for outcome in tried)
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    parts = [f"{run[0]}-{run[-1]}" if len(run) > 2 else " + ".join(map(str, run)) for run in runs]
    return " + ".join(parts)
