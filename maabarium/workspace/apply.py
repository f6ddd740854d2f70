"""Bring the run's result into the user's own checkout, on the user's word. The only module that writes there.

Git: fast-forward or merge; the user's filters may run (their checkout needs them), hooks and signing may not.
Folder: the changed files, if they are still as they were when the snapshot was taken.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from maabarium.errors import WorkspaceError
from maabarium.folders import replace_file
from maabarium.records import FileEdit
from maabarium.safe_text import printable
from maabarium.workspace.git import Git, as_text, identity
from maabarium.workspace.names import objection
from maabarium.workspace.repository import Repository
from maabarium.workspace.storage import make_folder, storing
from maabarium.workspace.target import Target
from maabarium.workspace.trees import EXECUTABLE, Entry, GitTree

__all__ = ["Applied", "apply_to_checkout"]


@dataclass(frozen=True)
class Applied:
    """What was done: commits before and after (of the private repository for a folder), and how to undo it."""

    how: str
    """`fast-forward`, `merge`, `files`, or `nothing` (it was there already)."""
    old: str
    new: str
    paths: tuple[str, ...]
    undo: str
    """A shell command; empty when nothing was done."""


def apply_to_checkout(target: Target, commit_or_branch: str, repository: Repository | None = None) -> Applied:
    """Apply a commit or branch to the checked-out branch, or for a folder to its files. Raises WorkspaceError.

    A folder needs the `repository` of its run, which holds the snapshot and the commits. Refuses, and changes
    nothing, when that would touch work of the user's that is not committed (git) or newer (folder).
    """
    if target.kind == "git":
        return _apply_to_branch(target, commit_or_branch)
    if repository is None:
        raise WorkspaceError(f"{target.top} is a plain folder: applying to it needs the run's snapshot")
    return _apply_to_folder(target.top, repository, commit_or_branch)


def _apply_to_branch(target: Target, commit_or_branch: str) -> Applied:
    git = Git(None, folder=target.top, safe=("*",), personal=True)
    if target.dirty:
        shown = ", ".join(printable(path) for path in target.dirty[:5])
        raise WorkspaceError(f"the checkout has uncommitted changes ({shown}); commit or stash them first")
    if target.branch is None:
        raise WorkspaceError("HEAD is detached; check out the branch that the result should go to (git switch)")
    status, output, _ = git.attempt(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit_or_branch}^{{commit}}"
    )
    if status:
        raise WorkspaceError(f"there is no commit or branch {printable(commit_or_branch)} in {target.top}")
    new, old = as_text(output).strip(), git.line("rev-parse", "HEAD")
    if git.attempt("merge-base", "--is-ancestor", new, old)[0] == 0:
        return Applied("nothing", old, old, (), "")
    forward = git.attempt("merge-base", "--is-ancestor", old, new)[0] == 0
    options = ["--ff-only"] if forward else ["--no-ff", "-m", f"Merge {printable(commit_or_branch)}"]
    status, output, said = git.attempt(
        "merge", "--quiet", "--no-edit", "--no-verify", "--no-gpg-sign", "--no-autostash", "--no-stat", *options, new,
        env=identity(git), write=True,
    )  # fmt: skip
    if status:
        git.attempt("merge", "--abort", write=True)
        why = printable((output.decode("utf-8", "replace") + said).strip())
        raise WorkspaceError(
            f"{printable(commit_or_branch)} cannot be merged into {target.branch}: {why}. Nothing was changed"
        )
    now = git.line("rev-parse", "HEAD")
    changed = git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, now)
    paths = tuple(as_text(path) for path in changed.split(b"\0") if path)
    return Applied("fast-forward" if forward else "merge", old, now, paths, f"git reset --keep {old}")


def _apply_to_folder(top: Path, repository: Repository, commit_or_branch: str) -> Applied:
    new = repository.branches.tip(commit_or_branch) if "/" in commit_or_branch else commit_or_branch
    if new is None:
        raise WorkspaceError(f"there is no branch {printable(commit_or_branch)} in the run's snapshot")
    base, tree = repository.base_tree, repository.tree_of(new)
    edits = repository.edits_between(base, tree)
    before = repository.view(base)
    for edit in edits:
        if wrong := objection(edit.path):
            raise WorkspaceError(f"{printable(edit.path)} {wrong}; nothing was changed")
    there = [edit for edit in edits if not _holds(top, edit.path, repository.trees.find(tree, edit.path), repository)]
    newer = [e.path for e in there if not _holds(top, e.path, before.entries.get(e.path), repository)]
    if newer:
        listed = "\n".join(f"  {printable(path)}" for path in newer)
        raise WorkspaceError(f"these files changed since the run took its snapshot; nothing was changed:\n{listed}")
    if not there:
        return Applied("nothing", repository.base_commit, new, (), "")
    backup = repository.handle.git_dir.parent / f"{repository.handle.run_id}-before-{time.strftime('%Y%m%d-%H%M%S')}"
    undo = _back_up(top, there, backup, before)
    for edit in there:
        _place(top, edit, before)
    return Applied("files", repository.base_commit, new, tuple(edit.path for edit in there), undo)


def _holds(top: Path, path: str, entry: Entry | None, repository: Repository) -> bool:
    """Whether the folder has exactly this at the path, reached through real folders only."""
    place = top
    for part in path.split("/")[:-1]:
        place = place / part
        if place.is_symlink():
            return False
    place = top / path
    if entry is None:
        return not os.path.lexists(place)
    with storing("read", place):
        if not os.path.lexists(place) or not stat.S_ISREG(place.lstat().st_mode):
            return False
        executable = bool(place.lstat().st_mode & 0o100)
        return executable == bool(entry.mode & 0o100) and place.read_bytes() == repository.objects.blob(entry.oid)


def _back_up(top: Path, edits: list[FileEdit], backup: Path, before: GitTree) -> str:
    """Copy what will be overwritten, and return the command that undoes it all."""
    make_folder(backup)
    created = []
    with storing("back up into", backup):
        for edit in edits:
            if edit.path in before.modes():
                (backup / edit.path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(top / edit.path, backup / edit.path)
            else:
                created.append(shlex.quote(str(top / edit.path)))
    copy = f"cp -a {shlex.quote(str(backup))}/. {shlex.quote(str(top))}/"
    return f"{copy} && rm -f {' '.join(created)}" if created else copy


def _place(top: Path, edit: FileEdit, before: GitTree) -> None:
    """Write or remove one file in one step."""
    place = top / edit.path
    with storing("write", place):
        if edit.content is None:
            place.unlink()
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = edit.mode or before.modes().get(edit.path, 0)
        old = stat.S_IMODE(place.lstat().st_mode) if os.path.lexists(place) else 0o644
        bits = old | 0o111 if mode == EXECUTABLE else old & ~0o111
        replace_file(place, edit.content, mode=bits, durable=True)
