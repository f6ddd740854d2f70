"""`maabarium status`: the latest runs of a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maabarium.cli.run_options import cache_of, database_option, json_option, open_store
from maabarium.cli.terminal import note, print_json, print_table
from maabarium.report.phrases import factor
from maabarium.run.run_status import list_runs
from maabarium.store import RunSummary

__all__ = ["status"]

SHOWN = 3
"""How many interrupted runs are said to be resumable; the newest matter."""


@click.command("status")
@click.argument("blueprint", required=False)
@click.option("-n", "--limit", type=click.IntRange(1), default=10, show_default=True, help="How many runs.")
@database_option
@json_option
def status(blueprint: str | None, limit: int, database: Path | None, as_json: bool) -> None:
    """List the latest runs, newest first; of one BLUEPRINT (its name) if given.

    gain is how many times better what was kept is than where the run began.

    A run that nobody works on any more is shown as interrupted, also when it was killed and could not say so.
    """
    with open_store(database) as store:
        runs = list_runs(store, cache_of(database), limit, blueprint)
    if as_json:
        print_json([_facts(run) for run in runs])
    elif runs:
        head = ("run", "blueprint", "state", "started", "experiments", "kept", "gain", "branch")
        print_table(head, [_row(run) for run in runs])
        for run_id in [run.run_id for run in runs if run.state == "interrupted"][:SHOWN]:
            note(f"go on  maabarium resume {run_id}")
    else:
        note(f"there is no run of {blueprint} yet" if blueprint else "there is no run yet")


def _branch(run: RunSummary) -> str | None:
    """The branch with what the run kept; None without anything, for then nobody made it."""
    return run.branch if run.promoted else None


def _facts(run: RunSummary) -> dict[str, Any]:
    return {**run.model_dump(), "branch": _branch(run)}


def _row(run: RunSummary) -> tuple[str, ...]:
    started = run.started_at[:16].replace("T", " ")
    counts = (str(run.experiments), str(run.promoted), "" if run.gain is None else factor(run.gain))
    return (run.run_id, run.blueprint_name, run.state, started, *counts, _branch(run) or "nothing kept")
