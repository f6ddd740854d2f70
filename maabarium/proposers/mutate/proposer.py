"""The `mutate` proposer: works on code without a model, and is what runs when a blueprint names no other.

Its arms say which changes they can think of; the bandit says which of them is next. Tests that fail are repaired
first. The answer is a function of the champion's files, the history and the seed, so that resumed and repeated
runs ask for the same; the only state is caches keyed by content.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from maabarium.blueprint.schema import Settings
from maabarium.code.python_file import compiles
from maabarium.errors import Problem
from maabarium.plugins.protocols import ProposalRequest, ProposerContext, TreeView
from maabarium.proposers.mutate.bandit import Bandit
from maabarium.proposers.mutate.combinations import combinations
from maabarium.proposers.mutate.mutation import Arm, KnownFiles, Mutation
from maabarium.proposers.mutate.parameters import Parameters
from maabarium.proposers.mutate.repairs import Repairs
from maabarium.proposers.mutate.rewrites import Rewrites
from maabarium.proposers.mutate.ruff_fixes import RuffFixes, find_ruff
from maabarium.records import FileEdit, Origin, Proposal

__all__ = ["Mutate", "MutateOptions"]

ArmName = Literal["parameters", "rewrites", "ruff", "repairs"]
MAX_FRUITLESS_REPAIRS = 60
"""Repairs in a row without a gain after which they no longer come before everything else."""
FINISHED = ("promoted", "rejected", "invalid", "tampered")


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
        self._contents = functools.lru_cache(maxsize=4)(_no_contents)

    def propose(self, request: ProposalRequest) -> Proposal | None:
        """The next change, or None when every arm is exhausted."""
        request = replace(request, files=KnownFiles(request.files, self._contents(request.files.tree)))
        bandit = Bandit.of(request.history, request.seed)
        candidates: list[tuple[Mutation, str]] = []
        if self._uses("repairs") and _is_red(request):
            repair = self._first_new(self.repairs.changes(request), request)
            if repair and _fruitless_repairs(request) < MAX_FRUITLESS_REPAIRS:
                return _proposal(repair, "repairs")
            candidates += [(repair, "repairs")] if repair else []
        if self._uses("parameters"):
            # This arm learns from the history itself, so only its first change competes with the others.
            parameter = self._first_new(self.parameters.planned(request), request)
            candidates += [(parameter, "parameters")] if parameter else []
        for arm in self._code_arms():
            candidates += [(change, arm.name) for change in arm.changes(request)]
        arms = {id(change): arm for change, arm in candidates}
        chosen = self._first_new(bandit.ranked([change for change, _ in candidates]), request)
        if chosen:
            return _proposal(chosen, arms[id(chosen)])
        joined = self._first_new(combinations(self._code_arms(), request), request)
        if joined:
            return _proposal(joined, "rewrites")
        if not self._uses("parameters"):
            return None
        # Unmarked numbers are the last resort: nobody said that they are free to choose.
        number = self._first_new(bandit.ranked(list(self.parameters.open(request))), request)
        return _proposal(number, "parameters") if number else None

    def notes(self, files: TreeView, targets: Sequence[str]) -> tuple[Problem, ...]:
        """What the user should know of the target files: markers that cannot be used, and what is not installed."""
        notes = self.parameters.notes(files, targets) if self._uses("parameters") else ()
        if self._uses("ruff") and find_ruff() is None:
            notes += (Problem("ruff", "it is not installed, so that its fixes are left out: pip install ruff"),)
        return notes

    def _uses(self, arm: ArmName) -> bool:
        return arm in self.options.arms

    def _code_arms(self) -> list[Arm]:
        return [arm for arm in (self.rewrites, self.ruff) if arm.name in self.options.arms]

    def _first_new(self, changes: Iterable[Mutation], request: ProposalRequest) -> Mutation | None:
        """The first allowed change that gives a tree nobody has seen."""
        allowed = (change for change in changes if self.options.operators.allows(change.operator))
        new = (change for change in allowed if request.is_new(_edits(change)))
        return next((change for change in new if compiles(change.content)), None)


def _no_contents(tree: str) -> dict[str, bytes]:
    return {}


def _is_red(request: ProposalRequest) -> bool:
    return any(test.outcome in ("failed", "error") for test in request.champion.evaluation.tests)


def _fruitless_repairs(request: ProposalRequest) -> int:
    """Repairs that were tried since one of them was kept."""
    count = 0
    for attempt in reversed(request.history):
        if attempt.outcome.origin.arm == "repairs" and attempt.outcome.verdict in FINISHED:
            if attempt.outcome.verdict == "promoted":
                break
            count += 1
    return count


def _edits(change: Mutation) -> tuple[FileEdit, ...]:
    contents = ((change.path, change.content), *change.others)
    return tuple(FileEdit(path=path, operation="modify", content=content) for path, content in contents)


def _proposal(change: Mutation, arm: str) -> Proposal:
    return Proposal(
        summary=change.summary,
        edits=_edits(change),
        author="mutate",
        origin=Origin(agent="mutate", arm=arm, operator=change.operator, site=change.site),
        data=dict(change.data),
    )
