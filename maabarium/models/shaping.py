"""Shaping a request: turns, schemas in words, schemas without what an API refuses, and the user's own fields.

Pure, and knows no format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from maabarium.plugins.completion import CompletionRequest, Message

__all__ = ["conversation", "in_words", "merged", "sample", "small_seed", "tool_name", "without"]


def merged(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Our fields and the user's; tables are merged, everything else is theirs."""
    both = dict(ours)
    for name, value in theirs.items():
        mine = both.get(name)
        both[name] = merged(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return both


def conversation(request: CompletionRequest) -> tuple[str, list[Message]]:
    """The system prompt, and the turns, of which there is at least one."""
    system = "\n\n".join(one.content for one in request.messages if one.role == "system" and one.content)
    turns = [one for one in request.messages if one.role != "system"]
    return (system, turns) if turns else ("", [Message("user", system)])


def in_words(request: CompletionRequest) -> CompletionRequest:
    """The request with its schema spelled out in the last turn, for models that no API constrains."""
    if request.schema is None:
        return request
    schema = json.dumps(request.schema, ensure_ascii=False)
    demand = f"Answer with one JSON object that satisfies this JSON Schema, and with nothing else:\n{schema}"
    *before, last = request.messages
    return replace(request, messages=(*before, replace(last, content=f"{last.content}\n\n{demand}")))


def without(schema: Any, keywords: frozenset[str]) -> Any:
    """The schema without some keywords, at every level; properties may still be called like one."""
    if isinstance(schema, list):
        return [without(one, keywords) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept: dict[str, Any] = {}
    for name, value in schema.items():
        if name in ("properties", "$defs") and isinstance(value, Mapping):
            kept[name] = {one: without(inner, keywords) for one, inner in value.items()}
        elif name in ("enum", "const", "default", "examples"):
            kept[name] = value
        elif name not in keywords:
            kept[name] = without(value, keywords)
    return kept


def small_seed(seed: int) -> int:
    """The seed as a positive number of 31 bits, which every API takes."""
    return seed & 0x7FFFFFFF


def tool_name(name: str) -> str:
    """A name for a schema or tool with the letters that APIs allow."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "reply"


def sample(schema: Any, index: int = 0) -> Any:
    """The smallest sensible value that satisfies a schema: every required property, as few items as allowed.

    `index` chooses among an enumeration, so that the items of a list differ where they can.
    """
    if not isinstance(schema, Mapping):
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][index % len(schema["enum"])]
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if schema.get(alternatives):
            return sample(schema[alternatives][0], index)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        return {name: sample(inner, index) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items"), number) for number in range(schema.get("minItems", 0))]
    if kind == "string":
        return ("as it is" + " " * schema.get("minLength", 0))[: max(schema.get("minLength", 0), 8)][
            : schema.get("maxLength")
        ]
    return {"boolean": False, "integer": schema.get("minimum", 0), "number": schema.get("minimum", 0)}.get(str(kind))
