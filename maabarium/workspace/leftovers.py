"""What old runs left behind: branches and pins of theirs in the user's repository, winners nobody took over.

Looks, and removes single refs by compare-and-swap. Knows no age and no database: which run is old is said by others.
"""

from __future__ import annotations

import fcntl
import time
from dataclasses import dataclass
from pathlib import Path

from maabarium.errors import WorkspaceError
from maabarium.workspace.git import Git, as_text, failure
from maabarium.workspace.private import check_run_id
from maabarium.workspace.repository import Repository
from maabarium.workspace.storage import storing

__all__ = ["BranchState", "branch_state", "dead_folders", "delete_branch", "is_alive", "pinned", "taken_over", "unpin"]


_GRACE = 3600.0


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
    git, ref = Git(git_dir), f"refs/heads/{name}"
    status, output, _ = git.attempt("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if status:
        return None
    tip = as_text(output).strip()
    holders = as_text(git.run("for-each-ref", f"--contains={tip}", "--format=%(refname)", "refs/heads")).split()
    merged = any(not holder.startswith("refs/heads/maabarium/") for holder in holders)
    merged = merged or git.attempt("merge-base", "--is-ancestor", tip, "HEAD")[0] == 0
    places = as_text(git.run("worktree", "list", "--porcelain")).splitlines()
    return BranchState(name, tip, merged, f"branch {ref}" in places)


def delete_branch(git_dir: Path, state: BranchState) -> None:
    """Delete a branch that is still where it was. Raises WorkspaceError when it moved or is checked out."""
    if not state.name.startswith("maabarium/") or state.checked_out:
        raise WorkspaceError(f"{state.name} is checked out or not ours; it stays")
    _delete_ref(git_dir, f"refs/heads/{state.name}", state.tip)


def pinned(git_dir: Path, run_id: str) -> str | None:
    """What a run pinned with `refs/maabarium/<run>`; None if nothing."""
    status, output, _ = Git(git_dir).attempt(
        "rev-parse", "--verify", "--quiet", f"refs/maabarium/{check_run_id(run_id)}"
    )
    return None if status else as_text(output).strip()


def unpin(git_dir: Path, run_id: str) -> None:
    """Delete a run's pin; nothing happens when there is none."""
    commit = pinned(git_dir, run_id)
    if commit is not None:
        _delete_ref(git_dir, f"refs/maabarium/{run_id}", commit)


def _delete_ref(git_dir: Path, ref: str, expected: str) -> None:
    arguments = ("update-ref", "-d", ref, expected)
    status, _, said = Git(git_dir).attempt(*arguments, write=True)
    if status:
        raise failure(arguments, status, said)


def taken_over(repository: Repository, commit: str) -> bool:
    """Whether a plain folder holds what a commit of its snapshot repository changed."""
    for edit in repository.edits_between(repository.base_tree, repository.tree_of(commit)):
        place = repository.handle.top / edit.path
        with storing("read", place):
            held = place.read_bytes() if place.is_file() else None
        if held != edit.content:
            return False
    return True


def is_alive(folder: Path) -> bool:
    """Whether the run whose folder in the cache this is has a living process. Changes nothing."""
    try:
        with (folder / "alive").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True  # it is held, or somebody else's and not ours to judge
    except OSError:
        return False
    return False


def dead_folders(cache: Path) -> list[Path]:
    """Folders of runs without a living process, as `sweep` removes them. Changes nothing."""
    folders = [path for path in sorted(cache.glob("*/runs/*")) if path.is_dir() and not path.is_symlink()]
    return [path for path in folders if not is_alive(path) and not _in_the_making(path)]


def _in_the_making(folder: Path) -> bool:
    """Whether a folder without an `alive` file is too fresh to be told dead; the same hour as `sweep` waits."""
    return not (folder / "alive").exists() and time.time() - folder.lstat().st_mtime <= _GRACE
