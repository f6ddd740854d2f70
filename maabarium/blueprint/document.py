"""A blueprint as parsed from TOML, before the schema sees it: unknown keys taken out and named, mistakes mended.

Which keys a blueprint may have is read off the schema. TOML arrays become tuples where the schema wants tuples, so that
it can be applied strictly ("3" is no number). Whether values fit is decided by the schema, not here.
"""

from __future__ import annotations

import copy
import re
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from maabarium.blueprint.schema import ORIGINAL_SECTIONS, Blueprint
from maabarium.blueprint.sentences import key_path
from maabarium.errors import Problem
from maabarium.suggestions import near

__all__ = ["Pruned", "apart_from", "mend"]

_Path = tuple[str | int, ...]
_SIXTY_FOUR_BITS = range(-(2**63), 2**63)
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


class Pruned:
    """The document without its unknown keys (`data`), and what was said about them. Making one never raises.

    `unknown` holds the unknown keys of every table by key path, to explain a missing key by a misspelt one.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.unknown: dict[_Path, tuple[str, ...]] = {}
        self.data: dict[str, Any] = self._table(Blueprint, document, ())

    def _table(self, model: type[BaseModel], table: Mapping[str, Any], path: _Path) -> dict[str, Any]:
        known = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        free = model.model_config.get("extra") == "allow"
        kept: dict[str, Any] = {}
        for key, value in table.items():
            if key in known:
                kept[key] = self._value(known[key], value, (*path, key))
            elif free:
                kept[key] = value
            else:
                self._refuse(key, tuple(known), path)
        return kept

    def _refuse(self, key: str, known: tuple[str, ...], path: _Path) -> None:
        self.unknown[path] = (*self.unknown.get(path, ()), key)
        lenient = not path or path[0] in ORIGINAL_SECTIONS
        close = near(key, known)
        thing = f"a key of [{'.'.join(str(part) for part in path if isinstance(part, str))}]" if path else "a section"
        said = f"is not {thing}{' and is ignored' if lenient else ''}"
        said += f'; did you mean "{close}"?' if close else ""
        (self.warnings if lenient else self.problems).append(Problem(key_path((*path, key)), said))

    def _value(self, annotation: Any, value: Any, path: _Path) -> Any:
        annotation = _not_none(annotation)
        if isinstance(value, int) and not isinstance(value, bool) and value not in _SIXTY_FOUR_BITS:
            self.problems.append(Problem(key_path(path), "is a number of more than 64 bits"))
            return 1
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, Mapping):
            return self._table(annotation, value, path)
        if get_origin(annotation) is tuple and isinstance(value, list):
            item = get_args(annotation)[0]
            return tuple(self._value(item, entry, (*path, index)) for index, entry in enumerate(value))
        return value


def _not_none(annotation: Any) -> Any:
    """`X` of `X | None`; other annotations as they are."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return inner[0] if len(inner) == 1 else annotation
    return annotation


def mend(data: Mapping[str, Any]) -> Blueprint | None:
    """A blueprint whose mistakes are replaced, so that binding it finds further problems; None if too little is sound.

    It must never be run, and problems about a mended place are dropped (`apart_from`).
    """
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
