"""Our own repository per target, in the cache folder: borrows the user's objects, registers nothing with them."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from tempfile import mkdtemp

from maabarium.errors import WorkspaceError
from maabarium.folders import discard, replace_file
from maabarium.workspace.git import Git
from maabarium.workspace.storage import make_folder, remove_folder, storing
from maabarium.workspace.target import Target

__all__ = ["borrow", "check_run_id", "home_of", "make_bare", "private_repository"]


_ATTRIBUTES = "* -text !eol -ident -filter !working-tree-encoding -export-subst\n"
"""Files come out of this repository byte for byte, whatever the target's `.gitattributes` say."""


def home_of(target: Target, cache: Path) -> Path:
    """The target's folder in the cache: its name, and a hash of where its git folder (or itself) really is."""
    place = (target.git_dir or target.top).resolve()
    digest = hashlib.sha256(os.fsencode(f"{target.kind}:{place}")).hexdigest()[:16]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", target.top.name).strip("-.")[:40] or "target"
    return cache / f"{name}-{digest}"


def check_run_id(run_id: str) -> str:
    """A run's id becomes a folder and a ref. Raises WorkspaceError unless it is plain."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", run_id):
        raise WorkspaceError(f"{run_id!r} cannot be the id of a run; use letters, digits, - and _")
    return run_id


def make_bare(path: Path, object_format: str) -> None:
    """Make a bare repository, whole or not at all; one that is there already stays."""
    if (path / "HEAD").exists():
        return
    make_folder(path.parent)
    with storing("make a private repository in", path.parent):
        scratch = Path(mkdtemp(dir=path.parent, prefix=".new-"))
        try:
            fresh = scratch / "git"
            Git(None, folder=scratch).run(
                "init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", str(fresh), write=True
            )
            (fresh / "info").mkdir(exist_ok=True)
            (fresh / "info" / "attributes").write_text(_ATTRIBUTES)
            if not (path / "HEAD").exists():
                fresh.rename(path)
        except FileExistsError:
            pass  # somebody else was faster
        finally:
            discard(scratch)


def private_repository(target: Target, cache: Path) -> Path:
    """The private repository of a git target, made or refreshed: alternates and shallow borders as they are now."""
    if target.git_dir is None:
        raise WorkspaceError(f"{target.top} is no git repository")
    path = home_of(target, cache) / "repository.git"
    if (path / "config").exists():
        _, output, _ = Git(path).attempt("rev-parse", "--show-object-format")
        if output.decode().strip() != target.object_format:
            remove_folder(path)  # the user made the repository anew with another hash
    make_bare(path, target.object_format)
    borrow(path, target.git_dir)
    return path


def borrow(path: Path, git_dir: Path) -> None:
    """Point our repository at the user's objects and copy where its history is cut."""
    objects = os.fsencode(git_dir / "objects")
    if b"\n" in objects or objects.startswith(b'"'):
        objects = b'"' + objects.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
    make_folder(path / "objects" / "info")
    with storing("read", git_dir / "shallow"):
        shallow = git_dir / "shallow"
        cut = shallow.read_bytes() if shallow.exists() else b""
    with storing("write", path):
        replace_file(path / "objects" / "info" / "alternates", objects + b"\n")
        if cut:
            replace_file(path / "shallow", cut)
        else:
            (path / "shallow").unlink(missing_ok=True)
