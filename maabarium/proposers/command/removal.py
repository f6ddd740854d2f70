"""Removes a folder in which a foreign program worked: whatever it took away, and however deep it dug."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path

__all__ = ["remove"]


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it; never follows a link. What the system keeps stays, without an error.

    Folders are emptied one after another by moving their folders up, so that no depth exhausts anything.
    """
    numbers = itertools.count()
    while True:
        with contextlib.suppress(OSError):
            folder.chmod(0o700)
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        removed = sum(_gone(entry, folder, numbers) for entry in entries)
        if not removed:
            with contextlib.suppress(OSError):
                folder.rmdir()
            return


def _gone(entry: os.DirEntry[str], top: Path, numbers: itertools.count[int]) -> bool:
    """Remove one entry, a folder after its own folders were moved to the top. False when nothing came of it."""
    try:
        if not entry.is_dir(follow_symlinks=False):
            Path(entry.path).unlink()
            return True
        place = Path(entry.path)
        place.chmod(0o700)
        moved = False
        for inner in list(os.scandir(place)):
            if inner.is_dir(follow_symlinks=False):
                Path(inner.path).chmod(0o700)  # moving a folder writes its `..`
                Path(inner.path).rename(top / f".{next(numbers)}-removed")
            else:
                Path(inner.path).unlink()
            moved = True
        with contextlib.suppress(OSError):
            place.rmdir()
            return True
    except OSError:
        return False
    return moved
