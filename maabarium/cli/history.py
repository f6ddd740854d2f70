"""`maabarium history`: the experiments of a run, one a line."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.stored import database_option, json_option, read_view, run_argument
from maabarium.cli.terminal import LETTERS, note, number, print_json, print_table
from maabarium.plaintext import one_line
from maabarium.records import VERDICTS, Outcome
from maabarium.store import StoredView

__all__ = ["command"]


@click.command("history")
@run_argument
@click.option("-n", "--limit", type=click.IntRange(1), help="Only the latest so many.")
@click.option("--verdict", "verdicts", type=click.Choice(VERDICTS), multiple=True, help="Only these; repeatable.")
@database_option
@json_option
def command(run: str, limit: int | None, verdicts: tuple[str, ...], database: Path | None, as_json: bool) -> None:
    """List the experiments of a run.

    delta is the score less the score of the champion it started from; effect is the measured improvement factor.
    """
    view = read_view(run, database)
    chosen = [outcome for outcome in view.outcomes if not verdicts or outcome.verdict in verdicts]
    chosen = chosen[-limit:] if limit else chosen
    if as_json:
        print_json([{"run_id": view.run.run_id, **_facts(outcome, view)} for outcome in chosen])
    elif chosen:
        head = ("#", "", "score", "delta", "effect", "reason", "summary")
        print_table(head, [_row(outcome, view) for outcome in chosen])
    else:
        note(f"run {view.run.run_id} has no such experiment")


def _delta(outcome: Outcome, view: StoredView) -> float | None:
    """The score less that of the champion at the start of the experiment."""
    parent = next((other.total for other in view.outcomes if other.number == outcome.parent), None)
    if outcome.number == 0 or outcome.total is None or parent is None:
        return None
    return outcome.total - parent


def _facts(outcome: Outcome, view: StoredView) -> dict[str, object]:
    created = view.created.get(outcome.number)
    return {**outcome.model_dump(), "delta": _delta(outcome, view), "created_at": created}


def _row(outcome: Outcome, view: StoredView) -> tuple[str, ...]:
    effect = "" if outcome.effect is None else f"x{outcome.effect:.3g}"
    scores = (number(outcome.total, ".4f"), number(_delta(outcome, view), "+.4f"), effect)
    return (str(outcome.number), LETTERS[outcome.verdict], *scores, outcome.reason_code, one_line(outcome.summary, 80))
