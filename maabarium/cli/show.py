"""`maabarium show`: a run's summary, or one experiment in full."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.changes import experiment_ends, repository_of
from maabarium.cli.details import experiment_facts, experiment_lines
from maabarium.cli.stored import database_option, json_option, outcome_of, read_view, run_argument
from maabarium.cli.terminal import note, print_diff, print_json, print_lines
from maabarium.errors import WorkspaceError
from maabarium.report import summary_lines
from maabarium.store import StoredView

__all__ = ["command"]


@click.command("show")
@run_argument
@click.argument("number", type=click.IntRange(0), required=False, metavar="[NUMBER]")
@click.option("--no-diff", is_flag=True, help="Leave the diff of an experiment out.")
@database_option
@json_option
def command(run: str, number: int | None, no_diff: bool, database: Path | None, as_json: bool) -> None:
    """Print the summary of a run, or experiment NUMBER in full: proposal, metrics, gates, pairs, tests, diff."""
    view = read_view(run, database)
    if number is None:
        if as_json:
            print_json(_run_facts(view))
        else:
            print_lines(summary_lines(view))
        return
    outcome = outcome_of(view, number)
    diff = "" if no_diff else _diff(view, number)
    if as_json:
        print_json({**experiment_facts(view, outcome), **({} if no_diff else {"diff": diff})})
        return
    print_lines(experiment_lines(view, outcome))
    if diff:
        print_lines([""])
        print_diff(diff)


def _run_facts(view: StoredView) -> dict[str, object]:
    counts: dict[str, int] = {}
    for outcome in view.outcomes:
        counts[outcome.verdict] = counts.get(outcome.verdict, 0) + 1
    return {
        **view.run.model_dump(),
        "state": view.state,
        "reason": view.reason,
        "started_at": view.started_at,
        "finished_at": view.finished_at,
        "verdicts": counts,
        "kept": [outcome.number for outcome in view.outcomes if outcome.verdict == "promoted"],
        "summary": summary_lines(view),
    }


def _diff(view: StoredView, number: int) -> str:
    """The experiment's diff; empty when its repository is gone, which must not hide the rest."""
    ends = experiment_ends(view, number)
    if ends is None:
        return ""
    try:
        with repository_of(view) as repository:
            return repository.diff(*ends)
    except WorkspaceError as error:
        note(f"without the diff: {error}")
        return ""
