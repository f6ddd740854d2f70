"""`maabarium status`: the latest runs of a database."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.stored import database_option, json_option, open_store
from maabarium.cli.terminal import note, number, print_json, print_table
from maabarium.store import RunSummary

__all__ = ["command"]


@click.command("status")
@click.argument("blueprint", required=False)
@click.option("-n", "--limit", type=click.IntRange(1), default=10, show_default=True, help="How many runs.")
@database_option
@json_option
def command(blueprint: str | None, limit: int, database: Path | None, as_json: bool) -> None:
    """List the latest runs, newest first; of one BLUEPRINT (its name) if given."""
    with open_store(database) as store:
        runs = store.runs(limit, blueprint)
    if as_json:
        print_json([run.model_dump() for run in runs])
    elif runs:
        head = ("run", "blueprint", "state", "started", "experiments", "kept", "best", "branch")
        print_table(head, [_row(run) for run in runs])
    else:
        note(f"there is no run of {blueprint} yet" if blueprint else "there is no run yet")


def _row(run: RunSummary) -> tuple[str, ...]:
    started = run.started_at[:16].replace("T", " ")
    counts = (str(run.experiments), str(run.promoted), number(run.best_total))
    return (run.run_id, run.blueprint_name, run.state, started, *counts, run.branch)
