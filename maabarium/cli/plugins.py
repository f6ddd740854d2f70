"""`maabarium plugins`: everything that plug-ins contribute, ours included, and where it comes from."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import click

from maabarium.cli.run_options import json_option
from maabarium.cli.terminal import print_json, print_lines, print_table
from maabarium.errors import MaabariumError
from maabarium.plugins.manager import KINDS, PluginManager, build_plugins, contributors

__all__ = ["plugins"]


@click.command("plugins")
@json_option
def plugins(as_json: bool) -> None:
    """List proposers, evaluators, executors, sandboxes and strategies: name, origin, what for."""
    found = list(_listing(build_plugins()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("kind", "name", "from", "what"),
        [(item["kind"], item["name"], item["distribution"] or item["plugin"], item["doc"]) for item in found],
    )
    for item in found:
        if item["sources"]:
            print_lines(["", f"sources of {item['name']}: {', '.join(item['sources'])}"])


def _listing(manager: PluginManager) -> Iterator[dict[str, Any]]:
    distributions = {
        entry.name: f"{entry.dist.name} {entry.dist.version}"
        for entry in importlib.metadata.entry_points(group="maabarium")
        if entry.dist is not None
    }
    for kind, singular in KINDS.items():
        for name, (factory, plugin) in contributors(manager, kind).items():
            yield {
                "kind": singular,
                "name": name,
                "plugin": plugin,
                "distribution": distributions.get(plugin, ""),
                "doc": _first_line(factory),
                "sources": sorted(_sources(factory)) if kind == "evaluators" else [],
            }


def _first_line(factory: Any) -> str:
    """What a factory says of itself; a lambda says nothing."""
    said = inspect.getdoc(factory) or ""
    return said.partition("\n")[0]


def _sources(factory: Any) -> frozenset[str]:
    """The sources of an evaluator: of its class, else of one made without options (which may refuse)."""
    declared = getattr(factory, "sources", None)
    if not isinstance(declared, set | frozenset):
        options: Mapping[str, Any] = {}
        try:
            declared = factory(options).sources
        except (MaabariumError, AttributeError, LookupError, TypeError, ValueError):
            declared = ()  # it needs options
    return frozenset(str(source) for source in declared)
