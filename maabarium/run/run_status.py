"""Whether a stored run is still worked on: its row says `running` until somebody says otherwise, its lock dies with it.

What a killed run left in the database is shown as interrupted by everybody who asks here. Changes nothing stored.
"""

from __future__ import annotations

from pathlib import Path

from maabarium.events import RunRecord, RunStatus
from maabarium.store import RunSummary, Store, StoredView
from maabarium.workspace.lock import is_alive

__all__ = ["LOST", "is_worked_on", "list_runs", "view_run"]

OPEN = ("interrupted", "running")
"""What is stored of a run that has not come to its end: which of both is true, its lock knows. Just resumed, it is
stored as interrupted until something happens in it."""
LOST = "its process is gone"
"""The reason of a run that could not give one itself."""


def list_runs(store: Store, cache: Path, limit: int, blueprint_name: str | None = None) -> list[RunSummary]:
    """As `Store.runs`, but with the state that the locks tell: of a killed run `interrupted`, without an end."""
    runs = store.runs(limit, blueprint_name)
    open_ones = [run for run in runs if run.state in OPEN]
    alive = {run.run_id: is_worked_on(run, cache) for run in open_ones}
    if alive:  # read again after looking: who ends in order says so first, and lets go of the lock then
        runs = store.runs(limit, blueprint_name)
    return [
        run.model_copy(update={"state": _state(alive[run.run_id])})
        if run.state in OPEN and run.run_id in alive
        else run
        for run in runs
    ]


def view_run(store: Store, cache: Path, run_id: str) -> StoredView:
    """As `Store.view`, but with the state that the lock tells; a killed run says why it is interrupted."""
    view = store.view(run_id)
    if view.state not in OPEN:
        return view
    alive = is_worked_on(view.run, cache)
    view = store.view(run_id)  # as above
    if view.state not in OPEN:
        return view
    reason = "" if alive else view.reason or LOST
    return view.model_copy(update={"state": _state(alive), "reason": reason})


def _state(alive: bool) -> RunStatus:
    return "running" if alive else "interrupted"


def is_worked_on(run: RunRecord | RunSummary, cache: Path) -> bool:
    """Whether a run, of whatever target, has a living process.

    Its folder is looked for in this user's cache, and where the run itself kept it, which may be another cache.
    """
    return any(is_alive(folder) for folder in (*cache.glob(f"*/runs/{run.run_id}"), _folder(run)))


def _folder(run: RunRecord | RunSummary) -> Path:
    """Where the run keeps its lock: beside the private repository of its target."""
    repository = Path(run.repository)
    home = repository.parent if run.isolation == "worktree" else repository.parent.parent
    return home / "runs" / run.run_id
