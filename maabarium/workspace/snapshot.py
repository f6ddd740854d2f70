"""Files of a folder rather than of a commit: a plain folder as a tree, and files that a run brings along."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from maabarium.blueprint.globs import Globs
from maabarium.errors import WorkspaceError
from maabarium.safe_text import printable
from maabarium.workspace.git import Git, as_text
from maabarium.workspace.names import objection
from maabarium.workspace.storage import make_folder, remove_folder, storing
from maabarium.workspace.trees import EXECUTABLE, FILE, LINK, Entry, Trees

__all__ = ["folder_files", "freeze_copies", "frozen_copies", "generated_files", "snapshot_tree"]

COPIES = "copies"
"""Name of the folder inside a run's folder."""
_SKIPPED = frozenset(
    {
        ".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules", ".tox", ".nox", ".pytest_cache",
        ".mypy_cache", ".ruff_cache", ".hypothesis", ".eggs", ".DS_Store",
    }
)  # fmt: skip
_SKIPPED_ENDINGS = (".pyc", ".pyo")
MAX_FILES = 200_000
MAX_BYTES = 4 * 2**30
"""Beyond these the folder is hardly a project's: better to ask than to fill the cache."""


def snapshot_tree(trees: Trees, top: Path) -> str:
    """Store every file of the folder and return the tree. Raises WorkspaceError if a file cannot be read."""
    entries: dict[str, Entry | None] = {}
    total = 0
    for path in folder_files(top):
        place = top / path
        with storing("read", place):
            info = place.lstat()
        total += info.st_size
        if len(entries) >= MAX_FILES or total > MAX_BYTES:
            raise WorkspaceError(
                f"{printable(str(top))} is too large for a snapshot (over {MAX_FILES} files or {MAX_BYTES >> 30} GiB);"
                " list what does not belong to it in a .gitignore file, or make it a git repository"
            )
        link = stat.S_ISLNK(info.st_mode)
        if link or stat.S_ISREG(info.st_mode):
            with storing("read", place):
                content = os.fsencode(place.readlink()) if link else place.read_bytes()
            mode = LINK if link else EXECUTABLE if info.st_mode & 0o100 else FILE
            entries[path] = Entry(mode, trees.objects.write("blob", content))
    return trees.edited(trees.empty, entries)


def folder_files(top: Path) -> list[str]:
    """Paths of the files that belong to a folder, sorted.

    Inside a git work tree: tracked files and untracked ones that are not ignored. Elsewhere all files but those
    that a `.gitignore` in the folder names. Caches, virtual environments and the like never.
    """
    listed = _listed_by_git(top)
    if listed is None:
        return sorted(_walk(top, "", ()))
    found = set[str]()
    for path in listed:
        if _is_skipped(path):
            continue
        place = top / path
        if place.is_dir() and not place.is_symlink():  # a submodule or a repository inside: its files are files here
            found.update(_walk(top, path.rstrip("/") + "/", ()))
        elif os.path.lexists(place):
            found.add(path)
    return sorted(found)


def _listed_by_git(top: Path) -> list[str] | None:
    git = Git(None, folder=top, safe=("*",))
    inside = git.attempt("rev-parse", "--is-inside-work-tree")
    if inside[0] or inside[1].strip() != b"true":
        return None
    status, output, _ = git.attempt("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = [as_text(path) for path in output.split(b"\0") if path]
    # an ignored folder of a repository lists nothing: it is a plain folder to us
    return None if status or not paths else paths


def _is_skipped(path: str) -> bool:
    return path.endswith(_SKIPPED_ENDINGS) or any(part in _SKIPPED for part in path.split("/"))


def _walk(top: Path, prefix: str, ignores: tuple[tuple[str, Globs], ...]) -> Iterator[str]:
    folder = top / prefix
    with storing("list", folder):
        listing = folder / ".gitignore"
        if listing.is_file():
            lines = listing.read_text("utf-8", "surrogateescape").splitlines()
            ignores = (*ignores, (prefix, Globs(lines)))
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        path = prefix + entry.name
        folderish = entry.is_dir(follow_symlinks=False)
        if _is_skipped(entry.name) or _is_ignored(path + "/" if folderish else path, ignores):
            continue
        if folderish:
            yield from _walk(top, path + "/", ignores)
        else:
            yield path


def _is_ignored(path: str, ignores: tuple[tuple[str, Globs], ...]) -> bool:
    """The nearest `.gitignore` that speaks of the path decides."""
    verdicts = (globs.decides(path[len(prefix) :]) for prefix, globs in reversed(ignores))
    return next((verdict for verdict in verdicts if verdict is not None), False)


# --- untracked files that the blueprint brings along (`[domain] copy`): every evaluation of a run sees the same bytes


def freeze_copies(top: Path, patterns: tuple[str, ...], tracked: Iterable[str], run_folder: Path) -> None:
    """Copy untracked files that match into the run's folder, once. WorkspaceError when one that is named is missing."""
    frozen = run_folder / COPIES
    if frozen.exists():
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


def generated_files(top: Path, globs: Globs) -> tuple[str, ...]:
    """Files of a git work tree that match but are in no commit (a generated `_version.py`): measurements lack them."""
    git = Git(None, folder=top, safe=("*",))
    places = {pattern.partition("*")[0].strip("/") for pattern in globs.patterns} - {""}
    listed = git.run("ls-files", "--others", "-z", "--", *sorted(places)).split(b"\0") if places else []
    return tuple(sorted(path for path in map(as_text, filter(None, listed)) if globs.matches(path)))
