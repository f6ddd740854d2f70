"""Opening the private repository of a run that is over, from what its record says."""

from __future__ import annotations

from pathlib import Path

from maabarium.errors import WorkspaceError
from maabarium.events import RunRecord
from maabarium.workspace.repository import Repository, RepositoryHandle
from maabarium.workspace.target import find_target

__all__ = ["open_private"]


def open_private(git_dir: Path, top: Path, run: RunRecord) -> Repository:
    """The repository of a stored run. Raises WorkspaceError when it, or the target of a git run, is gone."""
    owner = None
    object_format = "sha1"
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
