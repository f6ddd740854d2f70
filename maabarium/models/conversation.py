"""A request in the pieces that APIs want: turns, schemas in words or without what is refused, the user's own fields.

Pure, and knows no format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from maabarium.plugins.completion import CompletionRequest, Message

__all__ = ["conversation", "in_words", "merged", "small_seed", "tool_name", "without"]


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
