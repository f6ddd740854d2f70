"""Where a run keeps its state: one function for plug-in and command line. Looks, but makes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["StatePaths", "state_paths_of"]


@dataclass(frozen=True)
class StatePaths:
    """`root` holds `data/`; private repositories and worktrees are in the user's cache folder."""

    root: Path
    database: Path
    log: Path
    cache: Path


def state_paths_of(start: Path, database: Path | None = None) -> StatePaths:
    """The places for a blueprint file, or for the commands given in a folder.

    The state root is the nearest folder above with `.git` or `pyproject.toml`, else the folder itself.
    """
    folder = start.resolve() if start.is_dir() else start.resolve().parent
    above = (folder, *folder.parents)
    root = next((f for f in above if (f / ".git").exists() or (f / "pyproject.toml").exists()), folder)
    place = database.absolute() if database else root / "data" / "maabarium.db"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maabarium"
    return StatePaths(root=root, database=place, log=place.with_suffix(".log"), cache=cache)
