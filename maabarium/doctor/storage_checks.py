"""What Maabarium keeps: the database, the cache, and what dead runs left in them. Checks only look."""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import tempfile
from collections.abc import Iterator, Sized
from pathlib import Path

from maabarium.doctor.findings import Finding, failed, passed, warned
from maabarium.errors import MaabariumError, StoreError
from maabarium.run.run_status import list_runs
from maabarium.safe_text import listed, one_line
from maabarium.sandbox.process_tree import end_strays, strays
from maabarium.state_paths import StatePaths
from maabarium.store import Store
from maabarium.store.schema import VERSION
from maabarium.workspace.lock import Flock, dead_folders, is_held, sweep
from maabarium.workspace.storage import make_folder

__all__ = ["FIX", "check_storage", "repair_storage", "schema_of"]

FIX = "maabarium doctor --fix"
ALL = 1_000_000
SHOWN = 5


def check_storage(state_paths: StatePaths, git_dir: Path | None = None) -> Iterator[Finding]:
    """One finding after the other; `git_dir` is that of the target, where locks of runs are."""
    yield _folder("database folder", state_paths.database.parent, "name another database with --database")
    yield _folder("cache folder", state_paths.cache, "point XDG_CACHE_HOME to another folder")
    yield from _database(state_paths)
    dead = [folder.name for folder in dead_folders(state_paths.cache)]
    yield _left("worktrees", dead, f"dead run(s) left folders in the cache: {listed(dead)}")
    stale = stale_locks(state_paths, git_dir)
    yield _left("locks", stale, f"lock file(s) of dead runs, which stop nobody: {listed(map(str, stale))}")
    yield _left("processes", strays(), "process(es) of a Maabarium that was killed still run; the next run ends them")
    yield _orphans(state_paths)


def _left(name: str, found: Sized, said: str) -> Finding:
    """What dead runs left of one kind."""
    if not found:
        return passed("storage", name, "no dead run left any behind")
    return warned("storage", name, f"{len(found)} {said}", FIX)


def _folder(name: str, folder: Path, instead: str) -> Finding:
    """Whether files can be made there, by making one; a folder that is missing must be one that can be made."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
    try:
        with tempfile.NamedTemporaryFile(prefix=".maabarium-doctor-", dir=there):
            pass
    except OSError as error:
        said = f"{folder} cannot be written: {(error.strerror or str(error)).lower()}"
        said += "" if there == folder else f" (it does not exist, and {there} takes no new folder)"
        return failed("storage", name, said, f"make {there} writable for this user, or {instead}")
    if there == folder:
        return passed("storage", name, f"{folder} can be written")
    return passed("storage", name, f"{folder} does not exist yet; the first run makes it")


def _database(state_paths: StatePaths) -> Iterator[Finding]:
    path = state_paths.database
    advice = f"move {path} away or restore it from a copy, or name another database with --database"
    try:
        there = path.exists()
    except OSError as error:
        yield failed("storage", "database", f"{path} cannot be looked at: {error.strerror}", advice)
        return
    if not there:
        yield passed("storage", "database", f"there is none at {path} yet; the first run makes it")
        return
    if 0 < schema_of(path) < VERSION:
        said = f"{path} has schema {schema_of(path)}, the current one is {VERSION}; the next run lifts it"
        yield warned("storage", "database", said, FIX)
        return
    try:
        with Store.open(path, readonly=True) as store:
            problems, runs = store.integrity(), list_runs(store, state_paths.cache, ALL)
    except StoreError as error:
        yield failed("storage", "database", one_line(str(error), 400), advice)
        return
    size = path.stat().st_size / 1e6
    yield passed("storage", "database", f"schema {VERSION}, {len(runs)} runs, {size:.1f} MB, {path}")
    yield _writable(path)
    for problem in problems[:SHOWN]:
        yield failed("storage", "integrity", one_line(problem, 300), advice)
    if len(problems) > SHOWN:
        yield failed("storage", "integrity", f"and {len(problems) - SHOWN} more problems", advice)
    if not problems:
        yield passed("storage", "integrity", "the file is sound, and its rows say what its journals say")
    # who was interrupted in order has an end, and whoever did it knows
    open_runs = [run.run_id for run in runs if run.state == "interrupted" and run.finished_at is None]
    if open_runs:
        said = f"{len(open_runs)} run(s) were interrupted: {listed(open_runs)}"
        yield warned("storage", "runs", said, f"maabarium resume {open_runs[0]}, or remove old ones: maabarium prune")


def _writable(path: Path) -> Finding:
    """Whether this file can be written; opening it so changes nothing."""
    try:
        with path.open("r+b"):
            return passed("storage", "database file", "can be written")
    except OSError as error:
        said = f"{path} cannot be written: {(error.strerror or str(error)).lower()}"
        advice = "make the file writable for this user, or name another database with --database"
        return failed("storage", "database file", said, advice)


def schema_of(path: Path) -> int:
    """The schema number of a database of ours or of anybody's; 0 when it cannot be read."""
    with contextlib.suppress(sqlite3.Error):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    return 0


