"""From what an agent left in its copy to edits: what may change becomes an edit, all else is left out and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from maabarium.blueprint.globs import Globs
from maabarium.errors import ProposalError
from maabarium.plugins.protocols import ProposalRequest, TellsModes
from maabarium.proposers.command.tree_copy import Left, Survey, TreeCopy
from maabarium.records import FileEdit, FileMode, Operation
from maabarium.safe_text import one_line

__all__ = ["Changes", "changes_of"]

MOST_FILES = 256
"""As many files as the engine takes in one proposal."""


@dataclass(frozen=True)
class Changes:
    """Edits that may be made, and one sentence for each change that was left out."""

    edits: tuple[FileEdit, ...]
    dropped: tuple[str, ...]


def changes_of(
    copy: TreeCopy, found: Survey, request: ProposalRequest, *, most_bytes: int, ignored: Callable[[str], bool]
) -> Changes:
    """Compare with the champion's tree. Raises ProposalError for a target that became a link, and for too much.

    New files that the tree's own `.gitignore` excludes are left aside without a word.
    """
    edits: list[FileEdit] = []
    dropped: list[str] = []
    left = most_bytes
    globs, targets = Globs(request.blueprint.domain.target_files), frozenset(request.targets)
    for path, operation, now in _candidates(found, ignored):
        if operation == "modify" and not _differs(path, now, found, request):
            continue
        if not (path in targets if operation != "create" else _may_be_new(path, copy, globs)):
            dropped.append(f"{one_line(path)} ({operation})")
            continue
        edits.append(_edit(path, operation, now, found, request, left))
        left -= len(edits[-1].content or b"")
        if len(edits) > MOST_FILES:
            raise ProposalError("out_of_bounds", f"the agent changed more than {MOST_FILES} files")
    kept, refused = _within_bounds(edits, request)
    return Changes(tuple(kept), (*dropped, *refused))


def _candidates(found: Survey, ignored: Callable[[str], bool]) -> Iterator[tuple[str, Operation, Left | None]]:
    for path in sorted(found.changed):
        yield path, "modify", found.changed[path]
    for path in sorted(found.created):
        if not ignored(path):
            yield path, "create", found.created[path]
    for path in found.deleted:
        yield path, "delete", None


def _may_be_new(path: str, copy: TreeCopy, globs: Globs) -> bool:
    """Whether a new path is one that the blueprint lets change; names that are no text never are."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return path not in copy.hidden and globs.matches(path)


def _differs(path: str, now: Left | None, found: Survey, request: ProposalRequest) -> bool:
    """Whether a file really changed, or was only touched."""
    if now is None or now.kind != "file" or _mode(path, now, request) is not None:
        return True
    before = request.files.read(path)
    return now.size != len(before) or found.read(path, now.size + 1) != before


def _edit(
    path: str, operation: Operation, now: Left | None, found: Survey, request: ProposalRequest, left: int
) -> FileEdit:
    """The edit of one path that may change, by at most `left` bytes."""
    if now is None:
        return FileEdit(path=path, operation="delete")
    if now.kind != "file":
        what = "a symbolic link" if now.kind == "link" else "a special file"
        raise ProposalError("out_of_bounds", f"{one_line(path)} became {what}; only regular files can be proposed")
    content = found.read(path, left + 1)
    if len(content) > left:
        said = f"the agent changed more than it may: with {one_line(path)} the changed files are larger than allowed"
        raise ProposalError("out_of_bounds", f"{said} (proposer.max_changed_bytes)")
    mode = now.mode if operation == "create" else _mode(path, now, request)
    return FileEdit(path=path, operation=operation, content=content, mode=mode)


def _mode(path: str, now: Left, request: ProposalRequest) -> FileMode | None:
    """The new mode of a file if it changed, and the tree tells modes at all."""
    was = request.files.modes().get(path) if isinstance(request.files, TellsModes) else None
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
