"""The private repository of one run: trees from edits, commits, comparison, the run's branch. No index."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from maabarium.blueprint.globs import Globs
from maabarium.errors import ProposalError, WorkspaceError
from maabarium.records import FileEdit, Operation
from maabarium.safe_text import printable
from maabarium.workspace.branch import Branches
from maabarium.workspace.conversions import Conversions
from maabarium.workspace.git import IDENTITY, Git
from maabarium.workspace.objects import Objects
from maabarium.workspace.private import check_run_id, home_of, make_bare, private_repository
from maabarium.workspace.snapshot import freeze_copies, snapshot_tree
from maabarium.workspace.target import Target
from maabarium.workspace.trees import (
    FILE,
    LINK,
    SUBMODULE,
    Entry,
    GitTree,
    PathChange,
    Trees,
    merge_change,
)  # fmt: skip
from maabarium.workspace.worktree import Worktree

__all__ = ["Repository", "RepositoryHandle"]

_BASE = "refs/maabarium/base"
_SNAPSHOT_DATE = 946_684_800  # 2000-01-01: the same folder is the same commit


@dataclass(frozen=True)
class RepositoryHandle:
    """All that a worker needs to open the repository; pickles."""

    git_dir: Path
    """The private repository."""
    folder: Path
    """Where run folders with worktrees are: `folder/<run>/slot-N`."""
    prefix: str
    copy_files: tuple[str, ...]
    top: Path
    """The user's top level, only ever read."""
    run_id: str
    base_commit: str
    owner: Path | None
    """The user's git folder; None for a snapshot."""
    object_format: str = "sha1"


