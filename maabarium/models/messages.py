"""What formats share: a request in the pieces that APIs want, and a foreign JSON answer read.

Pure, and knows no format. Nothing of an answer's shape is taken for granted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from maabarium.models.failures import CallFailure
from maabarium.plugins.completion import CompletionRequest, Message

__all__ = [
    "at", "conversation", "count", "in_words", "merged", "small_seed", "tool_name", "wanted", "without", "words_at",
]  # fmt: skip

Value = TypeVar("Value")


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


def at(data: Any, *path: str | int) -> Any:
    """What is at the end of the path, or None where it leads nowhere."""
    for step in path:
        if isinstance(step, int) and isinstance(data, list) and -len(data) <= step < len(data):
            data = data[step]
        elif isinstance(step, str) and isinstance(data, Mapping):
            data = data.get(step)
        else:
            return None
    return data


def wanted(data: Any, kind: type[Value], *path: str | int) -> Value:
    """What is at the end of the path. Raises CallFailure when it is not of that kind."""
    found = at(data, *path)
    if not isinstance(found, kind):
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        what = "is missing" if found is None else f"is a {type(found).__name__}"
        raise CallFailure("malformed_body", f"the answer has the wrong shape: {where} {what}")
    return found


def count(data: Any, *path: str | int) -> int | None:
    """A number of tokens, or None where nobody says one."""
    found = at(data, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def words_at(data: Any, *path: str | int) -> str:
    """The text at the end of the path, or none."""
    found = at(data, *path)
    return found if isinstance(found, str) else ""
