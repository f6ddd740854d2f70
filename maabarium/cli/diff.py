"""`maabarium diff`: what a run, or one experiment, changed."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.changes import experiment_ends, net_ends, repository_of
from maabarium.cli.stored import database_option, read_view, run_argument
from maabarium.cli.terminal import note, print_diff

__all__ = ["command"]


@click.command("diff")
@run_argument
@click.argument("number", type=click.IntRange(0), required=False, metavar="[NUMBER]")
@database_option
def command(run: str, number: int | None, database: Path | None) -> None:
    """Print what a run changed from its base to its champion, or what experiment NUMBER changed."""
    view = read_view(run, database)
    ends = net_ends(view) if number is None else experiment_ends(view, number)
    if ends is None:
        what = "kept nothing" if number is None else f"has no change in experiment {number}"
        note(f"run {view.run.run_id} {what}")
        return
    with repository_of(view) as repository:
        print_diff(repository.diff(*ends))
