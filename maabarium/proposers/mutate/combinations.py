"""Several rewrites at once, when each of them alone has been tried on this champion.

A gain that is too small to be shown of one change can often be shown of several together. Those that were seen to
hurt stay out. Knows no bandit; a pure function of the champion's files, the history and the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from maabarium.proposers.mutate.change import Arm, Change
from maabarium.proposers.mutate.parameters_joint import JointChange
from maabarium.protocols import ProposalRequest, TreeView
from maabarium.records import Outcome

__all__ = ["combinations"]

HURT = 0.85
HURT_IN_PAIRS = 0.99
"""A change below this improvement factor alone is not taken along: one sample says little, pairs say more."""
DRAWS = 24
"""Random subsets that are looked at for one proposal."""

Place = tuple[str, str]
"""Operator and site."""


class EditedFiles:
    """A tree with some files changed; it goes by the name of the tree it was."""

    def __init__(self, files: TreeView, contents: Mapping[str, bytes]) -> None:
        self.tree = files.tree
        self.files = files
        self.contents = contents

    def paths(self) -> Sequence[str]:
        """All file paths, sorted."""
        return self.files.paths()

    def read(self, path: str) -> bytes:
        """Content of one file; KeyError if there is none."""
        return self.contents[path] if path in self.contents else self.files.read(path)


def combinations(arm: Arm, request: ProposalRequest) -> Iterator[Change]:
    """All harmless changes together first, then those of one file each, then random subsets."""
    places = _harmless(arm, request)
    if len(places) < 2:
        return
    by_file: dict[str, list[Place]] = {}
    for place, path in places.items():
        by_file.setdefault(path, []).append(place)
    draw = random.Random(f"{request.seed}:combinations")
    subsets = [list(places), *(group for group in by_file.values() if len(group) > 1)]
    subsets += [draw.sample(list(places), draw.randint(2, len(places))) for _ in range(DRAWS)]
    seen: set[frozenset[Place]] = set()
    for subset in subsets:
        key = frozenset(subset)
        if key in seen:
            continue
        seen.add(key)
        joined = _joined(arm, request, key)
        if joined is not None:
            yield joined


def _harmless(arm: Arm, request: ProposalRequest) -> dict[Place, str]:
    """Places to change, with their files, but for those that hurt when they were tried alone."""
    hurt = {
        (attempt.outcome.origin.operator, attempt.outcome.origin.site)
        for attempt in request.history
        if attempt.outcome.verdict != "promoted" and _hurt(attempt.outcome)
    }
    found = ((change.operator, change.site, change.path) for change in arm.changes(request))
    return {(operator, site): path for operator, site, path in found if (operator, site) not in hurt}


def _hurt(outcome: Outcome) -> bool:
    return outcome.effect is None or outcome.effect < (HURT_IN_PAIRS if outcome.pairs else HURT)


def _joined(arm: Arm, request: ProposalRequest, wanted: frozenset[Place]) -> Change | None:
    """The changes one after the other, each found anew in what the others made; None if fewer than two are left."""
    contents: dict[str, bytes] = {}
    done: list[Change] = []
    left = set(wanted)
    while left:
        now = replace(request, files=EditedFiles(request.files, contents))
        change = next((one for one in arm.changes(now) if (one.operator, one.site) in left), None)
        if change is None:
            break
        left.discard((change.operator, change.site))
        contents[change.path] = change.content
        done.append(change)
    if len(done) < 2:
        return None
    (path, content), *others = contents.items()
    names = ", ".join(change.summary.partition(":")[0] for change in done[:4]) + (" …" if len(done) > 4 else "")
    return JointChange(
        path=path,
        operator="combination",
        site="+".join(sorted(f"{change.operator}@{change.site}" for change in done)),
        summary=f"{len(done)} rewrites at once ({names}): alone each was too small to show",
        content=content,
        others=tuple(others),
    )
