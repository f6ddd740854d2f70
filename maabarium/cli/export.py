"""`maabarium export`: a run for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.run_changes import files_of, repository_of, winner
from maabarium.cli.run_options import database_option, read_view, run_argument
from maabarium.cli.terminal import write
from maabarium.errors import UsageProblem
from maabarium.store import StoredView
from maabarium.store.export import archive, export_csv, export_json, export_jsonl, export_patch

__all__ = ["command"]

_TABLES = {"json": export_json, "jsonl": export_jsonl, "csv": export_csv}


@click.command("export")
@run_argument
@click.option(
    "--format", "form", type=click.Choice([*_TABLES, "patch", "archive"]), default="json", show_default=True,
    help="patch: the winners, for git am; archive: the changed files as .tar.gz with a manifest.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="A file; else stdout.")
@click.option("--number", type=click.IntRange(0), metavar="N", help="patch, archive: one winner; else all.")
@database_option
def command(run: str, form: str, output: Path | None, number: int | None, database: Path | None) -> None:
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
    chosen = view.kept if number is None else (winner(view, number),)
    if not chosen:
        return b""  # an empty patch is a sound one: in CI nothing kept is no failure
    diffs = {}
    with repository_of(view) as repository:
        for outcome in chosen:
            if ends := view.ends_of(outcome.number):
                diffs[outcome.number] = repository.patch(*ends)
    return export_patch(view, diffs)


def _archive(view: StoredView, number: int | None) -> bytes:
    outcome = view.champion if number is None else winner(view, number)
    if outcome is None:
        raise UsageProblem(f"run {view.run.run_id} kept nothing, so there is nothing to put into an archive")
    with repository_of(view) as repository:
        files = files_of(view, repository, outcome, alone=number is not None)
    return archive(outcome.commit, files)
