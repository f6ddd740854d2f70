"""`maabarium report`: the same file that `--maabarium-report` writes, at any later time."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.changes import experiment_ends, repository_of, winners
from maabarium.cli.stored import database_of, database_option, read_view, run_argument
from maabarium.cli.terminal import note
from maabarium.errors import WorkspaceError
from maabarium.report import write_report
from maabarium.store import StoredView

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
    diffs = _diffs(view)
    for path in outputs or (database_of(database).parent / f"{view.run.run_id}.html",):
        write_report(view, diffs, path)
        note(f"report of run {view.run.run_id} written to {path}")


def _diffs(view: StoredView) -> dict[int, str]:
    """The winners' diffs; none when the repository is gone, which must not cost the report."""
    kept = winners(view)
    if not kept:
        return {}
    try:
        with repository_of(view) as repository:
            ends = {outcome.number: experiment_ends(view, outcome.number) for outcome in kept}
            return {number: repository.diff(*pair) for number, pair in ends.items() if pair}
    except WorkspaceError as error:
        note(f"the report is without diffs: {error}")
        return {}
