"""From what an agent left in its copy to edits: what may change becomes an edit, all else is left out and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maabarium.blueprint.globs import Globs
from maabarium.errors import ProposalError
from maabarium.plugins.protocols import ProposalRequest, TellsModes
from maabarium.proposers.command.tree_copy import ChangedPath, TreeCopy
from maabarium.records import FileEdit, FileMode
from maabarium.safe_text import one_line

__all__ = ["Changes", "changes_of"]

MOST_FILES = 256
"""As many files as the engine takes in one proposal."""


@dataclass(frozen=True)
class Changes:
    """Edits that may be made, and one sentence for each change that was left out."""

    edits: tuple[FileEdit, ...]
    dropped: tuple[str, ...]


def changes_of(copy: TreeCopy, request: ProposalRequest, *, most_bytes: int, ignored: Callable[[str], bool]) -> Changes:
    """Compare with the champion's tree. Raises ProposalError for a target that became a link, and for too much.

    New files that the tree's own `.gitignore` excludes are left aside without a word.
    """
    edits: list[FileEdit] = []
    dropped: list[str] = []
    left = most_bytes
    globs, targets = Globs(request.blueprint.domain.target_files), frozenset(request.targets)
    for now in copy.changes():
        is_new = now.operation == "create"
        if (is_new and ignored(now.path)) or (now.operation == "modify" and not _differs(now, copy, request)):
            continue
        if not (_may_be_new(now.path, copy, globs) if is_new else now.path in targets):
            dropped.append(f"{one_line(now.path)} ({now.operation})")
            continue
        edits.append(_edit(now, copy, request, left))
        left -= len(edits[-1].content or b"")
        if len(edits) > MOST_FILES:
            raise ProposalError("out_of_bounds", f"the agent changed more than {MOST_FILES} files")
    kept, refused = _within_bounds(edits, request)
    return Changes(tuple(kept), (*dropped, *refused))


def _may_be_new(path: str, copy: TreeCopy, globs: Globs) -> bool:
    """Whether a new path is one that the blueprint lets change; names that are no text never are."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return path not in copy.hidden and globs.matches(path)


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
