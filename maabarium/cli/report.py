"""`maabarium report`: the same file that `--maabarium-report` writes, at any later time."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.run_changes import diffs_of
from maabarium.cli.run_options import database_of, database_option, read_view, run_argument
from maabarium.cli.terminal import note
from maabarium.report import write_report

__all__ = ["command"]


@click.command("report")
@run_argument
@click.option(
    "-o", "--output", "outputs", type=click.Path(path_type=Path, dir_okay=False), multiple=True, metavar="FILE",
    help="A file that ends in .html or .md; repeatable. Else RUN.html beside the database.",
)  # fmt: skip
@database_option
def command(run: str, outputs: tuple[Path, ...], database: Path | None) -> None:
    """Write the report of a run, from the store alone (and its repository, for the winning diffs)."""
    view = read_view(run, database)
    diffs = diffs_of(view, [outcome.number for outcome in view.kept], "the report is without diffs")
    for path in outputs or (database_of(database).parent / f"{view.run.run_id}.html",):
        write_report(view, diffs, path)
        note(f"report of run {view.run.run_id} written to {path}")
