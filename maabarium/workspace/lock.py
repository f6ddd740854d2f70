"""Who is alive: one run per branch, and run folders that outlived their run. By flock, which dies with its holder."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maabarium.errors import WorkspaceError
from maabarium.workspace.private import check_run_id, home_of
from maabarium.workspace.storage import make_folder, remove_folder, storing
from maabarium.workspace.target import Target

__all__ = ["Flock", "dead_folders", "is_alive", "is_held", "remove_snapshot", "run_lock", "snapshots", "sweep"]

_ALIVE = "alive"
_GRACE = 3600.0
"""Seconds for which a run folder without an `alive` file is left alone: somebody may be making it."""


class Flock:
    """An exclusive lock on a file of its own, which is removed on release."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, content: str = "") -> bool:
        """Take the lock without waiting; False if somebody has it. `content` is for whoever finds it taken."""
        with storing("lock", self.path):
            while True:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if os.fstat(descriptor).st_ino == os.stat(self.path).st_ino:  # noqa: PTH116
                        break
                except BlockingIOError:
                    os.close(descriptor)
                    return False
                except FileNotFoundError:
                    pass
                os.close(descriptor)  # it was removed between opening and locking: once more
            os.ftruncate(descriptor, 0)
            os.write(descriptor, content.encode())
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Remove the file and let go; nothing happens when the lock is not held."""
        if self._descriptor is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def held_by(self) -> str:
        """What the holder wrote."""
        try:
            return self.path.read_text("utf-8", "replace")[:100].strip()
        except OSError:
            return ""


@contextmanager
def run_lock(target: Target, branch: str, run_id: str, cache: Path) -> Iterator[None]:
    """Held for a run's life: its branch is nobody else's, and its folder in the cache is not swept.

    Taken before `Repository.create`; a killed run leaves no lock behind. Raises WorkspaceError with the other run's
    process id when the branch is taken.
    """
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", branch.removeprefix("maabarium/")).strip("-.") or "run"
    home = make_folder(home_of(target, cache))
    lock = Flock((target.git_dir or home) / f"maabarium-{slug}.lock")
    alive = Flock(home / "runs" / check_run_id(run_id) / _ALIVE)
    if not lock.acquire(str(os.getpid())):
        raise WorkspaceError(
            f"another run (process {lock.held_by() or 'unknown'}) is working on {branch}; wait until it ends, stop it,"
            " or give the blueprint another name"
        )
    try:
        with _sweeping(cache):
            make_folder(alive.path.parent)
            if not alive.acquire(str(os.getpid())):
                raise WorkspaceError(f"the run {run_id} is under way already")
        try:
            yield
        finally:
            with _sweeping(cache):
                if alive.path.exists():
                    _remove_run(alive.path.parent)
                alive.release()
    finally:
        lock.release()


@contextmanager
def _sweeping(cache: Path) -> Iterator[None]:
    """One at a time makes or removes run folders. Waits: nobody holds this for long."""
    make_folder(cache)
    with storing("lock", cache), (cache / ".sweep.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sweep(cache: Path) -> list[Path]:
    """Remove the folders of runs that are dead, and return them. A live run is never touched."""
    if not cache.is_dir():
        return []
    removed = []
    with _sweeping(cache):
        for folder in dead_folders(cache):
            _remove_run(folder)
            removed.append(folder)
        for scratch in (*cache.glob("*/.new-*"), *cache.glob("*/*/.new-*")):
            if time.time() - scratch.lstat().st_mtime > _GRACE:
                remove_folder(scratch)  # of somebody who was killed while making a repository
    return removed


def _remove_run(folder: Path) -> None:
    """Remove a run's folder, its mark last: a kill on the way leaves something that the next sweep finds."""
    with storing("remove", folder):
        inside = sorted(folder.iterdir(), key=lambda path: path.name == _ALIVE)
    for path in (*inside, folder):
        remove_folder(path)


def dead_folders(cache: Path) -> list[Path]:
    """Folders of runs without a living process, as `sweep` removes them. Changes nothing."""
    folders = (path for path in sorted(cache.glob("*/runs/*")) if path.is_dir() and not path.is_symlink())
    return [path for path in folders if _is_dead(path)]


def is_alive(folder: Path) -> bool:
    """Whether the run whose folder in the cache this is has a living process. Changes nothing."""
    return is_held(folder / _ALIVE)


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock; one that is not ours to judge counts as held, a missing one does not."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _is_dead(folder: Path) -> bool:
    if not (folder / _ALIVE).exists():
        # Whoever makes a run's folder marks it before others may sweep, so an empty one is nobody's.
        return not any(folder.iterdir()) or time.time() - folder.lstat().st_mtime > _GRACE
    return not is_alive(folder)


def snapshots(cache: Path) -> dict[str, Path]:
    """Snapshot repositories by run id. They hold the winners of plain folders, so they only go when told to."""
    return {path.name.removesuffix(".git"): path for path in sorted(cache.glob("*/snapshots/*.git"))}


def remove_snapshot(cache: Path, run_id: str) -> Path | None:
    """Remove a run's snapshot and return where it was; None if there is none. Its commits are lost with it."""
    path = snapshots(cache).get(check_run_id(run_id))
    if path is not None:
        remove_folder(path)
    return path
