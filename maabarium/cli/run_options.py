"""Options and arguments by which commands find a blueprint or a stored run. Knows no git and no engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from maabarium.errors import UsageProblem
from maabarium.records import Outcome
from maabarium.run.run_status import view_run
from maabarium.state_paths import state_paths_of
from maabarium.store import Store, StoredView

__all__ = [
    "USUAL", "cache_of", "database_of", "database_option", "json_option", "number_argument", "open_store",
    "outcome_of", "read_view", "run_argument",
]  # fmt: skip

Function = Callable[..., Any]
USUAL = "maabarium.toml"
"""What `maabarium init` calls a blueprint."""


def database_option(function: Function) -> Function:
    """`--database PATH`."""
    return click.option(
        "--database", "--db", type=click.Path(path_type=Path, dir_okay=False), metavar="PATH",
        help="The database; else data/maabarium.db of the project around this folder.",
    )(function)  # fmt: skip


def json_option(function: Function) -> Function:
    """`--json`, as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def run_argument(function: Function) -> Function:
    """`[RUN]`, by default the last one."""
    return click.argument("run", default="last", metavar="[RUN]")(function)


def number_argument(function: Function) -> Function:
    """`[NUMBER]` of an experiment, by default none."""
    return click.argument("number", type=click.IntRange(0), required=False, metavar="[NUMBER]")(function)


def database_of(database: Path | None) -> Path:
    """The database that is meant."""
    return state_paths_of(Path.cwd(), database).database


def cache_of(database: Path | None) -> Path:
    """The cache that goes with it."""
    return state_paths_of(Path.cwd(), database).cache


def open_store(database: Path | None, *, readonly: bool = True) -> Store:
    """Open the database of this folder or the one named. UsageProblem when there is none."""
    path = database_of(database)
    if not path.exists():
        raise UsageProblem(
            f"there is no database at {path}; run `pytest --maabarium BLUEPRINT` first, or name one with --database"
        )
    return Store.open(path, readonly=readonly)


def read_view(run: str, database: Path | None) -> StoredView:
    """All that is stored of the run that an id, a prefix or "last" means. UsageProblem when there is none."""
    with open_store(database) as store:
        return view_run(store, cache_of(database), store.resolve(run))


def outcome_of(view: StoredView, number: int) -> Outcome:
    """One experiment's outcome. UsageProblem says which there are."""
    for outcome in view.outcomes:
        if outcome.number == number:
            return outcome
    if number in view.experiments:
        raise UsageProblem(f"experiment {number} of run {view.run.run_id} has not ended")
    known = [outcome.number for outcome in view.outcomes]
    there = f"there are {known[0]} to {known[-1]}" if known else "none has ended yet"
    raise UsageProblem(f"run {view.run.run_id} has no experiment {number}; {there}")
