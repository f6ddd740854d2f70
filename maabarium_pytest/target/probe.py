"""Say which of the packages that grading may need this interpreter has, as one line of JSON."""

from __future__ import annotations

import importlib.metadata
import json
import sys

from . import surroundings


def main(names: list[str]) -> None:
    """Print versions by distribution name; an absent one is null."""
    versions: dict[str, str | None] = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    facts = {**surroundings.interpreter(), "prefix": sys.prefix}
    print(json.dumps({"interpreter": facts, "versions": versions}))  # noqa: T201 (the answer)
