"""`maabarium doctor`: tries what a run needs, and prints what it found and what to do about it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from maabarium.cli.stored import database_option, json_option
from maabarium.cli.terminal import print_json
from maabarium.doctor import Finding, Wishes, examine, has_failed
from maabarium.errors import UsageProblem
from maabarium.plaintext import one_line

__all__ = ["command"]

COLOURS = {"pass": "green", "warn": "yellow", "fail": "red"}
WIDTH = 110
INDENT = 32


@click.command("doctor")
@click.argument("blueprint", required=False, type=click.Path(path_type=Path), metavar="[BLUEPRINT]")
@click.option("--fix", is_flag=True, help="Put in order what can be without a loss, and say what was done.")
@click.option(
    "--level", type=click.Choice(["trusted", "standard", "strict"]),
    help="Look at this level of isolation only; it must be held.",
)  # fmt: skip
@click.option("--network", is_flag=True, help="Also connect to the servers of models; asks them nothing.")
@database_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    blueprint: Path | None,
    fix: bool,
    level: str | None,
    network: bool,
    database: Path | None,
    as_json: bool,
) -> None:
    """Try whether runs can work here; exit status 1 if something fails.

    Looks at the environment, at what really holds in each sandbox, and at what is stored; with BLUEPRINT also at its
    target, whose baseline is measured, and at its models. Changes nothing without --fix.
    """
    if blueprint is not None and not blueprint.is_file():
        raise UsageProblem(f"there is no file {blueprint}; name a blueprint, or none")
    found: list[Finding] = []
    for finding in examine(Wishes(blueprint, database, level, network, fix)):
        if not as_json:
            _print(finding, first=not found or found[-1].funnel != finding.funnel)
        found.append(finding)
    if as_json:
        print_json([finding.facts() for finding in found])
    else:
        _print_attempts(found)
        _print_end(found)
    if has_failed(found):
        ctx.exit(1)


def _print(finding: Finding, *, first: bool) -> None:
    """One finding, under the name of its funnel if it is the first of it."""
    if first:
        click.echo(("" if finding.funnel == "environment" else "\n") + click.style(finding.funnel, bold=True))
    mark = click.style(finding.status, fg=COLOURS[finding.status])
    name = one_line(finding.name, 60)
    lines = _wrapped(finding.sentence)
    gap = " " * max(1, INDENT - 8 - len(name))
    click.echo(f"  {mark}  {name}{gap}{lines[0]}")
    for line in [*lines[1:], *(_wrapped(f"fix: {finding.fix}") if finding.fix else ())]:
        click.echo(" " * INDENT + line)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(one_line(text, 1200), WIDTH - INDENT, break_on_hyphens=False, break_long_words=False) or [""]


def _print_attempts(found: Iterable[Finding]) -> None:
    """What was tried in each sandbox, side by side."""
    cages = [finding for finding in found if finding.funnel == "sandbox" and finding.name != "levels"]
    cages = [finding for finding in cages if finding.observed]
    if not cages:
        return
    click.echo("\n" + click.style("what got through", bold=True))
    names = [one.attempt for one in cages[0].observed]
    width = max(len(name) for name in names)
    heads = [cage.name for cage in cages]
    click.echo(" " * (width + 4) + "  ".join(heads))
    for name in names:
        cells = [_cell(cage, name) for cage in cages]
        click.echo(
            f"  {name:<{width}}  " + "  ".join(_padded(c, len(h)) for c, h in zip(cells, heads, strict=True)).rstrip()
        )


def _cell(cage: Finding, name: str) -> str:
    """`-`: stopped; `yes`: it got through, which at `trusted` nobody promised to stop."""
    return "yes" if any(one.attempt == name and one.succeeded for one in cage.observed) else "-"


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - len(cell))


def _print_end(found: Sequence[Finding]) -> None:
    counts = {status: sum(finding.status == status for finding in found) for status in COLOURS}
    shown = [
        click.style(f"{count} {status}", fg=COLOURS[status] if count else None) for status, count in counts.items()
    ]
    click.echo("\n" + ", ".join(shown))
