"""From a `Reply` to edits: every patch against the files as they are, byte for byte or not at all.

What a model was not shown it cannot change: not rewrite, not delete, not create over. Every edit that leaves here has
a path that `targets` allows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace

from maabarium.errors import ProposalError
from maabarium.proposers.council.replies.blocks import replaced
from maabarium.proposers.council.replies.edited_file import EditedFile, encoded
from maabarium.proposers.council.replies.reply import Patch, Reply, Shown
from maabarium.records import FileEdit, FileMode

__all__ = ["edits_of"]


def edits_of(
    reply: Reply, shown: Sequence[Shown], *, targets: Callable[[str], bool], exists: Callable[[str], bool]
) -> tuple[FileEdit, ...]:
    """The edits that a reply means, in its order; none if it has no patches.

    `targets(path)` says whether a path may be changed or created, `exists(path)` whether the tree has such a file,
    shown or not. Raises ProposalError: `out_of_bounds` for what may not be touched, `does_not_apply` for what does
    not fit the files, `unparseable` for what makes no sense by itself; `detail` is one of `DETAILS`.
    """
    known = {each.path: each for each in shown}
    edits = []
    for patch in _joined(reply.patches):
        _check_path(patch.path, targets)
        edits.append(_edit(patch, known.get(patch.path), patch.path in known or exists(patch.path)))
    return tuple(edits)


def _joined(patches: Sequence[Patch]) -> list[Patch]:
    """One patch for each path. Only search and replace can be joined: their places do not depend on one another."""
    joined: dict[str, Patch] = {}
    for patch in patches:
        other = joined.get(patch.path)
        if other is None:
            joined[patch.path] = patch
        elif patch.form == other.form == "blocks" and patch.operation == other.operation:
            joined[patch.path] = replace(other, edits=(*other.edits, *patch.edits))
        else:
            sentence = f"{_quoted(patch.path)} is changed by two patches; put both changes in one"
            raise ProposalError("unparseable", sentence, detail="other")
    return list(joined.values())


def _check_path(path: str, targets: Callable[[str], bool]) -> None:
    parts = path.split("/")
    unsafe = path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts)
    if unsafe or any(unicodedata.category(character)[0] == "C" for character in path):
        sentence = f"{_quoted(path)} is not a plain path below the target's top level"
        raise ProposalError("out_of_bounds", sentence, detail="unsafe_patch_path")
    if not targets(path):
        sentence = f"{_quoted(path)} is not among the files that may be changed"
        raise ProposalError("out_of_bounds", sentence, detail="not_a_target")


def _edit(patch: Patch, shown: Shown | None, present: bool) -> FileEdit:
    path = patch.path
    if patch.operation == "create" and present:
        sentence = f"{_quoted(path)} exists already and cannot be created"
        sentence += "; modify it" if shown else "; it was not shown, so it cannot be changed either"
        raise ProposalError("does_not_apply" if shown else "out_of_bounds", sentence, detail="path_exists")
    if not present:
        return _creation(patch)
    if shown is None:
        sentence = f"{_quoted(path)} was not shown and cannot be changed"
        raise ProposalError("out_of_bounds", sentence, detail="not_shown")
    original = EditedFile(path, shown.content, shown.ranges)
    if patch.operation == "delete":
        return _deletion(patch, original)
    mode: FileMode | None = None
    if patch.form == "diff":
        body, mode = original.patched(patch.diff)
    elif patch.form == "whole":
        body = original.rewritten(patch.content)
    else:
        body = replaced(original, patch.edits, lines_only=patch.form == "lines")
    return FileEdit(path=path, operation="modify", content=original.finished(body), mode=mode)


def _creation(patch: Patch) -> FileEdit:
    """A new file; also a modification of a file that does not exist, when it gives all of the content."""
    path, mode, file = patch.path, None, EditedFile(patch.path, b"")
    blank = len(patch.edits) == 1 and not patch.edits[0].search.strip()
    if patch.operation == "delete":
        raise ProposalError("does_not_apply", f"there is no file {_quoted(path)} to delete", detail="missing_file")
    if patch.form == "diff":
        body, mode = file.patched(patch.diff, only_add=True)
    elif patch.form == "whole":
        body = encoded(patch.content, path)
    elif patch.form == "blocks" and blank:
        body = encoded(patch.edits[0].replace, path)
    else:
        raise ProposalError("does_not_apply", f"there is no file {_quoted(path)} to modify", detail="missing_file")
    return FileEdit(path=path, operation="create", content=file.finished(body), mode=mode)


def _deletion(patch: Patch, original: EditedFile) -> FileEdit:
    path = _quoted(patch.path)
    if not original.is_whole:
        sentence = f"{path} was shown in part and cannot be deleted"
        raise ProposalError("out_of_bounds", sentence, detail="not_shown")
    if patch.form == "diff" and original.patched(patch.diff)[0]:
        sentence = f"{path}: the diff of a deletion must remove every line"
        raise ProposalError("does_not_apply", sentence, detail="unified_diff.other")
    return FileEdit(path=patch.path, operation="delete")


def _quoted(path: str) -> str:
    shown = path.encode("unicode_escape").decode("ascii") if not path.isprintable() else path
    return f'"{shown if len(shown) <= 200 else shown[:197] + "..."}"'
