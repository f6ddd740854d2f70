"""Which paths a proposal may touch: the rules that every edit passes before anything is written."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from maabarium.blueprint.globs import Globs
from maabarium.errors import ProposalError
from maabarium.plugins.protocols import TellsModes, TreeView
from maabarium.records import FileEdit
from maabarium.safe_text import printable
from maabarium.workspace.names import Layout, fold, objection, parents_of
from maabarium.workspace.trees import EXECUTABLE, FILE, LINK, SUBMODULE, GitTree

__all__ = [
    "DEFAULT_PROTECTED", "MAX_BYTES", "MAX_FILES", "check_edits", "protected_globs", "targets_of",
]  # fmt: skip

MAX_FILES = 256
"""More than this is no single idea, and no person reads it."""
MAX_BYTES = 32 * 2**20
"""All contents together: above the largest source files met in practice, below what hurts a worker's memory."""

_CONFIGURATION = (
    "conftest.py", "sitecustomize.py", "usercustomize.py", "*.pth", "pyvenv.cfg", "pytest.ini", ".pytest.ini",
    "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg", "pyproject.toml", ".coveragerc", "*.egg-info/**",
    "*.dist-info/**", "__pycache__/**", "*.pyc", "*.pyo", ".gitattributes", ".gitmodules",
)  # fmt: skip
_TESTS = ("tests/**", "test/**", "testing/**", "**/tests/**", "**/test_*.py", "**/*_test.py")

DEFAULT_PROTECTED: tuple[str, ...] = _CONFIGURATION + _TESTS
"""Tests, and what Python or pytest reads by itself at the start: never a proposal's to change."""


def protected_globs(extra: Iterable[str] = (), prefix: str = "") -> Globs:
    """The default protected paths, those below `prefix` (the suite's folder), the blueprint's own, and no negations."""
    below = tuple(f"{prefix}/{glob}" for glob in ("tests/**", "test/**", "testing/**")) if prefix else ()
    return Globs((*(glob for glob in extra if not glob.startswith("!")), *DEFAULT_PROTECTED, *below))


def targets_of(tree_paths: TreeView | Iterable[str], target_globs: Globs, protected: Globs) -> tuple[str, ...]:
    """The files of a tree that may be changed, sorted. Links and names that are not text are left out."""
    modes = _modes(tree_paths)
    return tuple(
        sorted(
            path
            for path, mode in modes.items()
            if mode not in (LINK, SUBMODULE)
            and target_globs.matches(path)
            and not _is_protected(path, protected)
            and not objection(path)
        )
    )


def check_edits(
    edits: Sequence[FileEdit], targets: Globs, protected: Globs, existing: TreeView | Mapping[str, int] | Iterable[str]
) -> None:
    """Raise ProposalError (`out_of_bounds`, `does_not_apply`, `no_effect`) unless every edit may be made.

    `existing` is the parent's tree: a view, path -> git mode, or just paths (then all are plain files).
    Whether an edit changes anything is only checked against a view, which has the contents.
    """
    layout = _layout(existing)
    if not edits:
        raise ProposalError("no_effect", "the proposal has no edits; propose at least one changed file")
    if len(edits) > MAX_FILES:
        raise ProposalError("out_of_bounds", f"the proposal edits {len(edits)} files; at most {MAX_FILES} are allowed")
    size = sum(len(edit.content or b"") for edit in edits)
    if size > MAX_BYTES:
        raise ProposalError("out_of_bounds", f"the proposal holds {size} bytes; at most {MAX_BYTES} are allowed")
    for edit in edits:
        _check_name(edit.path, targets, protected)
    deleted = {edit.path for edit in edits if edit.operation == "delete"}
    for edit in edits:
        _check_place(edit, layout, deleted)
        _check_operation(edit, layout)
    _check_one_another(edits)
    if isinstance(existing, TreeView) and all(_is_same(edit, existing, layout.modes) for edit in edits):
        raise ProposalError("no_effect", "the proposal leaves every file as it is")


def _check_name(path: str, targets: Globs, protected: Globs) -> None:
    wrong = objection(path)
    if wrong:
        raise _outside(path, wrong)
    if _is_protected(path, protected):
        raise _outside(path, "is protected: tests, start-up files and configuration are not the proposal's to change")
    if not targets.matches(path):
        shown = ", ".join(targets.patterns[:5])
        raise _outside(path, f"is not among the target files ({printable(shown)})")


