"""The `maabarium` command. Reads the store and the target through the layers below; decides nothing of a run itself."""

from __future__ import annotations

from maabarium.cli.group import main

__all__ = ["main"]
