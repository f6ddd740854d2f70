"""`maabarium schema`: the blueprint's JSON Schema, for editors."""

from __future__ import annotations

import click

from maabarium.blueprint.json_schema import json_schema
from maabarium.cli.terminal import print_json

__all__ = ["command"]


@click.command("schema")
def command() -> None:
    """Print the blueprint's JSON Schema (draft 2020-12), for editors that check TOML."""
    print_json(json_schema())
