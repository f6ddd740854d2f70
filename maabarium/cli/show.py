"""`maabarium show`, `diff`, `history` and `report`: what is stored of a run, on the terminal or in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import click

from maabarium.causes import explained
from maabarium.cli.experiment_text import cause_facts, experiment_facts, experiment_lines
from maabarium.cli.run_options import (
    database_of,
    database_option,
    json_option,
    number_argument,
    outcome_of,
    read_view,
    run_argument,
)
from maabarium.cli.terminal import LETTERS, note, number, print_json, print_lines, print_table
from maabarium.errors import WorkspaceError
from maabarium.records import VERDICTS
from maabarium.report import decides_by_pairs, proven_levels, rough, summary_lines, write_report
from maabarium.report.markup import diff_lines
from maabarium.safe_text import one_line, plain
from maabarium.store import StoredView
from maabarium.workspace.leftovers import open_private

__all__ = ["diff", "history", "print_diff", "report", "show"]

DIFF_COLOURS = {"added": "green", "removed": "red", "hunk": "cyan"}


@click.command("show")
@run_argument
@number_argument
@click.option("--no-diff", is_flag=True, help="Leave the diff of an experiment out.")
@database_option
@json_option
def show(run: str, number: int | None, no_diff: bool, database: Path | None, as_json: bool) -> None:
    """Print the summary of a run, or experiment NUMBER in full: proposal, metrics, gates, pairs, tests, diff."""
    view = read_view(run, database)
    if number is None:
        print_json(_run_facts(view)) if as_json else print_lines(summary_lines(view))
        return
    outcome = outcome_of(view, number)
    diff = "" if no_diff else _diffs_of(view, [number], "without the diff").get(number, "")
    if as_json:
        print_json({**experiment_facts(view, outcome), **({} if no_diff else {"diff": diff})})
        return
    print_lines(experiment_lines(view, outcome))
    if diff:
        print_lines([""])
        print_diff(diff)


def _diffs_of(view: StoredView, numbers: Iterable[int], without: str) -> dict[int, str]:
    """Diffs of those experiments that had a tree; none, and a note that begins with `without`, of a lost repository."""
    ends = {number: ends for number in numbers if (ends := view.ends_of(number))}
    if not ends:
        return {}
    try:
        with closing(open_private(view.run)) as repository:
            return {number: repository.diff(*pair) for number, pair in ends.items()}
    except WorkspaceError as error:
        note(f"{without}: {error}")
        return {}


def print_diff(text: str) -> None:
    """A unified diff on stdout, coloured on a terminal."""
    for line in diff_lines(plain(text).splitlines()):
        click.echo(click.style(line.text, fg=DIFF_COLOURS.get(line.kind), bold=line.kind == "file" or None))


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


@click.command("diff")
@run_argument
@number_argument
@database_option
def diff(run: str, number: int | None, database: Path | None) -> None:
    """Print what a run changed from its base to its champion, or what experiment NUMBER changed."""
    view = read_view(run, database)
    if number is not None:
        ends = view.ends_of(outcome_of(view, number).number)
    else:
        ends = None if view.champion is None else (view.run.base_commit, view.champion.commit or view.champion.tree)
    if ends is None:
        what = "kept nothing" if number is None else f"has no change in experiment {number}"
        note(f"run {view.run.run_id} {what}")
        return
    with closing(open_private(view.run)) as repository:
        print_diff(repository.diff(*ends))


@click.command("history")
@run_argument
@click.option("-n", "--limit", type=click.IntRange(1), help="Only the latest so many.")
@click.option("--verdict", "verdicts", type=click.Choice(VERDICTS), multiple=True, help="Only these; repeatable.")
@database_option
@json_option
def history(run: str, limit: int | None, verdicts: tuple[str, ...], database: Path | None, as_json: bool) -> None:
    """List the experiments of a run.

    delta is the score less the score of the champion it started from; effect is the measured improvement factor.
    Where measurements are noisy, scores are single samples, and level is shown instead: how many times the baseline.
    An effect with ~ rests on so few pairs that noise may be all of it, and has no level.
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
                "run_id": view.run.run_id, **each.model_dump(), "cause": cause_facts(each),
                "delta": deltas.get(each.number), "level": levels.get(each.number),
                "created_at": view.created.get(each.number),
            }
            for each in chosen
        ])  # fmt: skip
        return
    rows = []
    for each in chosen:
        exact = (number(each.total, ".4f"), number(deltas.get(each.number), "+.4f"))
        level = levels.get(each.number)
        shown = ("" if level is None else f"x{level:.3g}",) if noisy else exact
        effect = (rough(each), str(each.pairs or "")) if noisy else (rough(each),)
        summary = one_line(each.summary, 80)
        rows.append((str(each.number), LETTERS[each.verdict], *shown, *effect, each.reason_code, summary))
    head = ("level", "effect", "pairs") if noisy else ("score", "delta", "effect")
    print_table(("#", "", *head, "reason", "summary"), rows)
    print_lines([f"  {line}" for each in chosen for line in explained(each)])


def _deltas(view: StoredView) -> dict[int, float]:
    """The score of each experiment less that of the champion that it started from, where both have one."""
    totals = {outcome.number: outcome.total for outcome in view.outcomes if outcome.total is not None}
    scored = [each for each in view.outcomes if each.number and each.number in totals and each.parent in totals]
    return {outcome.number: totals[outcome.number] - totals[outcome.parent] for outcome in scored}


@click.command("report")
@run_argument
@click.option(
    "-o", "--output", "outputs", type=click.Path(path_type=Path, dir_okay=False), multiple=True, metavar="FILE",
    help="A file that ends in .html or .md; repeatable. Else RUN.html beside the database.",
)  # fmt: skip
@database_option
def report(run: str, outputs: tuple[Path, ...], database: Path | None) -> None:
    """Write the report of a run, from the store alone (and its repository, for the winning diffs)."""
    view = read_view(run, database)
    diffs = _diffs_of(view, [outcome.number for outcome in view.kept], "the report is without diffs")
    for path in outputs or (database_of(database).parent / f"{view.run.run_id}.html",):
        write_report(view, diffs, path)
        note(f"report of run {view.run.run_id} written to {path}")
