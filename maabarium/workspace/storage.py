"""Failures of the file system as sentences. Knows no git and no tree."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maabarium.errors import WorkspaceError
from maabarium.folders import remove
from maabarium.safe_text import printable

__all__ = ["make_folder", "remove_folder", "storing"]

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space or point the cache folder elsewhere",
    errno.EDQUOT: "your disk quota is used up; free some space or point the cache folder elsewhere",
    errno.EROFS: "the file system is read-only; point the cache folder elsewhere",
    errno.EACCES: "permission denied; make it accessible to this user",
    errno.EPERM: "the operation is not permitted for this user",
    errno.ENOENT: "it does not exist",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENAMETOOLONG: "the name is too long for this file system",
}


@contextmanager
def storing(doing: str, path: object = "") -> Iterator[None]:
    """Turn an OSError of the block into a WorkspaceError: `cannot <doing> <path>: <what to do>`."""
    try:
        yield
    except OSError as error:
        where = str(path) or os.fsdecode(error.filename or b"")
        advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
        raise WorkspaceError(f"cannot {doing} {printable(where)}: {advice}".replace("  ", " ")) from error


def make_folder(path: Path) -> Path:
    """Make a folder and its parents, private to the user. Raises WorkspaceError."""
    with storing("make the folder", path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def remove_folder(path: Path) -> None:
    """`folders.remove`, with a WorkspaceError when something cannot be removed."""
    with storing("remove", path):
        remove(path)