def stale_locks(state_paths: StatePaths, git_dir: Path | None) -> list[Path]:
    """Lock files of runs that nobody holds. They stop no run."""
    found = [*state_paths.cache.glob("*/maabarium-*.lock"), *(git_dir.glob("maabarium-*.lock") if git_dir else ())]
    return [path for path in sorted(found) if not is_held(path)]


def _orphans(state_paths: StatePaths) -> Finding:
    """Private repositories whose target is gone. They may hold the only copy of winners: nothing here removes them."""
    gone = [place.parent for place in sorted(state_paths.cache.glob("*/repository.git")) if _lost_its_target(place)]
    if not gone:
        return passed("storage", "private repositories", "each still has its target")
    said = f"{len(gone)} belong to targets that are gone: {listed(folder.name for folder in gone)}"
    advice = f"if they are gone for good: rm -r {shlex.join(map(str, gone[:SHOWN]))}"
    advice += f" ({len(gone) - SHOWN} more are named then)" if len(gone) > SHOWN else ""
    return warned("storage", "private repositories", said, advice)


def _lost_its_target(repository: Path) -> bool:
    """Whether what it borrows its objects from does not exist."""
    try:
        lines = (repository / "objects" / "info" / "alternates").read_bytes().splitlines()
    except OSError:
        return False
    plain = [line for line in lines if line and not line.startswith((b"#", b'"'))]
    return bool(plain) and not any(os.path.isdir(os.fsdecode(line)) for line in plain)  # noqa: PTH112


# --- what `--fix` does: the safe things, which the next run would do anyway. Rows, branches, snapshots and winners are
# never touched: that is pruning ---


def repair_storage(state_paths: StatePaths, git_dir: Path | None = None) -> list[Finding]:
    """Put in order what can be without a loss; what was done, or why it could not be. Empty: there was nothing."""
    findings = []
    for repair in (_make_cache, _lift_database, _end_strays, _sweep, _release_locks):
        try:
            said = repair(state_paths, git_dir)
        except MaabariumError as error:
            findings.append(failed("storage", "repair", str(error), "do what it says, then run doctor --fix again"))
            continue
        if said:
            findings.append(passed("storage", "repair", said))
    return findings


def _make_cache(state_paths: StatePaths, git_dir: Path | None) -> str:
    if state_paths.cache.is_dir():
        return ""
    make_folder(state_paths.cache)
    return f"made the cache folder {state_paths.cache}"


def _lift_database(state_paths: StatePaths, git_dir: Path | None) -> str:
    database = state_paths.database
    found = schema_of(database) if database.is_file() else 0
    if not 0 < found < VERSION:
        return ""
    with Store.open(database):
        return f"lifted {database} from schema {found} to {VERSION}"


def _end_strays(state_paths: StatePaths, git_dir: Path | None) -> str:
    count = end_strays()
    return f"ended {count} process(es) that a killed Maabarium had left" if count else ""


def _sweep(state_paths: StatePaths, git_dir: Path | None) -> str:
    removed = sweep(state_paths.cache)
    return f"removed the folders of {len(removed)} dead run(s) from the cache" if removed else ""


def _release_locks(state_paths: StatePaths, git_dir: Path | None) -> str:
    locks = [Flock(path) for path in stale_locks(state_paths, git_dir)]
    released = [lock for lock in locks if lock.acquire()]  # nobody came in between
    for lock in released:
        lock.release()
    return f"removed {len(released)} lock file(s) of dead runs" if released else ""
