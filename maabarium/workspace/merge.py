"""Three-way merge of one file, by git's own `merge-file`. Knows blobs, no trees and no edits."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from maabarium.workspace.git import Git, failure
from maabarium.workspace.objects import Objects
from maabarium.workspace.storage import storing
from maabarium.workspace.trees import Change, Entry

__all__ = ["merge_change"]


def merge_change(objects: Objects, change: Change, current: Entry | None) -> dict[str, Entry | None] | None:
    """What becomes of a path that `change` changes and that is `current` elsewhere; None on a conflict.

    An empty result: `current` has the change already.
    """
    path, base, wanted = change
    if current == base:
        return {path: wanted}
    if current == wanted:
        return {}
    if base is None or wanted is None or current is None:
        return None
    if not (base.is_file and wanted.is_file and current.is_file):
        return None
    if wanted.mode != base.mode and current.mode not in (base.mode, wanted.mode):
        return None
    mode = wanted.mode if wanted.mode != base.mode else current.mode
    if wanted.oid == base.oid or current.oid == wanted.oid:
        return {path: Entry(mode, current.oid)}
    if current.oid == base.oid:
        return {path: Entry(mode, wanted.oid)}
    content = _merge_lines(objects.blob(current.oid), objects.blob(base.oid), objects.blob(wanted.oid))
    return None if content is None else {path: Entry(mode, objects.write("blob", content))}


def _merge_lines(ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    """The merged text, None on a conflict or when one of the three is binary."""
    if any(b"\0" in content[:8000] for content in (ours, base, theirs)):
        return None
    with storing("merge in a temporary folder"), TemporaryDirectory(prefix="maabarium-merge-") as folder:
        files = []
        for name, content in (("ours", ours), ("base", base), ("theirs", theirs)):
            file = Path(folder) / name
            file.write_bytes(content)
            files.append(str(file))
        status, merged, said = Git(None, folder=Path(folder)).attempt("merge-file", "--stdout", *files)
    if 0 < status < 128:
        return None
    if status:
        raise failure(("merge-file",), status, said)
    return merged
