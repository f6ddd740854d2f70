"""A folder that holds one tree after the other, with no link to any repository in it.

Trusts nothing that an evaluation left behind: every reset compares each file with what was written there. It counts
as untouched if all that `folders.stamp` tells is as recorded (a change time cannot be set back); its bytes are compared
when it was recorded so soon after writing that a second write could hide in the same tick of the clock.
"""

from __future__ import annotations

import filecmp
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from maabarium.errors import WorkspaceError
from maabarium.folders import stamp, write_file
from maabarium.safe_text import printable
from maabarium.workspace.conversions import Conversions
from maabarium.workspace.lock import Flock
from maabarium.workspace.names import parents_of
from maabarium.workspace.snapshot import frozen_copies
from maabarium.workspace.storage import make_folder, remove_folder, storing
from maabarium.workspace.trees import EXECUTABLE, LINK, SUBMODULE, Entry, Trees

__all__ = ["Worktree"]

_COPY = 0
"""Stands for a git mode: a frozen copy of an untracked file."""
_FOLDER_MODE = 0o755
PRIVATE = ("home",)
"""Folders of `scratch`: where HOME is, in memory where a sandbox has a private folder there."""

Seen = tuple[Entry, tuple[int, ...]]


class Worktree:
    """One slot of a run. Not thread-safe: one evaluation uses it at a time."""

    def __init__(
        self,
        trees: Trees,
        run_folder: Path,
        slot: int,
        prefix: str = "",
        name: str = "",
        conversions: Conversions | None = None,
    ) -> None:
        """`name` is that of the user's top folder: a package may be imported by it."""
        self._trees = trees
        self._conversions = conversions
        make_folder(run_folder)
        self._copies = frozen_copies(run_folder)
        self._folder, self._lock = _claim(run_folder, slot)
        named = name if name and os.pathsep not in name else "tree"  # it is to be on an import path
        self.path = self._folder / "tree" / named
        self.root = self.path / prefix if prefix else self.path
        self.scratch = self._folder / "scratch"
        self.tree = ""
        self._listing: dict[str, Entry] = {}
        self._wanted: dict[str, Entry] = {}
        self._folders: set[str] = set()
        self._seen: dict[str, Seen] = {}
        self._racy: set[str] = set()
        self._tick = 20_000_000

    def reset(self, tree: str) -> None:
        """Make `path` hold exactly this tree and the copies, and `scratch` an empty folder for HOME. Those that are
        there already stay the same ones: they may be mounted somewhere. Raises WorkspaceError."""
        self._list(tree)
        with storing("reset the worktree", self._folder):
            for folder in (self.path.parent, self.path, self.scratch):
                _real_folder(folder)
            _empty(self.path.parent, but=(self.path.name,))
            _empty(self.scratch, but=PRIVATE)
            for name in PRIVATE:
                _real_folder(self.scratch / name)
                _empty(self.scratch / name)
            valid: set[str] = set()
            self._check(str(self.path), "", valid)
            for folder_name in sorted(self._folders):
                inner = self.path / folder_name
                with suppress(FileExistsError):
                    inner.mkdir(mode=_FOLDER_MODE)
                    inner.chmod(_FOLDER_MODE)
            for path in self._wanted:
                if path not in valid:
                    self._write(path)
            if self.root is not self.path:
                self._make_root()

    def altered(self) -> list[str]:
        """Files that are gone, or hold something else than `reset` wrote. New ones are none of them."""
        return [path for path in self._wanted if not self._holds(path)]

    def _holds(self, path: str) -> bool:
        place = os.path.join(self.path, path)  # noqa: PTH118 - half the cost of a Path
        try:
            info = os.lstat(place)
            if path not in self._racy and self._seen.get(path) == (self._wanted[path], stamp(info)):
                return True
            is_link = self._wanted[path].mode == LINK
            return (stat.S_ISLNK if is_link else stat.S_ISREG)(info.st_mode) and self._same_bytes(path, place)
        except OSError:
            return False

    def _make_root(self) -> None:
        """A tree may have lost the folder in which its suite runs; that is for the suite to find out."""
        place = self.path
        for name in self.root.relative_to(self.path).parts:
            place = place / name
            if place.is_symlink() or not place.exists():
                remove_folder(place)
                place.mkdir()

    def remove(self) -> None:
        """Remove the slot with all it holds."""
        remove_folder(self._folder)
        self._lock.release()
        self._seen.clear()

    def _list(self, tree: str) -> None:
        """What should be there: from the last tree by its difference, the first time in full."""
        if tree == self.tree:
            return
        if self.tree:
            changes = list(self._trees.changed(self.tree, tree))
            for change in changes:
                if change.new is None:
                    del self._listing[change.path]
                else:
                    self._listing[change.path] = change.new
            self.tree = tree
            if all(c.old and c.new and SUBMODULE not in (c.old.mode, c.new.mode) for c in changes):
                self._wanted.update((c.path, c.new) for c in changes if c.new)  # same names: same folders
                return
        else:
            self._listing = dict(self._trees.walk(tree))
            self.tree = tree
        self._arrange()

    def _arrange(self) -> None:
        """Files and folders to be there, from the listing and the copies."""
        inside = {parent for path in self._listing for parent in (path, *parents_of(path))}
        copies = {
            path: Entry(_COPY, str(source))
            for path, source in self._copies.items()
            if path not in inside and not any(parent in self._listing for parent in parents_of(path))
        }
        self._wanted = {p: e for p, e in self._listing.items() if e.mode != SUBMODULE} | copies
        self._folders = {p for p, e in self._listing.items() if e.mode == SUBMODULE}
        self._folders.update(parent for path in (*self._wanted, *self._folders) for parent in parents_of(path))

    def _check(self, folder: str, prefix: str, valid: set[str]) -> None:
        """Remove what does not belong, collect what is as it was written."""
        with os.scandir(folder) as entries:
            found = list(entries)
        for entry in found:
            path = prefix + entry.name
            if path in self._folders and entry.is_dir(follow_symlinks=False):
                if stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) != _FOLDER_MODE:
                    os.chmod(entry.path, _FOLDER_MODE)  # noqa: PTH101 - half the cost of a Path
                self._check(entry.path, path + "/", valid)
            elif path in self._wanted and self._is_untouched(path, entry):
                valid.add(path)
            else:
                self._seen.pop(path, None)
                remove_folder(Path(entry.path))

    def _is_untouched(self, path: str, entry: os.DirEntry[str]) -> bool:
        seen = self._seen.get(path)
        if seen is None:
            return False
        info = entry.stat(follow_symlinks=False)
        if seen != (self._wanted[path], stamp(info)):
            return False
        if path in self._racy:
            if not self._same_bytes(path, entry.path):
                return False
            self._note(path, info)
        return True

    def _same_bytes(self, path: str, place: str) -> bool:
        wanted = self._wanted[path]
        if wanted.mode == _COPY:
            return filecmp.cmp(wanted.oid, place, shallow=False)
        if wanted.mode == LINK:
            content = os.fsencode(os.readlink(place))  # noqa: PTH115
        else:
            content = Path(place).read_bytes()
            if self._conversions and (conversion := self._conversions.conversion(path)):
                return content == conversion.applied(self._trees.objects.blob(wanted.oid), wanted.oid)
        return self._trees.objects.name("blob", content) == wanted.oid

    def _write(self, path: str) -> None:
        """Write one file anew. Its folders are real ones of ours, so no link is ever followed."""
        wanted, place = self._wanted[path], self.path / path
        if wanted.mode == LINK:
            target = self._trees.objects.blob(wanted.oid)
            if not target or b"\0" in target:
                raise WorkspaceError(f"the link {printable(path)} leads nowhere; no such link can be made")
            place.symlink_to(os.fsdecode(target))
        else:
            frozen = Path(wanted.oid) if wanted.mode == _COPY else None
            executable = bool(frozen.stat().st_mode & 0o100) if frozen else wanted.mode == EXECUTABLE
            write_file(place, frozen or self._content(path, wanted.oid), executable=executable)
        self._note(path, place.lstat())

    def _content(self, path: str, oid: str) -> bytes:
        """A file of the tree as it is checked out."""
        content = self._trees.objects.blob(oid)
        conversion = self._conversions.conversion(path) if self._conversions else None
        return conversion.applied(content, oid) if conversion else content

    def _note(self, path: str, info: os.stat_result) -> None:
        """Remember a file as ours; racy while another write could leave the very same times."""
        self._seen[path] = (self._wanted[path], stamp(info))
        if info.st_ctime_ns % 1_000_000_000 == 0:
            self._tick = 2_000_000_000  # a file system that counts whole seconds
        racy = time.time_ns() - info.st_ctime_ns <= self._tick
        (self._racy.add if racy else self._racy.discard)(path)


def _claim(run_folder: Path, slot: int) -> tuple[Path, Flock]:
    """The slot's folder, locked: two processes that count from 0 must not share one."""
    for name in (f"slot-{slot}", f"slot-{slot}-{os.getpid()}"):
        lock = Flock(run_folder / f"{name}.lock")
        if lock.acquire():
            return make_folder(run_folder / name), lock
    raise WorkspaceError(f"{run_folder}/slot-{slot} is in use by another process")


def _empty(folder: Path, but: tuple[str, ...] = ()) -> None:
    """Remove what is in a folder, but for entries of these names."""
    for entry in list(folder.iterdir()):
        if entry.name not in but:
            remove_folder(entry)


def _real_folder(path: Path) -> None:
    """A folder of ours at this place, whatever was put there."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        remove_folder(path)
    path.mkdir(exist_ok=True)
    path.chmod(_FOLDER_MODE)
