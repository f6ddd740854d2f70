"""A tree written into a plain folder for an agent, and what became of it: paths first, contents when asked for.

Nothing here follows a link: the agent may have left links to anywhere. It must not know targets or proposals.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from maabarium.errors import ProposalError, WorkspaceError
from maabarium.folders import stamp, write_file
from maabarium.plugins.protocols import TellsModes, TreeView
from maabarium.records import FileMode
from maabarium.safe_text import one_line

__all__ = ["LITTER", "Left", "Survey", "TreeCopy", "survey", "write_copy"]

LITTER = frozenset({
    ".git", ".hg", ".svn", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox",
    ".nox", ".venv", "venv", "node_modules", ".coverage", ".DS_Store", ".claude", ".codex", ".opencode", ".cache",
    ".local", ".config", ".npm", ".aider.tags.cache.v3", ".aider.tags.cache.v4", ".aider.chat.history.md",
    ".aider.input.history",
})  # fmt: skip
"""Names of files and folders that tools leave behind: not looked into where the tree has none of them."""
MOST_ENTRIES = 100_000
"""New files and folders beyond which a copy is not looked through."""
DEEPEST = 60
"""Folders inside one another that are looked into where the tree has no file."""
EXECUTABLE, LINK = 0o100755, 0o120000
AGE = 3600
"""Seconds by which written files are made older, so that any later change shows in their times."""


@dataclass(frozen=True)
class TreeCopy:
    """Where the copy is, and how every file of it was when it was written."""

    place: Path
    stamps: Mapping[str, tuple[int, ...]]
    hidden: frozenset[str]
    """Paths of the tree that were left out."""


@dataclass(frozen=True)
class Left:
    """One path that is not as it was written: its kind, its size, and whether it may be executed."""

    kind: Literal["file", "link", "special"]
    size: int = 0
    executable: bool = False

    @property
    def mode(self) -> FileMode:
        """The mode that a regular file has in git."""
        return 0o100755 if self.executable else 0o100644


@dataclass
class Survey:
    """What an agent left: candidates for changes (times may differ where contents do not)."""

    place: Path
    changed: dict[str, Left] = field(default_factory=dict)
    created: dict[str, Left] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """New folders that could not, or need not, be looked into."""

    def read(self, path: str, most: int) -> bytes:
        """At most so many bytes of a regular file. Raises ProposalError when it cannot be read back."""
        try:
            with os.fdopen(_opened(self.place, path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError("it is no regular file")
                return file.read(most)
        except OSError as error:
            raise _unreadable(path, error) from error


def write_copy(files: TreeView, place: Path, hidden: Callable[[str], str]) -> TreeCopy:
    """Write the files of a tree into an empty folder, but for those that `hidden` gives a reason against.

    Modes and links are kept where the view knows them. Raises WorkspaceError when the disk does not allow it.
    """
    modes = files.modes() if isinstance(files, TellsModes) else {}
    stamps: dict[str, tuple[int, ...]] = {}
    left_out: set[str] = set()
    links: list[tuple[str, bytes]] = []
    past = (time.time_ns() - AGE * 10**9,) * 2
    try:
        for path in files.paths():
            if hidden(path) or not _is_sound(path):
                left_out.add(path)
            elif modes.get(path) == LINK:
                links.append((path, files.read(path)))
            else:
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                info = write_file(place / path, files.read(path), executable=modes.get(path) == EXECUTABLE, times=past)
                stamps[path] = stamp(info)
        for path, target in links:  # last, so that nothing is written through one
            if target and b"\0" not in target:
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                (place / path).symlink_to(os.fsdecode(target))
                stamps[path] = stamp((place / path).lstat())
            else:
                left_out.add(path)
    except OSError as error:
        raise WorkspaceError(f"the copy for the agent cannot be written: {error}") from error
    return TreeCopy(place, stamps, frozenset(left_out))


def survey(copy: TreeCopy) -> Survey:
    """Look through the copy when nothing of the agent is alive any more.

    Raises ProposalError when it left more than can be looked through, or took away what must be read.
    """
    found = Survey(copy.place)
    folders = _folders(copy.stamps)
    seen: set[str] = set()
    waiting, entries = [""], 0
    while waiting:
        folder = waiting.pop()
        for path, info in _listed(copy.place, folder, found, needed=folder in folders or not folder):
            seen.add(path)
            is_new = path not in copy.stamps and path not in folders
            entries += is_new
            if entries > MOST_ENTRIES:
                said = f"the agent left more than {MOST_ENTRIES:,} new files and folders"
                raise ProposalError("out_of_bounds", said)
            if stat.S_ISDIR(info.st_mode):
                if is_new and (path.rpartition("/")[2] in LITTER or path.count("/") >= DEEPEST):
                    found.unread.append(path)
                else:
                    waiting.append(path)
                    seen.discard(path)
            elif path not in copy.stamps:
                if path.rpartition("/")[2] not in LITTER:
                    found.created[path] = _left(info)
            elif stamp(info) != copy.stamps[path]:
                found.changed[path] = _left(info)
    found.deleted = sorted(path for path in copy.stamps if path not in seen)
    return found


def _is_sound(path: str) -> bool:
    """Whether a path of a tree stays inside the folder and is no file of git's."""
    parts = path.split("/")
    return "\0" not in path and not any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)


def _left(info: os.stat_result) -> Left:
    if stat.S_ISREG(info.st_mode):
        return Left("file", info.st_size, bool(info.st_mode & 0o100))
    return Left("link" if stat.S_ISLNK(info.st_mode) else "special")


def _folders(paths: Mapping[str, object]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found


def _listed(place: Path, folder: str, found: Survey, *, needed: bool) -> Iterator[tuple[str, os.stat_result]]:
    """The entries of one folder; one that the tree needs and that cannot be read is an error."""
    try:
        descriptor = _opened(place, folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(descriptor) as entries:
                names = sorted(entry.name for entry in entries)
            for name in names:
                with suppress(FileNotFoundError):
                    info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    yield f"{folder}/{name}" if folder else name, info
        finally:
            os.close(descriptor)
    except OSError as error:
        if needed:
            raise _unreadable(folder or "the copy", error) from error
        found.unread.append(folder)


def _opened(place: Path, path: str, flags: int) -> int:
    """Open a path beneath a folder through real folders only."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    parts = path.split("/") if path else []
    if not parts:
        return descriptor
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        kind = flags if last else os.O_RDONLY | os.O_DIRECTORY
        try:
            inner = os.open(part, kind | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _unreadable(path: str, error: OSError) -> ProposalError:
    said = f"{one_line(path)} cannot be read back from the agent's copy: {error.strerror or error}"
    return ProposalError("does_not_apply", said)
