"""`maabarium show`: a run's summary, or one experiment in full."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from maabarium.cli.experiment_text import experiment_facts, experiment_lines
from maabarium.cli.run_changes import diffs_of
from maabarium.cli.run_options import database_option, json_option, outcome_of, read_view, run_argument
from maabarium.cli.terminal import print_diff, print_json, print_lines
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
    diff = "" if no_diff else diffs_of(view, [number], "without the diff").get(number, "")
    if as_json:
        print_json({**experiment_facts(view, outcome), **({} if no_diff else {"diff": diff})})
        return
    print_lines(experiment_lines(view, outcome))
    if diff:
        print_lines([""])
        print_diff(diff)


def _run_facts(view: StoredView) -> dict[str, object]:
    return {
        **view.run.model_dump(),
        "state": view.state,
        "reason": view.reason,
        "started_at": view.started_at,
        "finished_at": view.finished_at,
        "verdicts": dict(Counter(outcome.verdict for outcome in view.outcomes)),
        "kept": [outcome.number for outcome in view.kept],
        "summary": summary_lines(view),
    }
