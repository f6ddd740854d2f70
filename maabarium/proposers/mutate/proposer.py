"""The `mutate` proposer: works on code without a model, and is what runs when a blueprint names no other.

Its arms say which changes they can think of; the bandit says which of them is next. Tests that fail are repaired
first. The answer is a function of the champion's files, the history and the seed, so that resumed and repeated
runs ask for the same; the only state is caches keyed by content.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Literal

from pydantic import Field

from maabarium.blueprint.schema import Settings
from maabarium.code.python_file import compiles
from maabarium.errors import Problem
from maabarium.plugins.protocols import ProposalRequest, ProposerContext, TreeView
from maabarium.proposers.mutate.bandit import Bandit
from maabarium.proposers.mutate.combinations import combinations
from maabarium.proposers.mutate.mutation import Arm, KnownFiles, Mutation
from maabarium.proposers.mutate.parameters.arm import Parameters
from maabarium.proposers.mutate.repairs.arm import Repairs
from maabarium.proposers.mutate.rewrites.arm import Rewrites
from maabarium.proposers.mutate.ruff_fixes import RuffFixes, find_ruff
from maabarium.records import FileEdit, Origin, Proposal

__all__ = ["Mutate", "MutateOptions"]

ArmName = Literal["parameters", "rewrites", "ruff", "repairs"]
MAX_FRUITLESS_REPAIRS = 60
"""Repairs in a row without a gain after which they no longer come before everything else."""
FRUITLESS = ("rejected", "invalid", "tampered")


class Operators(Settings):
    """Which operators may be used, by name or pattern (`regex-*`). No `include` means all."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def allows(self, operator: str) -> bool:
        """Whether changes of this operator may be proposed."""
        if self.include and not any(fnmatch.fnmatchcase(operator, pattern) for pattern in self.include):
            return False
        return not any(fnmatch.fnmatchcase(operator, pattern) for pattern in self.exclude)


class MutateOptions(Settings):
    """Keys of `[proposer]` for `kind = "mutate"`."""

    arms: tuple[ArmName, ...] = Field(default=("parameters", "rewrites", "ruff", "repairs"), min_length=1)
    unmarked: bool = False
    """Also try other values for numeric constants and defaults that carry no mark."""
    operators: Operators = Operators()


class Mutate:
    """Proposes the change that is most likely to pay, until there is none left."""

    def __init__(self, context: ProposerContext) -> None:
        self.options = MutateOptions.model_validate(dict(context.options))
        self.parameters = Parameters(unmarked=self.options.unmarked)
        self.rewrites: Arm = Rewrites()
        self.ruff: Arm = RuffFixes()
        self.repairs: Arm = Repairs()
        self._contents = functools.lru_cache(maxsize=4)(lambda tree: dict[str, bytes]())

    def propose(self, request: ProposalRequest) -> Proposal | None:
        """The next change, or None when every arm is exhausted."""
        request = replace(request, files=KnownFiles(request.files, self._contents(request.files.tree)))
        candidates: list[Mutation] = []
        if self._uses("repairs") and any(test.failed for test in request.champion.evaluation.tests):
            repair = self._first_new(self.repairs.changes(request), request)
            done = (a.outcome for a in reversed(request.history) if a.outcome.origin.arm == "repairs")
            since_gain = takewhile(lambda outcome: outcome.verdict != "promoted", done)
            if repair and sum(outcome.verdict in FRUITLESS for outcome in since_gain) < MAX_FRUITLESS_REPAIRS:
                return _proposal(repair)
            candidates += [repair] if repair else []
        if self._uses("parameters"):
            # This arm learns from the history itself, so only its first change competes with the others.
            parameter = self._first_new(self.parameters.planned(request), request)
            candidates += [parameter] if parameter else []
        chosen = self._first_new(self._ranked(candidates, request), request)
        return _proposal(chosen) if chosen else None

    def _ranked(self, candidates: list[Mutation], request: ProposalRequest) -> Iterator[Mutation]:
        """These and all changes of code, then several of those at once, then numbers that nobody said may change."""
        bandit = Bandit.of(request.history, request.seed)
        arms = [arm for arm in (self.rewrites, self.ruff) if arm.name in self.options.arms]
        yield from bandit.ranked([*candidates, *(change for arm in arms for change in arm.changes(request))])
        yield from combinations(arms, request)
        if self._uses("parameters"):
            yield from bandit.ranked(list(self.parameters.open(request)))

    def notes(self, files: TreeView, targets: Sequence[str]) -> tuple[Problem, ...]:
        """What the user should know of the target files: markers that cannot be used, and what is not installed."""
        notes = self.parameters.notes(files, targets) if self._uses("parameters") else ()
        if self._uses("ruff") and find_ruff() is None:
            notes += (Problem("ruff", "it is not installed, so that its fixes are left out: pip install ruff"),)
        return notes

    def _uses(self, arm: ArmName) -> bool:
        return arm in self.options.arms

    def _first_new(self, changes: Iterable[Mutation], request: ProposalRequest) -> Mutation | None:
        """The first allowed change that gives a tree nobody has seen."""
        allowed = (change for change in changes if self.options.operators.allows(change.operator))
        new = (change for change in allowed if request.is_new(_edits(change)))
        return next((change for change in new if compiles(change.content)), None)


def _edits(change: Mutation) -> tuple[FileEdit, ...]:
    contents = ((change.path, change.content), *change.others)
    return tuple(FileEdit(path=path, operation="modify", content=content) for path, content in contents)


def _proposal(change: Mutation) -> Proposal:
    return Proposal(
        summary=change.summary,
        edits=_edits(change),
        author="mutate",
        origin=Origin(agent="mutate", arm=change.arm, operator=change.operator, site=change.site),
        data=dict(change.data),
    )
