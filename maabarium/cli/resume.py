"""`maabarium resume`: go on with a stored run, whose blueprint is found in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maabarium.cli.run import REST, LoopCommand, become_pytest, loop_options, pytest_arguments
from maabarium.cli.run_options import database_of, read_view, run_argument
from maabarium.cli.terminal import note
from maabarium.errors import UsageProblem

__all__ = ["command"]


@click.command("resume", cls=LoopCommand)
@run_argument
@loop_options
@click.pass_context
def command(ctx: click.Context, /, run: str, database: Path | None, **options: Any) -> None:
    """Go on with a run that was interrupted or killed; with --iterations also with one that is complete.

    Any other option of pytest goes behind --.
    """
    record = read_view(run, database).run
    if not Path(record.blueprint_path).is_file():
        raise UsageProblem(
            f"the blueprint of run {record.run_id} is gone ({record.blueprint_path}); put it back where it was"
        )
    options |= {"resume": record.run_id, "database": database_of(database)}
    note(f"resuming run {record.run_id} of {record.blueprint_name}")
    become_pytest(pytest_arguments([record.blueprint_path], options, ctx.meta.get(REST, ())))
