"""`maabarium history`: the experiments of a run, one a line."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.run_options import database_option, json_option, read_view, run_argument
from maabarium.cli.terminal import LETTERS, note, number, print_json, print_table
from maabarium.records import VERDICTS
from maabarium.report import decides_by_pairs, proven_levels
from maabarium.safe_text import one_line
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
    Where measurements are noisy, scores are single samples, and level is shown instead: how many times the baseline.
    """
    view = read_view(run, database)
    chosen = [outcome for outcome in view.outcomes if not verdicts or outcome.verdict in verdicts]
    chosen = chosen[-limit:] if limit else chosen
    if not chosen:
        print_json([]) if as_json else note(f"run {view.run.run_id} has no such experiment")
        return
    noisy, levels = decides_by_pairs(view), proven_levels(view)
    deltas = {} if noisy else _deltas(view)
    if as_json:
        print_json([
            {
                "run_id": view.run.run_id, **each.model_dump(), "delta": deltas.get(each.number),
                "level": levels.get(each.number), "created_at": view.created.get(each.number),
            }
            for each in chosen
        ])  # fmt: skip
        return
    rows = []
    for each in chosen:
        exact = (number(each.total, ".4f"), number(deltas.get(each.number), "+.4f"))
        shown = (_factor(levels.get(each.number)),) if noisy else exact
        summary = one_line(each.summary, 80)
        rows.append((str(each.number), LETTERS[each.verdict], *shown, _factor(each.effect), each.reason_code, summary))
    print_table(("#", "", *(("level",) if noisy else ("score", "delta")), "effect", "reason", "summary"), rows)


def _deltas(view: StoredView) -> dict[int, float]:
    """The score of each experiment less that of the champion that it started from, where both have one."""
    totals = {outcome.number: outcome.total for outcome in view.outcomes if outcome.total is not None}
    scored = [each for each in view.outcomes if each.number and each.number in totals and each.parent in totals]
    return {outcome.number: totals[outcome.number] - totals[outcome.parent] for outcome in scored}


def _factor(value: float | None) -> str:
    return "" if value is None else f"x{value:.3g}"
