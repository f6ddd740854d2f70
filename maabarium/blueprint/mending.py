"""A blueprint with mistakes made whole enough to be bound, so that what binding finds comes out together with them.

Pure. What it makes is never run: it serves to look for further problems, and those about a mended place are dropped.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import Problem

__all__ = ["apart_from", "mend"]

_Path = tuple[str | int, ...]
_ROUNDS = 5
_STAND_INS: Mapping[str, Any] = {
    "name": "unnamed",
    "version": "1",
    "description": "",
    "repo_path": ".",
    "language": "python",
    "target_files": ("*",),
    "max_iterations": 1,
    "timeout_seconds": 60,
    "require_tests_pass": True,
    "min_improvement": 0.0,
    "weight": 1.0,
    "direction": "maximize",
}
"""Values for keys that must be there."""


def mend(data: Mapping[str, Any]) -> Blueprint | None:
    """A blueprint of the parts that are sound; None when too little is."""
    document = copy.deepcopy(dict(data))
    for _ in range(_ROUNDS):
        try:
            return Blueprint.model_validate(document, strict=True)
        except ValidationError as error:
            paths = [finding["loc"] for finding in error.errors(include_url=False)]
            inner = [path for path in paths if not any(path == other[: len(path)] != other for other in paths)]
            put_right = [_put_right(document, path) for path in inner]
            if not all(put_right):
                return None
    return None


def _put_right(document: dict[str, Any], path: _Path) -> bool:
    """Replace or remove what stands at a path; whether that was possible. Places in arrays keep their numbers."""
    place: Any = document
    for step in path[:-1]:
        try:
            place = place[step]
        except (KeyError, IndexError, TypeError):
            return False
    if not isinstance(place, dict) or not path:  # of a list of plain values nothing can stand in for an entry
        return False
    if path[-1] in _STAND_INS:
        place[path[-1]] = _STAND_INS[str(path[-1])]
        return True
    return place.pop(path[-1], None) is not None


def apart_from(known: tuple[Problem, ...], further: tuple[Problem, ...]) -> list[Problem]:
    """The problems known, then those of `further` that are not about the same key, or an entry mended in part."""
    places = {problem.where for problem in known}
    entries = {match[0] for where in places if (match := re.match(r".*\]", where))}
    fresh = [
        problem
        for problem in further
        if problem.where not in places and not any(problem.where.startswith(entry) for entry in entries)
    ]
    return [*known, *fresh]
