"""`maabarium diff`: what a run, or one experiment, changed."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.run_changes import repository_of
from maabarium.cli.run_options import database_option, outcome_of, read_view, run_argument
from maabarium.cli.terminal import note, print_diff

__all__ = ["command"]


@click.command("diff")
@run_argument
@click.argument("number", type=click.IntRange(0), required=False, metavar="[NUMBER]")
@database_option
def command(run: str, number: int | None, database: Path | None) -> None:
    """Print what a run changed from its base to its champion, or what experiment NUMBER changed."""
    view = read_view(run, database)
    if number is not None:
        ends = view.ends_of(outcome_of(view, number).number)
    else:
        ends = None if view.champion is None else (view.run.base_commit, view.champion.commit or view.champion.tree)
    if ends is None:
        what = "kept nothing" if number is None else f"has no change in experiment {number}"
        note(f"run {view.run.run_id} {what}")
        return
    with repository_of(view) as repository:
        print_diff(repository.diff(*ends))
