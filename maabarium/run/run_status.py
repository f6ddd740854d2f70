"""The status of stored runs, for commands and pages: a killed run is stored as running, but its lock knows better."""

from __future__ import annotations

from pathlib import Path

from maabarium.events import RunRecord, RunStatus
from maabarium.store import RunSummary, Store, StoredView
from maabarium.workspace.lock import is_alive

__all__ = ["LOST", "is_worked_on", "list_runs", "view_run"]

OPEN = ("interrupted", "running")
"""Stored of runs that may be under way: one that was just resumed is `interrupted` until something happens in it."""
LOST = "its process is gone"
"""The reason of a run that was killed and could not give one itself."""


def list_runs(store: Store, cache: Path, limit: int, blueprint_name: str | None = None) -> list[RunSummary]:
    """As `Store.runs`, but with the state that the locks tell: of a killed run `interrupted`, without an end."""
    alive = {run.run_id: is_worked_on(run, cache) for run in store.runs(limit, blueprint_name) if run.state in OPEN}
    return [
        run.model_copy(update={"state": "running" if alive[run.run_id] else "interrupted"})
        if run.state in OPEN and run.run_id in alive
        else run
        for run in store.runs(limit, blueprint_name)  # once more: a run that ends is stored first and unlocked then
    ]


def view_run(store: Store, cache: Path, run_id: str) -> StoredView:
    """As `Store.view`, but with the state that the lock tells; a killed run says why it is interrupted."""
    view = store.view(run_id)
    if view.state not in OPEN:
        return view
    alive = is_worked_on(view.run, cache)
    view = store.view(run_id)  # once more, as above
    if view.state not in OPEN:
        return view
    status: RunStatus = "running" if alive else "interrupted"
    return view.model_copy(update={"state": status, "reason": "" if alive else view.reason or LOST})


def is_worked_on(run: RunRecord | RunSummary, cache: Path) -> bool:
    """Whether a run has a living process: by its folder in this user's cache, or where the run itself kept it."""
    repository = Path(run.repository)
    home = repository.parent if run.isolation == "worktree" else repository.parent.parent
    folders = (*cache.glob(f"*/runs/{run.run_id}"), home / "runs" / run.run_id)
    return any(is_alive(folder) for folder in folders)
