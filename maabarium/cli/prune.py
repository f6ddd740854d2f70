"""`maabarium prune`: list, and with `--yes` remove, old runs and what they left behind.

What is removed is decided first and carried out after; nothing is removed that was not listed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click

from maabarium.cli.run_options import cache_of, database_option, json_option, open_store
from maabarium.cli.terminal import note, print_json, print_table
from maabarium.errors import WorkspaceError
from maabarium.events import RunView
from maabarium.run.run_status import is_worked_on, list_runs
from maabarium.store import RunSummary, Store
from maabarium.workspace.branch import Branches
from maabarium.workspace.leftovers import branch_state, delete_branch, open_private, taken_over
from maabarium.workspace.lock import dead_folders, remove_snapshot, snapshots, sweep
from maabarium.workspace.target import find_target

__all__ = ["prune"]

_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.0, "y": 365.0}
LONGEST = 36_500.0
"""A hundred years; more cannot be taken from today."""


def days_of(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A number with `h`, `d`, `w`, `m` (30 days) or `y` as days, for an option's callback; a bare number is days."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([hdwmy]?)", value.strip().lower())
    if found is None:
        raise click.BadParameter(f'"{value}" is not an age; write it like 12h, 90d, 8w, 3m (months) or 1y', ctx, param)
    days = float(found[1]) * _DAYS[found[2] or "d"]
    if days > LONGEST:
        raise click.BadParameter(f'"{value}" is more than a hundred years', ctx, param)
    return days


@click.command("prune")
@click.option(
    "--older-than", "days", callback=days_of, default="90d", show_default=True, metavar="AGE",
    help="12h, 90d, 8w, 3m(onths) or 1y.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do it; without, only list.")
@click.option("--keep-branches", is_flag=True, help="Leave all branches alone.")
@click.option("--force", is_flag=True, help="Also remove winners that nobody merged or applied.")
@database_option
@json_option
def prune(days: float, yes: bool, keep_branches: bool, force: bool, database: Path | None, as_json: bool) -> None:
    """Remove runs whose last event is older than an age, and what is left of them.

    That is: their rows, their branches maabarium/* that are merged and that no younger run uses, their pins
    refs/maabarium/*, the snapshots of plain folders, and folders of dead runs in the cache. A checked-out branch, and
    a running run, always stay; winners that are not merged or applied stay without --force.
    """
    cache = cache_of(database)
    with open_store(database, readonly=not yes) as store:
        plan = make_plan(store, cache, days, keep_branches=keep_branches, force=force)
        if yes:
            carry_out(plan, store, cache)
    if as_json:
        print_json({"done": yes, "remove": [i.facts() for i in plan.items], "keep": [i.facts() for i in plan.kept]})
    else:
        _print(plan, yes)


def _print(plan: Plan, done: bool) -> None:
    if plan.items:
        print_table(("what", "name", "run", "why"), [(i.kind, i.name, i.run_id, i.why) for i in plan.items])
    for item in plan.kept:
        note(f"kept {item.kind} {item.name}: {item.why}")
    if not plan.items:
        note("there is nothing to remove")
    elif done:
        note("all of this was removed")
    else:
        note("nothing was removed yet: do it with --yes")


@dataclass(frozen=True)
class Item:
    """One thing that goes or stays: kind `run`, `branch`, `pin`, `snapshot` or `folder`."""

    kind: str
    name: str
    run_id: str
    why: str
    remove: Callable[[], object] | None = None
    """How it goes; None for what stays, and for runs and folders, which go together."""

    def facts(self) -> dict[str, str]:
        """The same as data."""
        return {"kind": self.kind, "name": self.name, "run_id": self.run_id, "why": self.why}


@dataclass
class Plan:
    """What goes, in this order, and what stays although it is old."""

    items: list[Item] = field(default_factory=list)
    kept: list[Item] = field(default_factory=list)
    git_dirs: dict[str, Path | None] = field(default_factory=dict)
    """The user's git folder by target; None when the target is gone."""

    @property
    def runs(self) -> list[str]:
        """The ids of runs that go."""
        return [item.run_id for item in self.items if item.kind == "run"]


def make_plan(store: Store, cache: Path, days: float, *, keep_branches: bool, force: bool) -> Plan:
    """Look at everything old; changes nothing."""
    plan = Plan()
    summaries = {run.run_id: run for run in list_runs(store, cache, sys.maxsize)}
    for run_id in store.runs_older_than(days):
        _plan_run(plan, store, cache, summaries[run_id], force=force)
    if not keep_branches:
        gone = set(plan.runs)
        used = {(run.target, run.branch) for run in summaries.values() if run.run_id not in gone}
        mine = {(run.target, run.branch): run for run in summaries.values() if run.run_id in gone}
        for place, run in mine.items():
            if run.isolation == "worktree" and place not in used:
                _plan_branch(plan, run, force=force)
    plan.items += [Item("folder", str(folder), folder.name, "its run is dead") for folder in dead_folders(cache)]
    return plan


def _plan_run(plan: Plan, store: Store, cache: Path, run: RunSummary, *, force: bool) -> None:
    run_id = run.run_id
    if is_worked_on(run, cache):
        plan.kept.append(Item("run", run_id, run_id, "it is under way"))
        return
    if run.isolation == "snapshot" and run_id in snapshots(cache):
        if not force and not _is_taken(store.view(run_id)):
            plan.kept.append(Item("run", run_id, run_id, "its winners are not in the folder; --force removes it"))
            return
        remove = partial(remove_snapshot, cache, run_id)
        plan.items.append(Item("snapshot", str(snapshots(cache)[run_id]), run_id, "its run goes", remove))
    elif (git_dir := _git_dir(plan, run)) is not None and Branches(git_dir).pinned(run_id):
        unpin = partial(Branches(git_dir).unpin, run_id)
        plan.items.append(Item("pin", f"refs/maabarium/{run_id}", run_id, "its run goes", unpin))
    why = f"{run.blueprint_name}, {run.state}, started {run.started_at[:10]}"
    plan.items.append(Item("run", run_id, run_id, why))


def _is_taken(view: RunView) -> bool:
    """Whether nothing is lost with a snapshot: nothing was kept, or the folder has it."""
    champion = view.champion
    if champion is None:
        return True
    try:
        with closing(open_private(view.run)) as repository:
            return taken_over(repository, champion.commit)
    except WorkspaceError:
        return False


def _plan_branch(plan: Plan, run: RunSummary, *, force: bool) -> None:
    git_dir = _git_dir(plan, run)
    state = branch_state(git_dir, run.branch) if git_dir is not None else None
    if git_dir is None or state is None:
        return
    if state.checked_out:
        plan.kept.append(Item("branch", run.branch, run.run_id, "it is checked out"))
    elif not state.merged and not force:
        plan.kept.append(Item("branch", run.branch, run.run_id, "its winners are not merged; --force removes it"))
    else:
        why = "it is merged" if state.merged else "--force"
        plan.items.append(Item("branch", run.branch, run.run_id, why, partial(delete_branch, git_dir, state)))


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
    for item in plan.items:
        if item.remove is not None:
            item.remove()
    if plan.runs:
        store.delete_runs(plan.runs)
