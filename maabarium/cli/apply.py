"""`maabarium apply`: bring what a run kept into the user's checkout."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.run_changes import repository_of, winner
from maabarium.cli.run_options import database_option, read_view, run_argument
from maabarium.cli.terminal import note, print_json, print_lines
from maabarium.records import Outcome
from maabarium.store import StoredView
from maabarium.workspace.apply import Applied, apply_to_checkout
from maabarium.workspace.leftovers import branch_state
from maabarium.workspace.target import Target, find_target

__all__ = ["command"]


@click.command("apply")
@run_argument
@click.option("--number", type=click.IntRange(1), metavar="N", help="Up to this winner; else all that was kept.")
@database_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: str, number: int | None, database: Path | None, as_json: bool) -> None:
    """Fast-forward or merge a run's result into the checked-out branch (a plain folder: write its files).

    Refuses, and changes nothing, when that would touch work of yours. Prints how to undo it.
    """
    view = read_view(run, database)
    outcome = view.champion if number is None else winner(view, number)
    if outcome is None:
        note(f"run {view.run.run_id} kept nothing, so there is nothing to apply")
        return
    target = find_target(Path(view.run.target), view.run.isolation)
    applied = _apply(view, outcome, target)
    if as_json:
        print_json({"run_id": view.run.run_id, "number": outcome.number, **vars(applied)})
    else:
        print_lines(_lines(view, outcome, target, applied))


def _apply(view: StoredView, outcome: Outcome, target: Target) -> Applied:
    """In a git repository the commits are the user's already, so that the cache may have been emptied since."""
    if target.git_dir is None:
        with repository_of(view) as repository:
            return apply_to_checkout(target, outcome.commit, repository)
    state = branch_state(target.git_dir, view.run.branch)
    named = state is not None and state.tip == outcome.commit
    return apply_to_checkout(target, view.run.branch if named else outcome.commit)


def _lines(view: StoredView, outcome: Outcome, target: Target, applied: Applied) -> list[str]:
    place = target.branch if target.kind == "git" else str(target.top)
    if applied.how == "nothing":
        return [f"{place} has experiment {outcome.number} of run {view.run.run_id} already; nothing was changed"]
    count = f"{len(applied.paths)} file{'s' if len(applied.paths) != 1 else ''}"
    ends = f" {applied.old[:12]} -> {applied.new[:12]}" if target.kind == "git" else ""
    head = f"{applied.how}: {place}{ends}, {count}, up to experiment {outcome.number} of run {view.run.run_id}"
    where = f"  (in {target.top})" if target.kind == "git" and target.top != Path.cwd().resolve() else ""
    return [head, *(f"  {path}" for path in applied.paths), f"undo   {applied.undo}{where}"]
