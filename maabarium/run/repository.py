"""The repository of a run: what the engine may do in it, and where its winners go afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from maabarium.blueprint.globs import Globs
from maabarium.blueprint.schema import Promotion
from maabarium.errors import WorkspaceError
from maabarium.plugins.protocols import TreeView
from maabarium.records import FileEdit
from maabarium.workspace.apply import apply_to_checkout
from maabarium.workspace.paths import check_edits, targets_of
from maabarium.workspace.repository import Repository
from maabarium.workspace.target import Target, find_target

__all__ = ["BoundedRepository", "bring_forward"]


@dataclass(frozen=True)
class BoundedRepository:
    """Implements `actions.RunRepository` on a private repository, within the bounds of the blueprint."""

    repository: Repository
    branch: str
    changeable: Globs
    protected: Globs
    start_tree: str
    _listed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def view(self, tree: str) -> TreeView:
        """The files of a tree."""
        return self.repository.view(tree)

    def targets(self, tree: str) -> tuple[str, ...]:
        """Paths that may be changed; found once per champion."""
        if tree not in self._listed:
            self._listed.clear()
            self._listed[tree] = targets_of(self.view(tree), self.changeable, self.protected)
        return self._listed[tree]

    def examine(self, parent_tree: str, edits: Sequence[FileEdit]) -> str:
        """Check the edits, and make the tree; protected paths are those of the start, whatever happened."""
        check_edits(edits, self.changeable, self.protected, self.repository.view(parent_tree))
        tree = self.repository.tree_with(parent_tree, edits)
        return self.repository.restore_protected(tree, self.start_tree, self.protected)

    def rebase(self, old_parent_tree: str, new_parent_tree: str, tree: str) -> tuple[FileEdit, ...] | None:
        """Three-way merge; None on a conflict."""
        return self.repository.rebase(old_parent_tree, new_parent_tree, tree)

    def commit(self, tree: str, parent: str, number: int, summary: str) -> str:
        """Commit with the run and the experiment as trailers."""
        trailers = {"Maabarium-Run": self.repository.handle.run_id, "Maabarium-Experiment": str(number)}
        return self.repository.commit(tree, parent, summary, trailers)

    def branch_tip(self) -> str | None:
        """Where the run's branch is."""
        return self.repository.branches.tip(self.branch)

    def promote(self, new: str, old: str | None) -> None:
        """Move the branch by compare-and-swap."""
        self.repository.branches.promote(self.branch, new, old)


def bring_forward(
    repository: Repository, target: Target, promotion: Promotion, branch: str, commit: str
) -> Iterator[str]:
    """Autonomy 3 and 4: bring the winners further than the run's branch, if that is a fast-forward; what was done."""
    if promotion.autonomy < 3 or target.kind != "git":
        return
    try:
        if promotion.branch:
            repository.branches.promote(promotion.branch, commit, repository.branches.tip(promotion.branch))
            yield f"{promotion.branch} was moved forward to {commit[:12]}"
        if promotion.autonomy == 4:
            applied = apply_to_checkout(find_target(target.top, "worktree"), branch)
            yield f"the checked-out branch was moved to {applied.new[:12]}; undo: {applied.undo}"
    except WorkspaceError as error:
        yield f"the winners stay on {branch}: {error}"
