"""A tree written into a plain folder for an agent, what became of it, and the edits that follow.

Nothing here follows a link: the agent may have left links to anywhere.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maabarium.blueprint.globs import Globs
from maabarium.errors import ProposalError, WorkspaceError
from maabarium.folders import stamp, write_file
from maabarium.plugins.protocols import ProposalRequest, TellsModes, TreeView
from maabarium.records import FileEdit, FileMode, Operation
from maabarium.safe_text import one_line

__all__ = ["ChangedPath", "TreeCopy", "changes_of"]

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
MOST_FILES = 256
"""As many files as the engine takes in one proposal."""
AGE = 3600
"""Seconds by which written files are made older, so that any later change shows in their times."""


@dataclass(frozen=True)
class ChangedPath:
    """One path that is not as it was written (its times may differ where its content does not)."""

    path: str
    operation: Operation
    kind: Literal["file", "link", "special", "gone"] = "gone"
    size: int = 0
    executable: bool = False

    @property
    def mode(self) -> FileMode:
        """The mode that a regular file has in git."""
        return 0o100755 if self.executable else 0o100644


@dataclass(frozen=True)
class TreeCopy:
    """Where the copy is, how every file of it was when it was written, and which paths of the tree were left out."""

    place: Path
    stamps: Mapping[str, tuple[int, ...]]
    hidden: frozenset[str]

    @classmethod
    def write(cls, files: TreeView, place: Path, hidden: Callable[[str], str]) -> TreeCopy:
        """Write the files of a tree into an empty folder, but for those that `hidden` gives a reason against.

        Modes and links are kept where the view knows them. Raises WorkspaceError when the disk does not allow it.
        """
        modes = files.modes() if isinstance(files, TellsModes) else {}
        stamps: dict[str, tuple[int, ...]] = {}
        left_out: set[str] = set()
        past = (time.time_ns() - AGE * 10**9,) * 2
        try:
            # Links come last, so that nothing is written through one.
            for path in sorted(files.paths(), key=lambda path: (modes.get(path) == LINK, path)):
                is_link = modes.get(path) == LINK
                unsound = "\0" in path or any(part.lower() in ("", ".", "..", ".git") for part in path.split("/"))
                content = None if unsound or hidden(path) else files.read(path)
                if content is None or (is_link and (not content or b"\0" in content)):
                    left_out.add(path)
                    continue
                target = place / path
                target.parent.mkdir(parents=True, exist_ok=True)
                if is_link:
                    target.symlink_to(os.fsdecode(content))
                    stamps[path] = stamp(target.lstat())
                else:
                    executable = modes.get(path) == EXECUTABLE
                    stamps[path] = stamp(write_file(target, content, executable=executable, times=past))
        except OSError as error:
            raise WorkspaceError(f"the copy for the agent cannot be written: {error}") from error
        return cls(place, stamps, frozenset(left_out))

    def changes(self) -> list[ChangedPath]:
        """What is different when nothing of the agent is alive any more: modified paths, new ones, deleted ones.

        Raises ProposalError when it left more than can be looked through, or took away what must be read.
        """
        found: list[ChangedPath] = []
        folders = {"", *(path[: match.start()] for path in self.stamps for match in re.finditer("/", path))}
        seen: set[str] = set()
        waiting, entries = [""], 0
        while waiting:
            folder = waiting.pop()
            for path, info in self._listed(folder, needed=folder in folders):
                is_new, name = path not in self.stamps and path not in folders, path.rpartition("/")[2]
                entries += is_new
                if entries > MOST_ENTRIES:
                    raise ProposalError(
                        "out_of_bounds", f"the agent left more than {MOST_ENTRIES:,} new files and folders"
                    )
                if stat.S_ISDIR(info.st_mode):
                    if not (is_new and (name in LITTER or path.count("/") >= DEEPEST)):
                        waiting.append(path)
                    continue
                seen.add(path)
                if path not in self.stamps:
                    if name not in LITTER:
                        found.append(_changed(path, "create", info))
                elif stamp(info) != self.stamps[path]:
                    found.append(_changed(path, "modify", info))
        found += [ChangedPath(path, "delete") for path in self.stamps if path not in seen]
        order: tuple[Operation, ...] = ("modify", "create", "delete")
        return sorted(found, key=lambda each: (order.index(each.operation), each.path))

    def read(self, path: str, most: int) -> bytes:
        """At most so many bytes of a regular file. Raises ProposalError when it cannot be read back."""
        try:
            with os.fdopen(self._opened(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError("it is no regular file")
                return file.read(most)
        except OSError as error:
            raise _unreadable(path, error) from error

    def _listed(self, folder: str, *, needed: bool) -> Iterator[tuple[str, os.stat_result]]:
        """The entries of one folder; one that the tree needs and that cannot be read is an error."""
        try:
            descriptor = self._opened(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for name in sorted(os.listdir(descriptor)):  # noqa: PTH208 - an open folder has no path
                    with suppress(FileNotFoundError):
                        info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                        yield f"{folder}/{name}" if folder else name, info
            finally:
                os.close(descriptor)
        except OSError as error:
            if needed:
                raise _unreadable(folder or "the copy", error) from error

    def _opened(self, path: str, flags: int) -> int:
        """Open a path beneath the folder through real folders only."""
        descriptor = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        parts = path.split("/") if path else []
        for index, part in enumerate(parts, start=1):
            kind = flags if index == len(parts) else os.O_RDONLY | os.O_DIRECTORY
            try:
                inner = os.open(part, kind | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = inner
        return descriptor


def _changed(path: str, operation: Operation, info: os.stat_result) -> ChangedPath:
    if stat.S_ISREG(info.st_mode):
        return ChangedPath(path, operation, "file", info.st_size, bool(info.st_mode & 0o100))
    return ChangedPath(path, operation, "link" if stat.S_ISLNK(info.st_mode) else "special")


def _unreadable(path: str, error: OSError) -> ProposalError:
    said = f"{one_line(path)} cannot be read back from the agent's copy: {error.strerror or error}"
    return ProposalError("does_not_apply", said)


def changes_of(
    copy: TreeCopy, request: ProposalRequest, *, most_bytes: int, ignored: Callable[[str], bool]
) -> tuple[list[FileEdit], list[str]]:
    """Edits that may be made of what changed, and one sentence for each change that is left out.

    New files that the tree's own `.gitignore` excludes are left aside without a word. Raises ProposalError for a target
    that became a link, and for too much.
    """
    edits: list[FileEdit] = []
    dropped: list[str] = []
    left = most_bytes
    globs, targets = Globs(request.blueprint.domain.target_files), frozenset(request.targets)
    for now in copy.changes():
        is_new = now.operation == "create"
        if (is_new and ignored(now.path)) or (now.operation == "modify" and not _differs(now, copy, request)):
            continue
        is_text = now.path == now.path.encode("utf-8", "ignore").decode()
        may_be_new = is_text and now.path not in copy.hidden and globs.matches(now.path)
        if not (may_be_new if is_new else now.path in targets):
            dropped.append(f"{one_line(now.path)} ({now.operation})")
            continue
        edits.append(_edit(now, copy, request, left))
        left -= len(edits[-1].content or b"")
        if len(edits) > MOST_FILES:
            raise ProposalError("out_of_bounds", f"the agent changed more than {MOST_FILES} files")
    kept, refused = _within_bounds(edits, request)
    return kept, [*dropped, *refused]


def _differs(now: ChangedPath, copy: TreeCopy, request: ProposalRequest) -> bool:
    """Whether a file really changed, or was only touched."""
    if now.kind != "file" or _mode(now, request) is not None:
        return True
    before = request.files.read(now.path)
    return now.size != len(before) or copy.read(now.path, now.size + 1) != before


def _edit(now: ChangedPath, copy: TreeCopy, request: ProposalRequest, left: int) -> FileEdit:
    """The edit of one path that may change, by at most `left` bytes."""
    if now.kind == "gone":
        return FileEdit(path=now.path, operation="delete")
    if now.kind != "file":
        what = "a symbolic link" if now.kind == "link" else "a special file"
        raise ProposalError("out_of_bounds", f"{one_line(now.path)} became {what}; only regular files can be proposed")
    content = copy.read(now.path, left + 1)
    if len(content) > left:
        said = f"with {one_line(now.path)} the changed files are larger than allowed (proposer.max_changed_bytes)"
        raise ProposalError("out_of_bounds", f"the agent changed more than it may: {said}")
    mode = now.mode if now.operation == "create" else _mode(now, request)
    return FileEdit(path=now.path, operation=now.operation, content=content, mode=mode)


def _mode(now: ChangedPath, request: ProposalRequest) -> FileMode | None:
    """The new mode of a file if it changed, and the tree tells modes at all."""
    was = request.files.modes().get(now.path) if isinstance(request.files, TellsModes) else None
    return None if was is None or (was & 0o100 != 0) == now.executable else now.mode


def _within_bounds(edits: list[FileEdit], request: ProposalRequest) -> tuple[list[FileEdit], list[str]]:
    """Leave out new files that the engine's path rules refuse (new tests are protected, say).

    The rules are the engine's own: each new file is put to them with a content that no tree can hold yet.
    """
    created = [edit for edit in edits if edit.operation == "create"]
    if not created or request.is_new(edits):
        return edits, []
    deletions = [edit for edit in edits if edit.operation == "delete"]
    refused = {
        edit.path
        for edit in created
        if not request.is_new([
            *deletions,
            edit.model_copy(update={"content": f"a probe for {request.seed} {request.number} {edit.path}".encode()}),
        ])
    }  # fmt: skip
    kept = [edit for edit in edits if edit.path not in refused]
    return kept, [f"{one_line(path)} (create)" for path in sorted(refused)]
