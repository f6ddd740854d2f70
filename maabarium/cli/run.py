"""`maabarium run` and `maabarium resume`: the loop under pytest, which this process becomes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from maabarium.blueprint.loading import load
from maabarium.cli.run_options import Function, database_of, database_option, read_view, run_argument
from maabarium.cli.terminal import note
from maabarium.errors import BlueprintError, UsageProblem

__all__ = ["pytest_arguments", "require_files", "resume", "run"]

REST = "maabarium.cli.run.rest"
"""Where a context keeps what follows `--`."""


class LoopCommand(click.Command):
    """Keeps what follows `--` for pytest."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does with what comes before `--`."""
        if "--" in args:
            cut = args.index("--")
            args, ctx.meta[REST] = args[:cut], args[cut + 1 :]
        return super().parse_args(ctx, args)


_OPTIONS = (
    click.option("--iterations", type=click.IntRange(0), metavar="N", help="Experiments after the baseline."),
    click.option("--workers", type=click.IntRange(1), metavar="N", help="Measurements at a time."),
    click.option("--executor", metavar="NAME", help="What measures: serial, threads or a plug-in's."),
    click.option("--seed", type=int, metavar="N", help="Seed of the proposer."),
    click.option("--no-promote", is_flag=True, help="Keep nothing: the branch stays as it is."),
    click.option("--require-promotion", is_flag=True, help="Exit status 1 when nothing was kept."),
    click.option("--record", metavar="PATH", help="Write every answer of a model to this file."),
    click.option("--replay", metavar="PATH", help="Take the answers of models from such a file."),
    click.option("--report", multiple=True, metavar="PATH", help="Write a report (.html, .md); repeatable."),
    click.option("--junitxml", metavar="PATH", help="pytest: write the outcomes as JUnit XML."),
    click.option("--collect-only", is_flag=True, help="pytest: a dry run."),
    click.option("-v", "--verbose", count=True, help="pytest: one line per experiment."),
    click.option("-q", "--quiet", count=True, help="pytest: less output."),
    click.option("-x", "--exitfirst", is_flag=True, help="pytest: stop at the first error."),
    click.option("--color", type=click.Choice(["yes", "no", "auto"]), help="pytest: colours."),
    database_option,
)


def _loop_options(function: Function) -> Function:
    """The options of the loop and those of pytest that go with it."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command("run", cls=LoopCommand)
@click.argument("blueprints", nargs=-1, required=True, metavar="BLUEPRINT...")
@_loop_options
@click.pass_context
def run(ctx: click.Context, /, blueprints: tuple[str, ...], **options: Any) -> None:
    """Run blueprints: the same as python -m pytest --maabarium BLUEPRINT.

    Any other option of pytest goes behind --, as in maabarium run maabarium.toml -- --tb=short.
    """
    require_files(map(Path, blueprints))
    _become_pytest(pytest_arguments(blueprints, options, ctx.meta.get(REST, ())))


def pytest_arguments(blueprints: Sequence[str], options: dict[str, Any], rest: Sequence[str] = ()) -> list[str]:
    """What pytest is called with. Paths are joined to their options, so that none is taken for an option itself."""
    found = [f"--maabarium={blueprint}" for blueprint in blueprints]
    for name in ("iterations", "workers", "executor", "seed", "resume"):
        if options.get(name) is not None:
            found.append(f"--maabarium-{name}={options[name]}")
    if options.get("database") is not None:
        found.append(f"--maabarium-db={Path(options['database']).absolute()}")
    for name in ("record", "replay"):
        if options.get(name) is not None:
            found.append(f"--maabarium-{name}={Path(options[name]).absolute()}")
    found += [f"--maabarium-{name}" for name in ("no-promote", "require-promotion") if options[name.replace("-", "_")]]
    found += [f"--maabarium-report={path}" for path in options["report"]]
    found += [f"--{name}={options[name]}" for name in ("junitxml", "color") if options[name] is not None]
    found += ["--collect-only"] * options["collect_only"] + ["-x"] * options["exitfirst"]
    return [*found, *["-v"] * options["verbose"], *["-q"] * options["quiet"], *rest]


def _become_pytest(arguments: Sequence[str]) -> NoReturn:
    """Replace this process, so that signals and the exit status are pytest's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])


def require_files(paths: Iterable[Path]) -> None:
    """UsageProblem for the first that is no file, with the name that was probably meant. Judges no content."""
    for path in paths:
        if path.is_file():
            continue
        try:
            load(path)
        except BlueprintError as error:
            raise UsageProblem(f"{error.source}: {error.problems[0].message}") from error


@click.command("resume", cls=LoopCommand)
@run_argument
@_loop_options
@click.pass_context
def resume(ctx: click.Context, /, run: str, database: Path | None, **options: Any) -> None:
    """Go on with a run that was interrupted or killed; with --iterations also with one that is complete.

    Any other option of pytest goes behind --.
    """
    record = read_view(run, database).run
    if not Path(record.blueprint_path).is_file():
        raise UsageProblem(
            f"the blueprint of run {record.run_id} is gone ({record.blueprint_path}); put it back where it was"
        )
    options |= {"resume": record.run_id, "database": database_of(database)}
    note(f"resuming run {record.run_id} of {record.blueprint_name}")
    _become_pytest(pytest_arguments([record.blueprint_path], options, ctx.meta.get(REST, ())))
