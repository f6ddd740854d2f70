"""What old runs left: their branches in the user's repository, their own repository, winners nobody took over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maabarium.errors import WorkspaceError
from maabarium.events import RunRecord
from maabarium.workspace.branch import Branches
from maabarium.workspace.git import Git, as_text
from maabarium.workspace.repository import Repository, RepositoryHandle
from maabarium.workspace.storage import storing
from maabarium.workspace.target import find_target

__all__ = ["BranchState", "branch_state", "delete_branch", "open_private", "taken_over"]


@dataclass(frozen=True)
class BranchState:
    """A branch `maabarium/*` as it is now."""

    name: str
    tip: str
    merged: bool
    """Whether HEAD or a branch of the user's holds all of it."""
    checked_out: bool


def branch_state(git_dir: Path, name: str) -> BranchState | None:
    """Look at a branch; None if it is not there."""
    git, branches = Git(git_dir), Branches(git_dir)
    tip = branches.tip(name)
    if tip is None:
        return None
    holders = as_text(git.run("for-each-ref", f"--contains={tip}", "--format=%(refname)", "refs/heads")).split()
    merged = any(not holder.startswith("refs/heads/maabarium/") for holder in holders)
    merged = merged or git.attempt("merge-base", "--is-ancestor", tip, "HEAD")[0] == 0
    return BranchState(name, tip, merged, branches.checked_out_at(name) is not None)


def delete_branch(git_dir: Path, state: BranchState) -> None:
    """Delete a branch that is still where it was. Raises WorkspaceError when it moved or is checked out."""
    if not state.name.startswith("maabarium/") or state.checked_out:
        raise WorkspaceError(f"{state.name} is checked out or not ours; it stays")
    Branches(git_dir).delete(f"refs/heads/{state.name}", state.tip)


def taken_over(repository: Repository, commit: str) -> bool:
    """Whether a plain folder holds what a commit of its snapshot repository changed."""
    for edit in repository.edits_between(repository.base_tree, repository.tree_of(commit)):
        place = repository.handle.top / edit.path
        with storing("read", place):
            held = place.read_bytes() if place.is_file() else None
        if held != edit.content:
            return False
    return True


def open_private(run: RunRecord) -> Repository:
    """The repository of a stored run. Raises WorkspaceError when it, or the target of a git run, is gone."""
    git_dir, top = Path(run.repository), Path(run.target)
    owner, object_format = None, "sha1"
    if run.isolation == "worktree":
        target = find_target(top, "worktree")
        owner, object_format = target.git_dir, target.object_format
    if not git_dir.is_dir():
        raise WorkspaceError(f"the private repository of run {run.run_id} is gone: {git_dir}")
    handle = RepositoryHandle(
        git_dir=git_dir,
        folder=git_dir.parent / "runs" if owner else git_dir.parent.parent / "runs",
        prefix="",
        copy_files=(),
        top=top,
        run_id=run.run_id,
        base_commit=run.base_commit,
        owner=owner,
        object_format=object_format,
    )
    return Repository.open(handle)
