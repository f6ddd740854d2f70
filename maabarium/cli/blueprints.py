"""Blueprints as they are named on a command line: whether the file is there, and which is meant without a name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from maabarium.blueprint.loading import load
from maabarium.errors import BlueprintError, UsageProblem

__all__ = ["USUAL", "require_files"]

USUAL = "maabarium.toml"
"""What `maabarium init` calls a blueprint."""


def require_files(paths: Iterable[Path]) -> None:
    """UsageProblem for the first that is no file, with the name that was probably meant. Judges no content."""
    for path in paths:
        if path.is_file():
            continue
        try:
            load(path)
        except BlueprintError as error:
            raise UsageProblem(f"{error.source}: {error.problems[0].message}") from error
