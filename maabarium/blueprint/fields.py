"""Which keys a blueprint may have, read off the schema: unknown ones are taken out and named.

TOML arrays become tuples where the schema wants tuples, so that the schema can be applied strictly ("3" is no
number). Values are looked at no further; whether they fit is the schema's affair.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from maabarium.blueprint.schema import ORIGINAL_SECTIONS, Blueprint
from maabarium.blueprint.sentences import key_path, near
from maabarium.errors import Problem

__all__ = ["Pruned", "prune"]

_Path = tuple[str | int, ...]
_SIXTY_FOUR_BITS = range(-(2**63), 2**63)


class Pruned:
    """The document without its unknown keys, and what was said about them.

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


def prune(document: Mapping[str, Any]) -> Pruned:
    """Take the unknown keys out of a parsed blueprint; never raises."""
    return Pruned(document)


def _not_none(annotation: Any) -> Any:
    """`X` of `X | None`; other annotations as they are."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return inner[0] if len(inner) == 1 else annotation
    return annotation
