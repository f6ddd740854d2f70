"""The JSON Schema of a reply, for providers that can hold a model to one.

Only what strict modes and grammars understand: objects with all properties required and no others, `enum`, `anyOf`,
and for `lines` limits on every length, so that even a model that rambles comes to an end. Knows no provider.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from maabarium.blueprint.schema import EditFormat
from maabarium.proposers.council.replies.lines import listed
from maabarium.proposers.council.replies.reply import UNBOUNDED, Shown

__all__ = ["reply_schema", "reply_tokens"]

MOST_LINES = 200
"""A grammar slows a model down with every alternative, and a small model chooses no better among more."""
SUMMARY, REPLACEMENT, DRAFT = 60, 120, 1200
"""Characters, in the format `lines`; DRAFT is a new file's whole content."""
ESCAPED = 6
"""Tokens that one character can cost: `\\u00e9` spelled out."""
SPACE = 22
"""Tokens of white space that the loosest grammar in use allows between two elements."""


def reply_schema(format: EditFormat, shown: Sequence[Shown], creatable: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema of a reply `{summary, file_patches}` in this format.

    Files that were shown can be modified, and deleted if they were shown whole; files can be created if `creatable`
    names examples of paths. `lines` has exactly one patch: a listed line of a shown file and its replacement or,
    when there is no line to list, one of the `creatable` files with its content. Its strings are short.
    """
    if format == "lines":
        return _of_lines(shown, creatable)
    paths = sorted({each.path for each in shown})
    path = {"type": "string"} if creatable or not paths else {"type": "string", "enum": paths}
    operations = _operations(shown, creatable)
    if format == "diff":
        patch = _object(path=path, operation=_choice(*operations), unified_diff={"type": "string"})
    elif format == "whole":
        patch = _object(path=path, operation=_choice(*operations), content={"type": "string"})
    else:
        patch = _of_blocks(path, operations)
    return _reply({"type": "string"}, {"type": "array", "items": patch})


def reply_tokens(schema: Mapping[str, Any]) -> int:
    """The most tokens that a reply of this schema can need, whatever the tokenizer; UNBOUNDED if it sets no limit.

    Real replies need a tenth of it. Allowed this many, a model that a grammar holds to the schema always closes
    its last brace.
    """
    return min(_tokens(schema), UNBOUNDED)


def _reply(summary: dict[str, Any], patches: dict[str, Any]) -> dict[str, Any]:
    return _object(summary=summary, file_patches=patches)


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    names = list(properties)
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _operations(shown: Sequence[Shown], creatable: Sequence[str]) -> list[str]:
    """What can be done at all; all three if nothing is known, so that the schema is never empty."""
    possible = ["create"] * bool(creatable) + ["modify"] * bool(shown)
    possible += ["delete"] * any(each.ranges is None for each in shown)
    return possible or ["create", "modify", "delete"]


def _of_blocks(path: dict[str, Any], operations: Sequence[str]) -> dict[str, Any]:
    """One shape for each operation, so that a strict model fills in nothing that it does not need."""
    edit = _object(search={"type": "string"}, replace={"type": "string"})
    shapes = {
        "create": _object(path=path, operation=_choice("create"), content={"type": "string"}),
        "modify": _object(path=path, operation=_choice("modify"), edits={"type": "array", "items": edit}),
        "delete": _object(path=path, operation=_choice("delete")),
    }
    return _any_of([shapes[operation] for operation in operations])


def _of_lines(shown: Sequence[Shown], creatable: Sequence[str]) -> dict[str, Any]:
    patches = []
    left = MOST_LINES
    for each in shown:
        if lines := listed(each)[:left]:
            left -= len(lines)
            patches.append(
                _object(path=_choice(each.path), line=_choice(*lines), replacement=_text(REPLACEMENT, least=0))
            )
    if not patches:
        path = _choice(*sorted(set(creatable))) if creatable else _text(SUMMARY)
        patches = [_object(path=path, operation=_choice("create"), content=_text(DRAFT))]
    array = {"type": "array", "items": _any_of(patches), "minItems": 1, "maxItems": 1}
    return _reply(_text(SUMMARY), array)


def _any_of(shapes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return shapes[0] if len(shapes) == 1 else {"anyOf": list(shapes)}


def _text(most: int, least: int = 1) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most}


def _tokens(schema: Mapping[str, Any]) -> int:
    if "anyOf" in schema:
        return max(_tokens(each) for each in schema["anyOf"])
    if "enum" in schema:
        return max(len(json.dumps(each).encode()) for each in schema["enum"])
    if schema.get("type") == "string":
        return int(schema["maxLength"]) * ESCAPED + 2 if "maxLength" in schema else UNBOUNDED
    if schema.get("type") == "array":
        most = schema.get("maxItems")
        return UNBOUNDED if most is None else most * (_tokens(schema["items"]) + 1 + SPACE) + 2 + SPACE * 2
    if schema.get("type") == "object":
        values = schema["properties"].items()
        return sum(len(json.dumps(name)) + _tokens(each) + 2 + 4 * SPACE for name, each in values) + 2 + SPACE * 2
    return UNBOUNDED
