"""`maabarium history`: the experiments of a run, one a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from maabarium.cli.run_options import database_option, json_option, read_view, run_argument
from maabarium.cli.terminal import LETTERS, note, number, print_json, print_table
from maabarium.records import VERDICTS, Outcome
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
    standing = Standing.of(view)
    if as_json:
        print_json([{"run_id": view.run.run_id, **standing.facts(outcome)} for outcome in chosen])
        return
    head = ("level",) if standing.noisy else ("score", "delta")
    print_table(("#", "", *head, "effect", "reason", "summary"), [_row(outcome, standing) for outcome in chosen])


@dataclass(frozen=True)
class Standing:
    """How the experiments of a run compare with one another: by score, or by level where scores are noisy."""

    view: StoredView
    noisy: bool
    levels: Mapping[int, float]
    """How many times the baseline, by number: the effect on top of those of the champions before."""

    @classmethod
    def of(cls, view: StoredView) -> Standing:
        """Computed once for all experiments of a run."""
        return cls(view, decides_by_pairs(view), proven_levels(view))

    def delta(self, outcome: Outcome) -> float | None:
        """The score less that of the champion at the start of the experiment; None of single noisy samples."""
        parent = next((other.total for other in self.view.outcomes if other.number == outcome.parent), None)
        if self.noisy or outcome.number == 0 or outcome.total is None or parent is None:
            return None
        return outcome.total - parent

    def facts(self, outcome: Outcome) -> dict[str, object]:
        """All that is stored of an outcome, and how it stands."""
        created = self.view.created.get(outcome.number)
        found = {"delta": self.delta(outcome), "level": self.levels.get(outcome.number), "created_at": created}
        return {**outcome.model_dump(), **found}


def _row(outcome: Outcome, standing: Standing) -> tuple[str, ...]:
    if standing.noisy:
        shown: tuple[str, ...] = (_factor(standing.levels.get(outcome.number)),)
    else:
        shown = (number(outcome.total, ".4f"), number(standing.delta(outcome), "+.4f"))
    summary = one_line(outcome.summary, 80)
    letter = LETTERS[outcome.verdict]
    return (str(outcome.number), letter, *shown, _factor(outcome.effect), outcome.reason_code, summary)


def _factor(value: float | None) -> str:
    return "" if value is None else f"x{value:.3g}"
