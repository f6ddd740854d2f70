"""`maabarium validate` and `maabarium schema`: what is wrong with blueprints, and what one may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from maabarium.blueprint.binding import describe
from maabarium.blueprint.json_schema import json_schema
from maabarium.blueprint.loading import load
from maabarium.blueprint.schema import Metric
from maabarium.cli.group import USAGE
from maabarium.cli.run_options import json_option
from maabarium.cli.terminal import print_json, print_lines
from maabarium.errors import BlueprintError, Problem
from maabarium.plugins.manager import PluginManager, build_plugins
from maabarium.run.binding import bind_blueprint

__all__ = ["schema", "validate"]


@dataclass
class _Finding:
    """What was found out about one file."""

    path: Path
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    metrics: Sequence[Metric] = ()
    lines: Sequence[str] = ()

    def facts(self) -> dict[str, Any]:
        """The same as data."""
        return {
            "path": str(self.path),
            "ok": not self.problems,
            "problems": [vars(problem) for problem in self.problems],
            "warnings": [vars(problem) for problem in self.warnings],
            "metrics": [metric.model_dump(mode="json") for metric in self.metrics],
        }


@click.command("validate")
@click.argument("blueprints", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="BLUEPRINT...")
@click.option("--bind", is_flag=True, help="Also check repository, globs, sources and packages.")
@json_option
@click.pass_context
def validate(ctx: click.Context, blueprints: tuple[Path, ...], bind: bool, as_json: bool) -> None:
    """Check blueprints and print every problem at once; exit status 4 if there is any."""
    plugins = build_plugins() if bind else None
    findings = [_check(path, plugins) for path in blueprints]
    if as_json:
        print_json([finding.facts() for finding in findings])
    else:
        for finding in findings:
            _print(finding)
    if any(finding.problems for finding in findings):
        ctx.exit(USAGE)


def _check(path: Path, plugins: PluginManager | None) -> _Finding:
    try:
        if plugins is None:
            loaded = load(path)
            metrics = loaded.blueprint.metrics.metrics
            lines = [f"{'metrics' if not i else '':<11}{each.name} <- {each.source or 'bound by its name'}"
                     for i, each in enumerate(metrics)]  # fmt: skip
            return _Finding(path, (), loaded.warnings, metrics, lines)
        binding = bind_blueprint(path, plugins)
    except BlueprintError as error:
        return _Finding(path, error.problems)
    metrics = binding.bound.blueprint.metrics.metrics
    lines = [*describe(binding.bound), f"{'targets':<11}{binding.scope}"]
    return _Finding(path, (), binding.warnings, metrics, lines)


def _print(finding: _Finding) -> None:
    if finding.problems:
        print_lines(str(BlueprintError(str(finding.path), finding.problems)).splitlines())
        return
    print_lines([f"{finding.path}: ok", *(f"  {line}" for line in finding.lines)])
    print_lines([f"  warning    {problem}" for problem in finding.warnings])


@click.command("schema")
def schema() -> None:
    """Print the blueprint's JSON Schema (draft 2020-12), for editors that check TOML."""
    print_json(json_schema())
