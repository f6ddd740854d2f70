"""What `--fix` does: the safe things only, each with a sentence that says so. Decides nothing about the runs.

Everything here would be done by the next run anyway. Rows, branches, snapshots and winners are never touched: that
is pruning.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from maabarium.doctor.findings import Finding, failed, passed
from maabarium.doctor.storage_checks import schema_of, stale_locks, stray_count
from maabarium.errors import MaabariumError
from maabarium.sandbox.process_tree import end_strays
from maabarium.state_paths import StatePaths
from maabarium.store import Store
from maabarium.store.migrations import VERSION
from maabarium.workspace.lock import Flock, sweep
from maabarium.workspace.storage import make_folder

__all__ = ["repair_storage"]


def repair_storage(state_paths: StatePaths, git_dir: Path | None = None) -> list[Finding]:
    """Put in order what can be without a loss; what was done, or why it could not be. Empty: there was nothing."""
    steps: list[Callable[[], str]] = [
        lambda: _folder(state_paths),
        lambda: _schema(state_paths.database),
        lambda: _strays(),
        lambda: _worktrees(state_paths),
        lambda: _locks(state_paths, git_dir),
    ]
    findings = []
    for step in steps:
        try:
            said = step()
        except MaabariumError as error:
            findings.append(failed("storage", "repair", str(error), "do what it says, then run doctor --fix again"))
            continue
        if said:
            findings.append(passed("storage", "repair", said))
    return findings


def _folder(state_paths: StatePaths) -> str:
    if state_paths.cache.is_dir():
        return ""
    make_folder(state_paths.cache)
    return f"made the cache folder {state_paths.cache}"


def _schema(database: Path) -> str:
    found = schema_of(database) if database.is_file() else 0
    if not 0 < found < VERSION:
        return ""
    with Store.open(database):
        return f"lifted {database} from schema {found} to {VERSION}"


def _strays() -> str:
    count = end_strays() if stray_count() else 0
    return f"ended {count} process(es) that a killed Maabarium had left" if count else ""


def _worktrees(state_paths: StatePaths) -> str:
    removed = sweep(state_paths.cache)
    return f"removed the folders of {len(removed)} dead run(s) from the cache" if removed else ""


def _locks(state_paths: StatePaths, git_dir: Path | None) -> str:
    released = 0
    for path in stale_locks(state_paths, git_dir):
        lock = Flock(path)
        if lock.acquire():  # nobody came in between
            lock.release()
            released += 1
    return f"removed {released} lock file(s) of dead runs" if released else ""
