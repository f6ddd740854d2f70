"""What a blueprint's `repo_path` leads to: a git repository at its HEAD, or a plain folder. Looks only."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maabarium.errors import WorkspaceError
from maabarium.safe_text import printable
from maabarium.workspace.git import Git, as_path, as_text, check_version, neutral_filters, trusted_folders
from maabarium.workspace.snapshot import folder_files
from maabarium.workspace.storage import storing

__all__ = ["Target", "find_target"]


@dataclass(frozen=True)
class Target:
    """Where the code to improve is. `git_dir` is the common git folder, `prefix` is `repo_path` below `top`."""

    kind: Literal["git", "folder"]
    top: Path
    prefix: str = ""
    git_dir: Path | None = None
    head: str | None = None
    branch: str | None = None
    """The checked-out branch without `refs/heads/`; None when HEAD is detached."""
    dirty: tuple[str, ...] = ()
    """Modified tracked files; HEAD is what is measured."""
    shallow: bool = False
    filters: tuple[str, ...] = ()
    """Filters that attributes ask for (`lfs`): the measured file is then what git stores, not what it checks out."""
    submodules: tuple[str, ...] = ()
    object_format: str = "sha1"
    files: tuple[str, ...] = ()
    """Paths of what will be measured: HEAD's tree, or the files of the folder."""


def find_target(repo_path: Path, isolation: Literal["auto", "worktree", "snapshot"] = "auto") -> Target:
    """Look at `repo_path` and say what it is. Raises WorkspaceError with a sentence that says what to do."""
    with storing("look at", repo_path):
        if not repo_path.exists():
            raise WorkspaceError(f"{printable(str(repo_path))} does not exist; correct repo_path in the blueprint")
        if not repo_path.is_dir():
            raise WorkspaceError(f"{printable(str(repo_path))} is not a folder; repo_path must name one")
        folder = repo_path.resolve()
    check_version()
    found = None if isolation == "snapshot" else _discover(folder)
    if found is not None:
        return _git_target(folder, found)
    if isolation == "worktree":
        raise WorkspaceError(
            f'{printable(str(folder))} is not in a git repository, which isolation = "worktree" needs;'
            ' run git init and commit there, or use isolation = "snapshot"'
        )
    return Target("folder", folder, files=tuple(folder_files(folder)))


def _discover(folder: Path) -> Git | None:
    """A door to the repository around `folder`, None if there is none."""
    git = Git(None, folder=folder, safe=trusted_folders())
    status, output, said = git.attempt("rev-parse", "--is-bare-repository", "--is-inside-work-tree")
    shown = printable(str(folder))
    if status:
        if "dubious ownership" in said or "unsafe repository" in said:
            suspect = re.search(r"repository (?:at|\()\s*'([^\n]*?)'", said)
            path = suspect[1] if suspect else str(folder)
            raise WorkspaceError(
                f"git refuses {shown}: dubious ownership, it belongs to another user. If you trust it, run\n"
                f"  git config --global --add safe.directory {shlex.quote(path)}"
            )
        if "not a git repository" in said and not (folder / ".git").exists():
            return None
        raise WorkspaceError(f"git cannot read the repository at {shown}: {printable(said.strip())}")
    bare, inside = output.split()
    if bare == b"true":
        raise WorkspaceError(f"{shown} is a bare repository; clone it and name the clone in repo_path")
    if inside != b"true":
        raise WorkspaceError(f"{shown} is inside a .git folder; repo_path must name the work tree")
    return git


def _git_target(folder: Path, git: Git) -> Target:
    top = as_path(git.run("rev-parse", "--show-toplevel")).resolve()
    if not folder.is_relative_to(top):
        raise WorkspaceError(f"the repository at {folder} has its work tree elsewhere, at {top} (core.worktree)")
    prefix = folder.relative_to(top).as_posix()
    prefix = "" if prefix == "." else prefix
    common = as_path(git.run("rev-parse", "--path-format=absolute", "--git-common-dir")).resolve()
    status, output, _ = git.attempt("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if status:
        raise WorkspaceError(f"the git repository at {printable(str(top))} has no commits yet; commit something first")
    head = as_text(output).strip()
    if prefix:
        _check_prefix(git, top, head, prefix)
    listing = [
        line.partition(b"\t") for line in git.run("ls-tree", "-r", "-z", "--full-tree", head).split(b"\0") if line
    ]
    files = [as_text(path) for _, _, path in listing]
    symbolic = as_text(git.attempt("symbolic-ref", "--quiet", "HEAD")[1]).strip()
    return Target(
        kind="git",
        top=top,
        prefix=prefix,
        git_dir=common,
        head=head,
        branch=symbolic.removeprefix("refs/heads/") or None,
        dirty=_dirty(git, top),
        shallow=git.line("rev-parse", "--is-shallow-repository") == "true",
        filters=_filters(git, top, common, files),
        submodules=tuple(sorted(as_text(path) for info, _, path in listing if info.startswith(b"160000"))),
        object_format=git.line("rev-parse", "--show-object-format"),
        files=tuple(sorted(files)),
    )


def _check_prefix(git: Git, top: Path, head: str, prefix: str) -> None:
    status, kind, _ = git.attempt("cat-file", "-t", f"{head}:{prefix}")
    if status or kind.strip() != b"tree":
        raise WorkspaceError(
            f"{printable(prefix)} is in the repository {printable(str(top))} but not in its last commit;"
            ' commit it, or set isolation = "snapshot" to measure the folder as it is'
        )


def _dirty(git: Git, top: Path) -> tuple[str, ...]:
    """Modified tracked files. Filters are switched off, so a file under one may be listed although it is clean."""
    quiet = Git(None, folder=top, safe=("*",), settings=neutral_filters(git))
    output = quiet.run(
        "status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules=all"
    )
    return tuple(as_text(line[3:]) for line in output.split(b"\0") if line)


def _filters(git: Git, top: Path, common: Path, files: list[str]) -> tuple[str, ...]:
    attributes = any(path.rpartition("/")[2] == ".gitattributes" for path in files)
    if not attributes and not (common / "info" / "attributes").exists():
        return ()
    names = "\0".join(files).encode("utf-8", "surrogateescape")
    fields = Git(None, folder=top, safe=("*",)).run("check-attr", "-z", "--stdin", "filter", stdin=names).split(b"\0")
    values = {os.fsdecode(value) for value in fields[2::3]} - {"unspecified", "unset", "set", ""}
    return tuple(sorted(values))
