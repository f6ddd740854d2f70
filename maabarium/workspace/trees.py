"""Trees as values: take one apart, change some paths, compare two, merge a change. On objects alone; paths are text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from maabarium.errors import WorkspaceError
from maabarium.workspace.git import Git, as_text, failure
from maabarium.workspace.names import Layout
from maabarium.workspace.objects import Objects
from maabarium.workspace.storage import storing

__all__ = [
    "EXECUTABLE", "FILE", "FOLDER", "LINK", "SUBMODULE", "Entry", "GitTree", "PathChange", "Trees", "merge_change",
]  # fmt: skip

FILE, EXECUTABLE, LINK, FOLDER, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o040000, 0o160000
_IMPOSSIBLE = ("", ".", "..")


class Entry(NamedTuple):
    """One name in a tree: git's mode and the object's id."""

    mode: int
    oid: str

    @property
    def is_file(self) -> bool:
        """A regular file (git knows two modes; old repositories hold others, such as 100664)."""
        return self.mode & 0o170000 == 0o100000


class PathChange(NamedTuple):
    """One path that differs between two trees; None where it is absent. Never a folder."""

    path: str
    old: Entry | None
    new: Entry | None


class Trees:
    """Operations on the trees of one object store."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._width = 32 if objects.object_format == "sha256" else 20
        self.empty = objects.name("tree", b"")

    def folder(self, oid: str) -> dict[str, Entry]:
        """The direct entries of one tree object. Raises WorkspaceError at a name made to escape from a checkout."""
        if oid == self.empty:
            return {}
        raw, found, at = self.objects.content(oid, "tree"), {}, 0
        while at < len(raw):
            blank = raw.index(b" ", at)
            end = raw.index(b"\0", blank)
            stop = end + 1 + self._width
            name = as_text(raw[blank + 1 : end])
            if name in _IMPOSSIBLE or "/" in name or name.lower() == ".git":
                raise WorkspaceError(f"the tree {oid} holds the name {name!r}, which git refuses to check out")
            found[name] = Entry(int(raw[at:blank], 8), raw[end + 1 : stop].hex())
            at = stop
        return found

    def store_folder(self, entries: Mapping[str, Entry]) -> str:
        """Write one tree object; names are sorted as git sorts them (a folder as if it ended in a slash)."""

        def key(name: str) -> bytes:
            return name.encode("utf-8", "surrogateescape") + (b"/" if entries[name].mode == FOLDER else b"")

        raw = b"".join(
            b"%o %s\0" % (entries[name].mode, name.encode("utf-8", "surrogateescape"))
            + bytes.fromhex(entries[name].oid)
            for name in sorted(entries, key=key)
        )
        return self.objects.write("tree", raw)

    def walk(self, oid: str, prefix: str = "") -> Iterator[tuple[str, Entry]]:
        """Every path below a tree with its entry: files, links and submodules, folders left out."""
        for name, entry in self.folder(oid).items():
            if entry.mode == FOLDER:
                yield from self.walk(entry.oid, f"{prefix}{name}/")
            else:
                yield prefix + name, entry

    def find(self, oid: str, path: str) -> Entry | None:
        """The entry of one path, a folder too; None if there is none."""
        entry = Entry(FOLDER, oid)
        for name in path.split("/") if path else ():
            if entry.mode != FOLDER:
                return None
            found = self.folder(entry.oid).get(name)
            if found is None:
                return None
            entry = found
        return entry

    def changed(self, old: str, new: str, prefix: str = "") -> Iterator[PathChange]:
        """All paths that differ, equal folders skipped whole."""
        if old == new:
            return
        before, after = self.folder(old), self.folder(new)
        for name in sorted(before.keys() | after.keys()):
            left, right = before.get(name), after.get(name)
            if left == right:
                continue
            path = prefix + name
            old_folder = left.oid if left and left.mode == FOLDER else self.empty
            new_folder = right.oid if right and right.mode == FOLDER else self.empty
            yield from self.changed(old_folder, new_folder, path + "/")
            left = None if left and left.mode == FOLDER else left
            right = None if right and right.mode == FOLDER else right
            if left != right:
                yield PathChange(path, left, right)

    def edited(self, oid: str, edits: Mapping[str, Entry | None]) -> str:
        """The tree with these paths set, or removed where None. NotADirectoryError: one leads through a file."""
        entries, below = dict(self.folder(oid)), dict[str, dict[str, Entry | None]]()
        additions = dict[str, Entry]()
        for path, entry in edits.items():
            head, slash, rest = path.partition("/")
            if slash:
                below.setdefault(head, {})[rest] = entry
            elif entry is None:
                entries.pop(head, None)
            else:
                additions[head] = entry
        for name, inner in below.items():
            self._descend(entries, name, inner)
        for name, entry in additions.items():
            present = entries.get(name)
            if present is not None and present.mode == FOLDER:
                raise NotADirectoryError(f"{name!r} is a folder and cannot become a file")
            entries[name] = entry
        return self.store_folder(entries)

    def _descend(self, entries: dict[str, Entry], name: str, inner: Mapping[str, Entry | None]) -> None:
        present = entries.get(name)
        if present is not None and present.mode != FOLDER:
            if all(entry is None for entry in inner.values()):
                return
            raise NotADirectoryError(f"{name!r} is not a folder, so nothing can be put into it")
        changed = self.edited(present.oid if present else self.empty, inner)
        if changed == self.empty:
            entries.pop(name, None)
        else:
            entries[name] = Entry(FOLDER, changed)


class GitTree:
    """A `TreeView` that also knows modes. Lists the tree once, when first asked; contents are read each time."""

    def __init__(self, tree: str, trees: Trees) -> None:
        self.tree = tree
        self._trees = trees

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Every path with its mode and object, links and submodules too."""
        return dict(self._trees.walk(self.tree))

    def paths(self) -> Sequence[str]:
        """All files (and symbolic links), sorted; submodules are not files."""
        return self._paths

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        return tuple(sorted(path for path, entry in self.entries.items() if entry.mode != SUBMODULE))

    @cached_property
    def layout(self) -> Layout:
        """The names of this tree, for the path rules."""
        return Layout(self.modes())

    def modes(self) -> Mapping[str, int]:
        """Git's mode of every path, links (120000) and submodules (160000) too."""
        return {path: entry.mode for path, entry in self.entries.items()}

    def read(self, path: str) -> bytes:
        """Content of one file, or the target of a link; KeyError if there is none or it is a submodule."""
        entry = self.entries[path]
        if entry.mode == SUBMODULE:
            raise KeyError(path)
        return self._trees.objects.blob(entry.oid)


def merge_change(objects: Objects, change: PathChange, current: Entry | None) -> dict[str, Entry | None] | None:
    """What becomes of a path that is `current` elsewhere: empty when it has the change already, None on a conflict."""
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
