"""`maabarium doctor`: tries what a run needs, and prints what it found and what to do about it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from maabarium.cli.run import require_files
from maabarium.cli.run_options import USUAL, database_option, json_option
from maabarium.cli.terminal import note, print_json
from maabarium.doctor import Finding, demanded_level, examine, has_failed, taken
from maabarium.safe_text import one_line

__all__ = ["doctor"]

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
@click.option("-v", "--all", "everything", is_flag=True, help="Show what got through at every level, side by side.")
@database_option
@json_option
@click.pass_context
def doctor(
    ctx: click.Context,
    blueprint: Path | None,
    fix: bool,
    level: str | None,
    network: bool,
    everything: bool,
    database: Path | None,
    as_json: bool,
) -> None:
    """Try whether runs can work here; exit status 1 if something fails.

    Looks at the environment, at what really holds in each sandbox, and at what is stored; with BLUEPRINT also at its
    target, whose baseline is measured, and at its models. Without one it takes maabarium.toml if that is in this
    folder. Changes nothing without --fix.
    """
    blueprint = _blueprint(blueprint)
    found: list[Finding] = []
    for finding in examine(blueprint, database, level=level, network=network, fix=fix):
        if not as_json:
            _print(finding, first=not found or found[-1].funnel != finding.funnel)
        found.append(finding)
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        _print_attempts(found, None if everything else taken(found, level or demanded_level(blueprint)))
        _print_end(found)
    if has_failed(found):
        ctx.exit(1)


def _blueprint(given: Path | None) -> Path | None:
    """The blueprint that is looked at: the one given, or the usual one in this folder; says so if none was given."""
    if given is not None:
        require_files([given])
        return given
    usual = Path(USUAL)
    if usual.is_file():
        note(f"looking at {USUAL} of this folder too")
        return usual
    note("without a blueprint neither a target nor models are looked at: maabarium doctor BLUEPRINT")
    return None


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


def _print_attempts(found: Iterable[Finding], used: Finding | None) -> None:
    """What came of each attempt in the sandbox that runs take (`used`); without one in all of them, side by side."""
    backends = [finding for finding in found if finding.funnel == "sandbox" and finding.observed]
    backends = [finding for finding in backends if finding.name != "levels"]
    shown = backends if used is None else [used]
    if not shown:
        return
    click.echo("\n" + click.style("what a hostile program could do", bold=True))
    names = [one.attempt for one in shown[0].observed]
    width, heads = max(len(name) for name in names), [backend.name for backend in shown]
    click.echo(" " * (width + 4) + "  ".join(heads))
    for name in names:
        through = [any(one.attempt == name and one.succeeded for one in backend.observed) for backend in shown]
        cells = [f"{'yes' if got else 'stopped':<{len(head)}}" for got, head in zip(through, heads, strict=True)]
        click.echo(f"  {name:<{width}}  {'  '.join(cells)}".rstrip())
    hidden, trusted = [backend for backend in backends if backend not in shown], ""
    for backend in hidden:
        if backend.name.startswith("trusted "):  # nobody promised that it stops anything
            count = f"{sum(one.succeeded for one in backend.observed)} of {len(backend.observed)}"
            trusted = f"trusted would allow {count}, and is taken only if it is asked for; "
    if hidden:
        click.echo(f"  {trusted}--all shows every level")


def _print_end(found: Sequence[Finding]) -> None:
    counts = {status: sum(finding.status == status for finding in found) for status in COLOURS}
    shown = [
        click.style(f"{count} {status}", fg=COLOURS[status] if count else None) for status, count in counts.items()
    ]
    click.echo("\n" + ", ".join(shown))
