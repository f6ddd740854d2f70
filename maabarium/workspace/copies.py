"""Untracked files that the blueprint brings along (`[domain] copy`), frozen once per run.

Frozen, so that every evaluation of a run sees the same bytes, whatever the user does meanwhile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from maabarium.blueprint.globs import Globs
from maabarium.errors import WorkspaceError
from maabarium.safe_text import printable
from maabarium.workspace.git import Git, as_text
from maabarium.workspace.names import objection
from maabarium.workspace.storage import make_folder, remove_folder, storing
from maabarium.workspace.target import Target

__all__ = ["COPIES", "freeze_copies", "frozen_copies", "generated_files"]

COPIES = "copies"
"""Name of the folder inside a run's folder."""


def freeze_copies(top: Path, patterns: tuple[str, ...], tracked: Iterable[str], run_folder: Path) -> None:
    """Copy the untracked files that match into the run's folder; what is frozen there already stays.

    Raises WorkspaceError if a pattern names one file and that is missing.
    """
    frozen = run_folder / COPIES
    if not patterns or frozen.exists():
        return
    globs, known = Globs(patterns), set(tracked)
    for name in globs.exact:
        if not (top / name).exists():
            raise WorkspaceError(
                f'[domain] copy names "{printable(name)}", which is not in {top}; correct or remove it'
            )
    fresh = run_folder / f"{COPIES}.new"
    remove_folder(fresh)
    make_folder(fresh)
    for path in _files_below(top):
        if path not in known and globs.matches(path) and not objection(path):
            with storing("copy", top / path):
                (fresh / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(top / path, fresh / path)
    with storing("store copies in", run_folder):
        fresh.rename(frozen)


def frozen_copies(run_folder: Path) -> dict[str, Path]:
    """The frozen files by their path in the tree."""
    frozen = run_folder / COPIES
    return {path: frozen / path for path in _files_below(frozen)} if frozen.exists() else {}


def _files_below(top: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if name != ".git")
        inner = Path(folder).relative_to(top)
        for name in sorted(files):
            if (Path(folder) / name).is_file():
                yield (inner / name).as_posix()


def generated_files(target: Target, globs: Globs) -> tuple[str, ...]:
    """Files of a git target that match but are in no commit (a generated `_version.py`): measurements lack them."""
    if target.kind != "git":
        return ()
    git = Git(None, folder=target.top, safe=("*",))
    places = {pattern.partition("*")[0].strip("/") for pattern in globs.patterns} - {""}
    listed = git.run("ls-files", "--others", "-z", "--", *sorted(places)).split(b"\0") if places else []
    return tuple(sorted(path for path in map(as_text, filter(None, listed)) if globs.matches(path)))
