"""`maabarium apply` and `maabarium export`: bring what a run kept into the user's checkout, or to other programs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import click

from maabarium.cli.run_options import database_option, json_option, outcome_of, read_view, run_argument
from maabarium.cli.terminal import note, print_json, print_lines, write
from maabarium.errors import UsageProblem
from maabarium.records import Outcome
from maabarium.report.summary import still_red_line
from maabarium.store import StoredView
from maabarium.store.export import archive, export_csv, export_json, export_jsonl, export_patch
from maabarium.workspace.apply import Applied, apply_to_checkout
from maabarium.workspace.leftovers import branch_state, open_private
from maabarium.workspace.repository import Repository
from maabarium.workspace.target import Target, find_target

__all__ = ["apply", "export"]

_TABLES = {"json": export_json, "jsonl": export_jsonl, "csv": export_csv}


@click.command("apply")
@run_argument
@click.option("--number", type=click.IntRange(1), metavar="N", help="Up to this winner; else all that was kept.")
@database_option
@json_option
def apply(run: str, number: int | None, database: Path | None, as_json: bool) -> None:
    """Fast-forward or merge a run's result into the checked-out branch (a plain folder: write its files).

    Refuses, and changes nothing, when that would touch work of yours. Prints how to undo it.
    """
    view = read_view(run, database)
    outcome = view.champion if number is None else _winner(view, number)
    if outcome is None:
        note(f"run {view.run.run_id} kept nothing, so there is nothing to apply")
        return
    target = find_target(Path(view.run.target), view.run.isolation)
    applied = _apply(view, outcome, target)
    if as_json:
        print_json({"run_id": view.run.run_id, "number": outcome.number, **vars(applied)})
    else:
        print_lines(_lines(view, outcome, target, applied))


def _winner(view: StoredView, number: int) -> Outcome:
    """One winner. UsageProblem when that experiment was not kept."""
    outcome = outcome_of(view, number)
    if outcome.verdict != "promoted":
        kept = ", ".join(str(each.number) for each in view.kept) or "none"
        raise UsageProblem(f"experiment {number} was not kept ({outcome.verdict}: {outcome.reason}); kept: {kept}")
    return outcome


def _apply(view: StoredView, outcome: Outcome, target: Target) -> Applied:
    """In a git repository the commits are the user's already, so that the cache may have been emptied since."""
    if target.git_dir is None:
        with closing(open_private(view.run)) as repository:
            return apply_to_checkout(target, outcome.commit, repository)
    state = branch_state(target.git_dir, view.run.branch)
    named = state is not None and state.tip == outcome.commit
    return apply_to_checkout(target, view.run.branch if named else outcome.commit)


def _lines(view: StoredView, outcome: Outcome, target: Target, applied: Applied) -> list[str]:
    place = target.branch if target.kind == "git" else str(target.top)
    if applied.how == "nothing":
        return [f"{place} has experiment {outcome.number} of run {view.run.run_id} already; nothing was changed"]
    count = f"{len(applied.paths)} file{'s' if len(applied.paths) != 1 else ''}"
    ends = f" {applied.old[:12]} -> {applied.new[:12]}" if target.kind == "git" else ""
    head = f"{applied.how}: {place}{ends}, {count}, up to experiment {outcome.number} of run {view.run.run_id}"
    where = f"  (in {target.top})" if target.kind == "git" and target.top != Path.cwd().resolve() else ""
    red = still_red_line(view)
    warned = [f"note   {red}"] if red and outcome == view.champion else []
    return [head, *warned, *(f"  {path}" for path in applied.paths), f"undo   {applied.undo}{where}"]


@click.command("export")
@run_argument
@click.option(
    "--format", "form", type=click.Choice([*_TABLES, "patch", "archive"]), default="json", show_default=True,
    help="patch: the winners, for git am; archive: the changed files as .tar.gz with a manifest.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="A file; else stdout.")
@click.option("--number", type=click.IntRange(0), metavar="N", help="patch, archive: one winner; else all.")
@database_option
def export(run: str, form: str, output: Path | None, number: int | None, database: Path | None) -> None:
    """Write a run: all its experiments (json, jsonl, csv), or what it kept (patch, archive)."""
    if form in _TABLES and number is not None:
        raise UsageProblem(f"--number goes with --format patch or archive, not with {form}")
    view = read_view(run, database)
    if form in _TABLES:
        content: str | bytes = _TABLES[form](view)
    else:
        content = _patch(view, number) if form == "patch" else _archive(view, number)
    write(content, output, f"run {view.run.run_id} as {form}")


def _patch(view: StoredView, number: int | None) -> bytes:
    chosen = view.kept if number is None else (_winner(view, number),)
    if not chosen:  # in CI nothing kept is no failure
        note(f"run {view.run.run_id} kept nothing, so the patch is empty: git am would refuse it")
        return b""
    diffs = {}
    with closing(open_private(view.run)) as repository:
        for outcome in chosen:
            if ends := view.ends_of(outcome.number):
                diffs[outcome.number] = repository.patch(*ends)
    return export_patch(view, diffs)


def _archive(view: StoredView, number: int | None) -> bytes:
    outcome = view.champion if number is None else _winner(view, number)
    if outcome is None:
        raise UsageProblem(f"run {view.run.run_id} kept nothing, so there is nothing to put into an archive")
    with closing(open_private(view.run)) as repository:
        files = _files_of(view, repository, outcome, alone=number is not None)
    return archive(outcome.commit, files)


def _files_of(view: StoredView, repository: Repository, outcome: Outcome, *, alone: bool) -> Mapping[str, bytes | None]:
    """The files that a winner (`alone`) or the whole run up to it touched, as they are then; None for deleted ones."""
    tree = repository.tree_of(outcome.commit) if outcome.commit else outcome.tree
    if alone and outcome.number in view.proposals:
        paths = tuple(edit.path for edit in view.proposals[outcome.number].edits)
    else:
        paths = tuple(edit.path for edit in repository.edits_between(repository.base_tree, tree))
    there = repository.view(tree)
    known = set(there.paths())
    return {path: there.read(path) if path in known else None for path in paths}