def _check_place(edit: FileEdit, layout: Layout, deleted: set[str]) -> None:
    """Refuse what leads through links or submodules, or meets another name on some file system."""
    path, modes = edit.path, layout.modes
    for parent in parents_of(path):
        mode = modes.get(parent)
        if mode == LINK:
            raise _outside(path, f"leads through the symbolic link {_quoted(parent)}")
        if mode == SUBMODULE:
            raise _outside(path, f"is inside the submodule {_quoted(parent)}")
        if mode is not None and parent not in deleted:
            raise ProposalError("does_not_apply", f"{_quoted(path)}: {_quoted(parent)} is a file, not a folder")
    if modes.get(path) == LINK:
        raise _outside(path, "is a symbolic link; only regular files can be edited")
    if modes.get(path) == SUBMODULE:
        raise _outside(path, "is a submodule")
    if edit.operation != "create":
        return
    if path in layout.folders and any(name.startswith(path + "/") and name not in deleted for name in modes):
        raise ProposalError("does_not_apply", f"{_quoted(path)} is a folder")
    for name in (path, *parents_of(path)):
        twin = layout.folded.get(fold(name))
        if twin is not None and twin != name and name not in modes and name not in layout.folders:
            raise _outside(path, f"is the same name as {_quoted(twin)} on some file systems")
        if name != unicodedata.normalize("NFC", name) and name not in layout.folders:
            raise _outside(path, "is not in Unicode's composed form (NFC)")


def _check_operation(edit: FileEdit, layout: Layout) -> None:
    present, shown = edit.path in layout.modes, _quoted(edit.path)
    if edit.operation == "create" and present:
        raise ProposalError("does_not_apply", f"{shown} cannot be created, it exists already; modify it instead")
    if edit.operation != "create" and not present:
        done = "modified" if edit.operation == "modify" else "deleted"
        raise ProposalError("does_not_apply", f"{shown} cannot be {done}: there is no such file")
    if (edit.content is None) != (edit.operation == "delete"):
        what = "a deletion carries no content" if edit.operation == "delete" else "the new content is missing"
        raise ProposalError("does_not_apply", f"{shown}: {what}")


def _check_one_another(edits: Sequence[FileEdit]) -> None:
    """Refuse two edits of one file, under one name or two that are one elsewhere, and files used as folders."""
    seen: dict[str, str] = {}
    kept: dict[str, str] = {}
    for edit in edits:
        if edit.path in seen.values():
            raise ProposalError("does_not_apply", f"{_quoted(edit.path)} is edited twice")
        twin = seen.setdefault(fold(edit.path), edit.path)
        if twin != edit.path:
            raise _outside(edit.path, f"is the same name as {_quoted(twin)} on some file systems")
        if edit.operation != "delete":
            kept[fold(edit.path)] = edit.path
    spelled: dict[str, str] = {}
    for path in kept.values():
        for parent in parents_of(path):
            if fold(parent) in kept:
                raise ProposalError("does_not_apply", f"{_quoted(kept[fold(parent)])} cannot be a file and a folder")
            other = spelled.setdefault(fold(parent), parent)
            if other != parent:
                raise _outside(path, f"uses a folder that is the same as {_quoted(other)} on some file systems")


def _is_same(edit: FileEdit, view: TreeView, modes: Mapping[str, int]) -> bool:
    if edit.operation != "modify" or edit.content is None:
        return False
    executable = bool(modes[edit.path] & 0o100)
    keeps = edit.mode is None or (edit.mode == EXECUTABLE) == executable
    return keeps and view.read(edit.path) == edit.content


def _is_protected(path: str, protected: Globs) -> bool:
    """Also under the names that a file system without case takes for a protected one."""
    return protected.matches(path) or (not path.islower() and protected.matches(fold(path)))


def _modes(existing: TreeView | Mapping[str, int] | Iterable[str]) -> Mapping[str, int]:
    if isinstance(existing, TellsModes):
        return existing.modes()
    if isinstance(existing, Mapping):
        return existing
    paths = existing.paths() if isinstance(existing, TreeView) else existing
    return dict.fromkeys(paths, FILE)


def _layout(existing: TreeView | Mapping[str, int] | Iterable[str]) -> Layout:
    """A view of ours keeps its layout: it is made once per champion, not once per proposal."""
    return existing.layout if isinstance(existing, GitTree) else Layout(_modes(existing))


def _outside(path: str, why: str) -> ProposalError:
    return ProposalError("out_of_bounds", f"{_quoted(path)} {why}")


def _quoted(path: str) -> str:
    shown = printable(path)
    return f'"{shown if len(shown) <= 200 else shown[:197] + "..."}"'
