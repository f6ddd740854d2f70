"""The run's branch: where a run starts, and how the branch moves. Only forward, only by compare-and-swap.

Works on two repositories: `private` has all objects, `owner` has the branch (the user's, or for a snapshot the
private one itself). In the user's only refs are read and moved and one pack is added; nothing of theirs runs.
"""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

from maabarium.errors import WorkspaceError
from maabarium.safe_text import printable
from maabarium.workspace.git import Git, as_text, failure
from maabarium.workspace.private import borrow, check_run_id
from maabarium.workspace.storage import storing

__all__ = ["Branches"]

_PINS = "refs/maabarium"
STALE_SECONDS = 3.0
"""Age at which a lock on a ref of ours was left behind."""


class Branches:
    """Refs of the target as a run may see and move them; `base` is the commit that the run started from."""

    def __init__(self, private: Path, owner: Path | None = None, base: str = "") -> None:
        self._private_dir, self._owner_dir, self._base = private, owner, base
        self.private = Git(private)
        self.owner = Git(owner or private)

    def tip(self, branch: str) -> str | None:
        """The commit at which a branch is, None if it does not exist."""
        return self._ref(f"refs/heads/{self.check_name(branch)}")

    def _ref(self, name: str) -> str | None:
        status, output, _ = self.owner.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return as_text(output).strip() if status == 0 else None

    def check_name(self, branch: str) -> str:
        """The name itself. Raises WorkspaceError if git does not take it for a branch."""
        if branch.startswith("-") or self.private.attempt("check-ref-format", f"refs/heads/{branch}")[0]:
            raise WorkspaceError(f"{printable(branch)!r} is no name for a branch; choose another")
        return branch

    def start_point(self, branch: str) -> tuple[str, str | None]:
        """The commit to start from, and where the branch is now. WorkspaceError when it and HEAD have diverged."""
        if self._owner_dir is not None:
            borrow(self._private_dir, self._owner_dir)
        tip, base = self.tip(branch), self._base
        if tip is None or self.is_ancestor(tip, base):
            return base, tip
        if self.is_ancestor(base, tip):
            return tip, tip
        name = shlex.quote(branch)
        raise WorkspaceError(
            f"the branch {branch} and HEAD have diverged: each has commits that the other lacks. Either\n"
            f"  git merge {name}                  to keep its commits: then the run starts from the merge, or\n"
            f"  git branch -m {name} {name}-old   to put them aside: then the run starts from HEAD"
        )

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `new` holds all of `old`'s history."""
        status, _, said = self.private.attempt("merge-base", "--is-ancestor", old, new)
        if status not in (0, 1):
            raise failure(("merge-base", "--is-ancestor", old, new), status, said)
        return status == 0

    def promote(self, branch: str, new: str, old: str | None) -> None:
        """Move a branch forward from `old` (None: it must not exist) to `new`, or raise WorkspaceError.

        Hands the new objects over as one pack, then moves the ref by compare-and-swap. That is a push with
        lease without the transport, which would obey the receiver's configuration (hooks, programs, upkeep).
        """
        self.check_name(branch)
        if old is not None and not self.is_ancestor(old, new):
            raise WorkspaceError(f"{branch} cannot move to {new[:12]}: that would drop commits of it")
        self.require_free(branch)
        self._check_lease(branch, old)
        if self._owner_dir is not None:
            self._hand_over(new, [self._base, *([old] if old else [])])
        message = f"maabarium: promote {new[:12]}"
        self._drop_stale_lock(f"refs/heads/{branch}")
        arguments = ("update-ref", "-m", message, f"refs/heads/{branch}", new, old or "")
        status, _, said = self.owner.attempt(*arguments, write=True)
        if status:
            self._check_lease(branch, old)
            if "exists; cannot create" in said or "cannot lock ref" in said:
                raise WorkspaceError(f"git cannot move {branch}: {printable(said.strip())}")
            raise failure(arguments, status, said)

    def _check_lease(self, branch: str, old: str | None) -> None:
        found = self.tip(branch)
        if found != old:
            place = f"is at {found[:12]}{self._last_move(branch)}" if found else "does not exist"
            expected = f"at {old[:12]}" if old else "absent"
            raise WorkspaceError(
                f"somebody else moved {branch}: it {place}, but was expected {expected}; nothing was changed,"
                " start a new run from there"
            )

    def _last_move(self, branch: str) -> str:
        """Who moved a branch last and how, from its reflog; empty where none is kept, or is not to be read."""
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        from git.refs.log import RefLog  # only now: it takes 75 ms

        try:
            entry = RefLog.from_file(str((self._owner_dir or self._private_dir) / "logs/refs/heads" / branch))[-1]
        except (OSError, ValueError, IndexError):
            return ""
        return printable(f" ({entry.actor.name}: {entry.message})")

    def _hand_over(self, new: str, known: list[str]) -> None:
        """Give the user's repository the objects of `new` that it lacks."""
        revisions = "\n".join([new, *(f"^{commit}" for commit in known), ""]).encode()
        pack = self.private.run("pack-objects", "--revs", "--thin", "--stdout", "--quiet", stdin=revisions)
        self.owner.run("unpack-objects", "-q", stdin=pack, write=True)

    def require_free(self, branch: str) -> None:
        """WorkspaceError when a branch cannot be moved because it is checked out somewhere."""
        holder = self.checked_out_at(branch)
        if holder is not None:
            raise WorkspaceError(
                f"{branch} is checked out in {printable(holder)}, where moving it would look like a change to revert;"
                " check out another branch there"
            )

    def checked_out_at(self, branch: str) -> str | None:
        """The work tree in which a branch is checked out, or is being rebased; None if in none. One whose folder is
        gone holds nothing any more."""
        name = b"refs/heads/" + branch.encode("utf-8", "surrogateescape")
        for block in self.owner.run("worktree", "list", "--porcelain").split(b"\n\n"):
            lines = block.split(b"\n")
            place = as_text(lines[0].removeprefix(b"worktree "))
            holds = b"branch " + name in lines or (b"detached" in lines and _rebased_in(Path(place), name))
            if holds and Path(place).exists():
                return place
        return None

    def pin(self, run_id: str) -> None:
        """Keep the base from being collected while the run may need it."""
        ref = f"{_PINS}/{check_run_id(run_id)}"
        self._drop_stale_lock(ref)
        self.owner.run("update-ref", ref, self._base, write=True)

    def _drop_stale_lock(self, ref: str) -> None:
        """Remove the lock that a killed git left on a ref of ours; a live git holds it for milliseconds."""
        lock = (self._owner_dir or self._private_dir) / f"{ref}.lock"
        while True:
            try:
                age = time.time() - lock.stat().st_mtime
            except OSError:
                return
            if not 0 <= age <= STALE_SECONDS:
                with storing("remove the lock", lock):
                    lock.unlink(missing_ok=True)
                return
            time.sleep(0.1)

    def unpin(self, run_id: str) -> None:
        """Let it go; nothing happens if it is not pinned."""
        commit = self.pinned(run_id)
        if commit is not None:
            self.delete(f"{_PINS}/{run_id}", commit)

    def delete(self, ref: str, expected: str) -> None:
        """Delete a ref that is still where it was, or raise WorkspaceError."""
        self.owner.run("update-ref", "-d", ref, expected, write=True)

    def pinned(self, run_id: str) -> str | None:
        """What a run pinned, None if nothing."""
        return self._ref(f"{_PINS}/{check_run_id(run_id)}")


def _rebased_in(place: Path, name: bytes) -> bool:
    """Whether this branch is being rebased in a work tree, so that it will be moved when that is done."""
    git_dir = place / ".git"
    try:
        if git_dir.is_file():
            git_dir = place / os.fsdecode(git_dir.read_bytes().removeprefix(b"gitdir:").strip())
        heads = [git_dir / folder / "head-name" for folder in ("rebase-merge", "rebase-apply")]
        return any(head.is_file() and head.read_bytes().strip() == name for head in heads)
    except OSError:
        return False
