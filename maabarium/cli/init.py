"""`maabarium init`: the first blueprint of a project, from what its files say."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

import click

from maabarium.blueprint.globs import Globs
from maabarium.blueprint.loading import parse
from maabarium.blueprint.project import InitFacts, inspect_project
from maabarium.blueprint.templates import draft, draft_rules
from maabarium.cli.run_options import USUAL
from maabarium.cli.terminal import note, write
from maabarium.errors import UsageProblem
from maabarium.workspace.snapshot import generated_files
from maabarium.workspace.target import Target, find_target

__all__ = ["init"]

RULES = "rules/test_speed.py"


@click.command("init")
@click.argument("folder", default=".", type=click.Path(path_type=Path), metavar="[FOLDER]")
@click.option("--name", metavar="NAME", help="Name of the blueprint; else the project's.")
@click.option("--rules", is_flag=True, help=f"Also write an example rules file, {RULES}.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to; - is stdout.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def init(folder: Path, name: str | None, rules: bool, output: Path | None, force: bool) -> None:
    """Write a first blueprint (maabarium.toml) for the project in FOLDER.

    Looks at packages, tests, benchmarks and the project's own interpreter; runs nothing of it. The file is new to
    git: nothing is staged or committed, and an untracked file never matters to a run.
    """
    if not folder.is_dir():
        raise UsageProblem(f"{folder} is not a folder; name the folder of the project")
    target = find_target(folder)
    printed = str(output) == "-"
    if printed and rules:
        raise UsageProblem("--rules writes a second file, which does not fit on stdout; leave it out, or give -o FILE")
    place = folder / USUAL if output is None or printed else output
    if place.is_dir():
        place = place / USUAL
    facts = _facts(folder, target, place, name, rules=rules)
    text = draft(facts)
    parse(text, place)
    if printed:
        write(text, None, "the blueprint")
        return
    files = {place: text} | ({place.parent / RULES: draft_rules(facts)} if rules else {})
    _write(files, force=force)
    _say(list(files), target, facts)


def _facts(folder: Path, target: Target, place: Path, name: str | None, *, rules: bool) -> InitFacts:
    """What the draft needs. Globs are relative to the target's top level, the rest to the blueprint."""
    inner = f"{target.prefix}/" if target.prefix else ""
    paths = tuple(path.removeprefix(inner) for path in target.files if path.startswith(inner))
    facts = inspect_project(folder.resolve(), paths)
    packages = tuple(inner + glob for glob in facts.packages)
    return replace(
        facts,
        name=facts.name if name is None else name,
        repo_path=_repo_path(folder.resolve(), place.absolute().parent),
        packages=packages,
        protected=tuple(inner + glob for glob in facts.protected),
        tests=tuple(inner + test for test in facts.tests),
        rules=(RULES,) if rules else (),
        generated=generated_files(target.top, Globs(packages)) if packages and target.kind == "git" else (),
    )


def _repo_path(folder: Path, home: Path) -> str:
    """The project as seen from the blueprint; absolute when they are far apart."""
    relative = Path(os.path.relpath(folder, home.resolve()))
    return folder.as_posix() if relative.parts[:3] == ("..",) * 3 else relative.as_posix()


def _write(files: dict[Path, str], *, force: bool) -> None:
    there = [path for path in files if os.path.lexists(path)]
    if there and not force:
        listed = " and ".join(str(path) for path in there)
        raise UsageProblem(
            f"{listed} {'exist' if len(there) > 1 else 'exists'} already; --force overwrites, -o FILE writes elsewhere"
        )
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageProblem(f"{path} cannot be written: {error.strerror}; choose another place with -o") from error


def _say(files: list[Path], target: Target, facts: InitFacts) -> None:
    inside = target.kind == "git" and files[0].resolve().is_relative_to(target.top)
    untracked = " (untracked: git status lists it until you commit or ignore it; a run does not mind)" if inside else ""
    note(f"wrote {' and '.join(str(path) for path in files)}{untracked}")
    if not facts.packages:
        note("no package was found: narrow target_files down to the code that may change")
    if not facts.has_tests:
        note("no tests were found: without tests nothing can be kept")
    if target.dirty:
        note(f"{len(target.dirty)} modified tracked files will not be measured: HEAD is")
    shown = shlex.quote(str(files[0]))
    note(f"check  maabarium validate --bind {shown}\nrun    pytest --maabarium {shown}")
