"""What pruning removes, decided first and carried out after. Prints nothing; removes nothing that it did not list."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from maabarium.cli.changes import champion_of, repository_of
from maabarium.errors import WorkspaceError
from maabarium.events import RunView
from maabarium.run.run_status import is_worked_on, list_runs
from maabarium.store import RunSummary, Store
from maabarium.workspace.branch import Branches
from maabarium.workspace.leftovers import BranchState, branch_state, delete_branch, taken_over
from maabarium.workspace.lock import dead_folders, remove_snapshot, snapshots, sweep
from maabarium.workspace.target import find_target

__all__ = ["Item", "Plan", "carry_out", "make_plan"]

_ALL = 1_000_000


@dataclass(frozen=True)
class Item:
    """One thing that goes or stays: kind `run`, `branch`, `pin`, `snapshot` or `folder`."""

    kind: str
    name: str
    run_id: str
    why: str


@dataclass
class Plan:
    """What goes, and what stays although it is old. The rest is what carrying it out needs."""

    items: list[Item] = field(default_factory=list)
    kept: list[Item] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    branches: list[tuple[Path, BranchState]] = field(default_factory=list)
    pins: list[tuple[Path, str]] = field(default_factory=list)
    git_dirs: dict[str, Path | None] = field(default_factory=dict)
    """The user's git folder by target; None when the target is gone."""

    def remove(self, kind: str, name: str, run_id: str, why: str) -> None:
        """List something that goes."""
        self.items.append(Item(kind, name, run_id, why))

    def keep(self, kind: str, name: str, run_id: str, why: str) -> None:
        """List something that stays."""
        self.kept.append(Item(kind, name, run_id, why))


def make_plan(store: Store, cache: Path, days: float, *, keep_branches: bool, force: bool) -> Plan:
    """Look at everything old; changes nothing."""
    plan = Plan()
    summaries = {run.run_id: run for run in list_runs(store, cache, _ALL)}
    old = store.runs_older_than(days)
    for run_id in old:
        _plan_run(plan, store, cache, summaries[run_id], force=force)
    if not keep_branches:
        gone = set(plan.runs)
        used = {(run.target, run.branch) for run in summaries.values() if run.run_id not in gone}
        mine = {(run.target, run.branch): run for run in summaries.values() if run.run_id in gone}
        for (target, branch), run in mine.items():
            if run.isolation == "worktree" and (target, branch) not in used:
                _plan_branch(plan, run, force=force)
    for folder in dead_folders(cache):
        plan.remove("folder", str(folder), folder.name, "its run is dead")
    return plan


def _plan_run(plan: Plan, store: Store, cache: Path, run: RunSummary, *, force: bool) -> None:
    if is_worked_on(run, cache):
        plan.keep("run", run.run_id, run.run_id, "it is under way")
        return
    if run.isolation == "snapshot" and run.run_id in snapshots(cache):
        if not force and not _is_taken(store.view(run.run_id)):
            plan.keep("run", run.run_id, run.run_id, "its winners are not in the folder; --force removes it")
            return
        plan.remove("snapshot", str(snapshots(cache)[run.run_id]), run.run_id, "its run goes")
        plan.snapshots.append(run.run_id)
    elif (git_dir := _git_dir(plan, run)) is not None and Branches(git_dir).pinned(run.run_id):
        plan.remove("pin", f"refs/maabarium/{run.run_id}", run.run_id, "its run goes")
        plan.pins.append((git_dir, run.run_id))
    plan.remove("run", run.run_id, run.run_id, f"{run.blueprint_name}, {run.state}, started {run.started_at[:10]}")
    plan.runs.append(run.run_id)


def _is_taken(view: RunView) -> bool:
    """Whether nothing is lost with a snapshot: nothing was kept, or the folder has it."""
    champion = champion_of(view)
    if champion is None:
        return True
    try:
        with repository_of(view) as repository:
            return taken_over(repository, champion.commit)
    except WorkspaceError:
        return False


def _plan_branch(plan: Plan, run: RunSummary, *, force: bool) -> None:
    git_dir = _git_dir(plan, run)
    state = branch_state(git_dir, run.branch) if git_dir is not None else None
    if git_dir is None or state is None:
        return
    if state.checked_out:
        plan.keep("branch", run.branch, run.run_id, "it is checked out")
    elif not state.merged and not force:
        plan.keep("branch", run.branch, run.run_id, "its winners are not merged; --force removes it")
    else:
        plan.remove("branch", run.branch, run.run_id, "it is merged" if state.merged else "--force")
        plan.branches.append((git_dir, state))


def _git_dir(plan: Plan, run: RunSummary) -> Path | None:
    """The user's git folder; None for a snapshot, or when the target is gone."""
    if run.isolation == "snapshot":
        return None
    if run.target not in plan.git_dirs:
        try:
            plan.git_dirs[run.target] = find_target(Path(run.target), "worktree").git_dir
        except WorkspaceError:
            plan.git_dirs[run.target] = None
    return plan.git_dirs[run.target]


def carry_out(plan: Plan, store: Store, cache: Path) -> None:
    """Remove what is listed. The rows go last, so that what could not be removed is listed again."""
    sweep(cache)
    for git_dir, state in plan.branches:
        delete_branch(git_dir, state)
    for git_dir, run_id in plan.pins:
        Branches(git_dir).unpin(run_id)
    for run_id in plan.snapshots:
        remove_snapshot(cache, run_id)
    if plan.runs:
        store.delete_runs(plan.runs)