class Repository:
    """One run's view of its private repository. Thread-safe; in another process use `open(handle)`."""

    def __init__(self, handle: RepositoryHandle) -> None:
        self.handle = handle
        self.objects = Objects(handle.git_dir, handle.object_format)
        self.trees = Trees(self.objects)
        self.branches = Branches(handle.git_dir, handle.owner, handle.base_commit)
        self.base_commit = handle.base_commit
        self.base_tree = self.tree_of(handle.base_commit)
        self._views: OrderedDict[str, GitTree] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def create(
        cls, target: Target, run_id: str, cache: Path, copy_files: Iterable[str] = (), *, base_commit: str | None = None
    ) -> Repository:
        """Make or refresh the private repository for a run, and freeze the untracked files it brings along.

        `base_commit` is for resuming: the commit the run started from (for a snapshot, its own repository is
        then opened, not made). Raises WorkspaceError.
        """
        home = home_of(target, cache)
        check_run_id(run_id)
        if target.kind == "git":
            git_dir, base = private_repository(target, cache), base_commit or target.head or ""
        else:
            git_dir = home / "snapshots" / f"{run_id}.git"
            base = _take_snapshot(git_dir, target.top) if base_commit is None else base_commit
        handle = RepositoryHandle(
            git_dir=git_dir,
            folder=home / "runs",
            prefix=target.prefix,
            copy_files=tuple(copy_files),
            top=target.top,
            run_id=run_id,
            base_commit=base,
            owner=target.git_dir if target.kind == "git" else None,
            object_format=target.object_format,
        )
        repository = cls.open(handle)
        if handle.copy_files:
            tracked = repository.view(repository.base_tree).paths()
            freeze_copies(handle.top, handle.copy_files, tracked, handle.folder / run_id)
        return repository

    @classmethod
    def open(cls, handle: RepositoryHandle) -> Repository:
        """Open what `create` made: in a worker, or when a run is resumed. Raises WorkspaceError if it is gone."""
        if not (handle.git_dir / "HEAD").exists():
            raise WorkspaceError(
                f"the private repository of run {handle.run_id} is gone ({handle.git_dir}): it cannot go on;"
                " start a new run"
            )
        return cls(handle)

    def close(self) -> None:
        """End the reading process."""
        self.objects.close()

    # -- reading

    def tree_of(self, commit: str) -> str:
        """The tree of a commit."""
        return self.objects.content(commit, "commit").split(b"\n", 1)[0].removeprefix(b"tree ").decode("ascii")

    def view(self, tree: str) -> GitTree:
        """The files of a tree; the last few views are kept."""
        with self._lock:
            view = self._views.pop(tree, None) or GitTree(tree, self.trees)
            self._views[tree] = view
            while len(self._views) > 8:
                self._views.popitem(last=False)
            return view

    def edits_between(self, old: str, new: str) -> tuple[FileEdit, ...]:
        """The edits that make `new` out of `old`. Raises WorkspaceError where a link or submodule changed."""
        return tuple(self._edit_of(change) for change in self.trees.changed(old, new))

    def _edit_of(self, change: PathChange) -> FileEdit:
        path, old, new = change
        for entry in (old, new):
            if entry is not None and entry.mode in (LINK, SUBMODULE):
                raise WorkspaceError(
                    f"{printable(path)} is a link or submodule in one of the trees; no edit can say so"
                )
        if new is None:
            return FileEdit(path=path, operation="delete")
        operation: Operation = "create" if old is None else "modify"
        content = self.objects.blob(new.oid)
        if old is not None and old.mode == new.mode:
            return FileEdit(path=path, operation=operation, content=content)
        return FileEdit(
            path=path, operation=operation, content=content, mode=0o100755 if new.mode & 0o100 else 0o100644
        )

    def diff(self, old: str, new: str) -> str:
        """Unified diff between two trees or commits, for people; what is not UTF-8 is replaced. Untrusted text."""
        return self._diff_tree(old, new, "--patch").decode("utf-8", "replace")

    def patch(self, old: str, new: str) -> bytes:
        """The same byte-exact and with binary files, for `git apply`."""
        return self._diff_tree(old, new, "--binary", "--full-index")

    def _diff_tree(self, old: str, new: str, *options: str) -> bytes:
        fixed = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--ignore-submodules=none")
        return Git(self.handle.git_dir).run("diff-tree", "-r", *options, *fixed, old, new)

    # -- making

    def tree_with(self, parent_tree: str, edits: Sequence[FileEdit]) -> str:
        """The tree that these edits (see `paths.check_edits`) make of the parent. ProposalError: they cannot."""
        wanted: dict[str, Entry | None] = {}
        for edit in edits:
            if edit.content is None:
                wanted[edit.path] = None
                continue
            old = self.trees.find(parent_tree, edit.path)
            kept = old.mode if old is not None and old.is_file else FILE
            wanted[edit.path] = Entry(edit.mode or kept, self.objects.write("blob", edit.content))
        try:
            return self.trees.edited(parent_tree, wanted)
        except NotADirectoryError as error:
            raise ProposalError("does_not_apply", str(error)) from error

    def restore_protected(self, tree: str, baseline_tree: str, protected: Globs) -> str:
        """The tree with its protected paths as in the baseline; the same id when they are so already."""
        changed = self.trees.changed(baseline_tree, tree)
        back = {change.path: change.old for change in changed if protected.matches(change.path)}
        return self.trees.edited(tree, back) if back else tree

    def rebase(self, old_parent_tree: str, new_parent_tree: str, tree: str) -> tuple[FileEdit, ...] | None:
        """The change from the old parent to `tree` as edits of the new one, merged by line; None on a conflict."""
        result: dict[str, Entry | None] = {}
        for change in self.trees.changed(old_parent_tree, tree):
            merged = merge_change(self.objects, change, self.trees.find(new_parent_tree, change.path))
            if merged is None:
                return None
            result |= merged
        try:
            return self.edits_between(new_parent_tree, self.trees.edited(new_parent_tree, result))
        except NotADirectoryError:
            return None  # a file where the new parent has a folder, or the other way round

    def commit(
        self, tree: str, parent: str, message: str, trailers: Mapping[str, str | int], *, when: int | None = None
    ) -> str:
        """Commit a tree onto a parent as Maabarium; the id. `when` (seconds since 1970, UTC) defaults to now."""
        return _store_commit(self.objects, tree, parent, message, trailers, int(time.time()) if when is None else when)

    @cached_property
    def _conversions(self) -> Conversions | None:
        return Conversions.of(self.handle.owner, self.view(self.base_tree).entries, self.objects)

    def worktree(self, slot: int) -> Worktree:
        """A folder in which trees of this repository can be put, one after the other."""
        handle, folder = self.handle, self.handle.folder / self.handle.run_id
        return Worktree(self.trees, folder, slot, handle.prefix, handle.top.name, self._conversions)


def _take_snapshot(git_dir: Path, top: Path) -> str:
    """Store a folder as the only commit of a new repository."""
    make_bare(git_dir, "sha1")
    objects = Objects(git_dir, "sha1")
    try:
        tree = snapshot_tree(Trees(objects), top)
        commit = _store_commit(objects, tree, None, "Snapshot", {}, _SNAPSHOT_DATE)
        Git(git_dir).run("update-ref", _BASE, commit, write=True)
        return commit
    finally:
        objects.close()


def _store_commit(
    objects: Objects, tree: str, parent: str | None, message: str, trailers: Mapping[str, str | int], when: int
) -> str:
    stamp = f"{IDENTITY[0]} <{IDENTITY[1]}> {when} +0000"
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else []), f"author {stamp}", f"committer {stamp}", ""]
    lines += [_one_line(message)[:500] or "experiment"]
    if trailers:
        lines += ["", *(f"{_one_line(key)}: {_one_line(str(value))}" for key, value in trailers.items())]
    return objects.write("commit", ("\n".join(lines) + "\n").encode("utf-8", "replace"))


def _one_line(text: str) -> str:
    """Untrusted text as one line without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
