"""Removes a folder in which a foreign program worked: whatever it took away, and however deep it dug."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["remove"]

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it; never follows a link. What the system keeps stays, without an error.

    Goes down and up again with one descriptor, so that no depth exhausts stack, path or descriptors.
    """
    with suppress(OSError):
        folder.chmod(0o700)
        _empty(folder)
        folder.rmdir()


def _empty(folder: Path) -> None:
    names: list[str] = []
    stuck: list[set[str]] = [set()]
    here = os.open(folder, FOLDER)
    try:
        while True:
            inner = _first_folder(here, stuck[-1])
            if inner is not None:
                below = _entered(here, inner)
                if below is None:
                    stuck[-1].add(inner)
                    continue
                os.close(here)
                here = below
                names.append(inner)
                stuck.append(set())
                continue
            if not names:
                return
            above = os.open("..", FOLDER, dir_fd=here)
            os.close(here)
            here = above
            stuck.pop()
            name = names.pop()
            try:
                os.rmdir(name, dir_fd=here)
            except OSError:
                stuck[-1].add(name)
    finally:
        os.close(here)


def _entered(here: int, name: str) -> int | None:
    """A descriptor of a folder that may be emptied; None when it cannot be."""
    try:
        os.chmod(name, 0o700, dir_fd=here)
        return os.open(name, FOLDER, dir_fd=here)
    except OSError:
        return None


def _first_folder(here: int, stuck: set[str]) -> str | None:
    """Remove files until a folder comes, and name it; None when there is none left but those that are stuck."""
    with os.scandir(here) as entries:
        for entry in entries:
            if entry.name in stuck:
                continue
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            try:
                os.unlink(entry.name, dir_fd=here)
            except OSError:
                stuck.add(entry.name)
    return None
