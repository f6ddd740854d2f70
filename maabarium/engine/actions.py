"""What the engine asks for, and what it needs of the store and the repository. Values and protocols only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from maabarium.events import Journal, RunStatus, Transition
from maabarium.plugins.hookspecs import Event
from maabarium.plugins.protocols import ProposalRequest, TreeView
from maabarium.records import Evaluation, FileEdit, ReasonCode
from maabarium.worker.job import MeasureJob

__all__ = ["Action", "Done", "RunRepository", "RunStore"]


@dataclass(frozen=True)
class Done:
    """The run is over: its state, why, and a sentence."""

    state: RunStatus
    reason_code: ReasonCode
    reason: str


Action = ProposalRequest | MeasureJob | Done | None
"""Ask the proposer, have something measured, or it is over; None: wait for something that is under way."""


class RunStore(Protocol):
    """What the engine needs of the store."""

    def append(self, run_id: str, transition: Transition) -> Event:
        """Store one transition durably, in one transaction."""

    def journal(self, run_id: str) -> Journal:
        """All transitions of the run, in order."""

    def evaluation(self, tree: str, grader: str, environment: str) -> Evaluation | None:
        """What an earlier run measured of this very tree with this grader here, if anything."""

    def rejections(self, target: str, apart_from: str) -> Mapping[str, int]:
        """How many candidates each test rejected lately in other runs on this target than the given one."""


class RunRepository(Protocol):
    """What the engine needs of the repository: objects, and the run's branch."""

    def view(self, tree: str) -> TreeView:
        """The files of a tree."""

    def targets(self, tree: str) -> tuple[str, ...]:
        """Paths of the tree that may be changed."""

    def examine(self, parent_tree: str, edits: Sequence[FileEdit]) -> str:
        """The tree that these edits make of the parent; ProposalError when they leave their bounds."""

    def rebase(self, old_parent_tree: str, new_parent_tree: str, tree: str) -> tuple[FileEdit, ...] | None:
        """The change of `tree` against its old parent as edits of the new one; None on a conflict."""

    def commit(self, tree: str, parent: str, number: int, summary: str) -> str:
        """Commit a tree onto a parent; the commit id."""

    def branch_tip(self) -> str | None:
        """Where the run's branch is; None if it does not exist."""

    def promote(self, new: str, old: str | None) -> None:
        """Move the branch from `old` to `new`, or raise WorkspaceError if it is elsewhere."""
