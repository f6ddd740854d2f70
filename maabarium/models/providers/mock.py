"""The `mock` provider: a model for offline runs that always answers at once, in the form that is asked for.

It inserts one line into the first file that it is shown, so that its proposals apply and rarely improve anything; what
it answers is a function of the request. Words in a prompt steer it as they steer the original's mock:

    Respond with only a number                     0.78
    MAABARIUM_MOCK_EMPTY_PATCHSET                  a proposal without a change
    MAABARIUM_MOCK_RESEARCH_EVIDENCE_GAP           a proposal without a change that asks for a source
    MAABARIUM_MOCK_RESEARCH_EVIDENCE_GAP_VARIANT   the same in other words

It knows how a reply looks from the request's JSON Schema, and the files from the tags around them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from maabarium.blueprint.schema import EditFormat, Settings
from maabarium.models.providers.http_provider import checked_options
from maabarium.models.providers.mock_edits import MarkedLine, MockEdit, changes, marked
from maabarium.plugins.completion import Completion, CompletionRequest, ProviderContext, Usage

__all__ = ["Mock"]

JUDGE = "Respond with only a number"
EMPTY = "MAABARIUM_MOCK_EMPTY_PATCHSET"
GAPS = {  # the longer marker first: the other one is a part of it
    "MAABARIUM_MOCK_RESEARCH_EVIDENCE_GAP_VARIANT": 'The claims lack a second source. Search for "independent survey".',
    "MAABARIUM_MOCK_RESEARCH_EVIDENCE_GAP": 'No source supports this yet. Search for "primary source".',
}


class Mock:
    """Answers without a model. `name` of the model is what it signs with."""

    edit_format: EditFormat = "diff"
    key_env = None
    free = True

    def __init__(self, context: ProviderContext) -> None:
        self.name = context.model.provider.strip().lower()
        self.model = context.model.name
        checked_options(context.model, Settings)

    def complete(self, request: CompletionRequest) -> Completion:
        """The answer to this request, always the same; it never fails."""
        prompt = "\n\n".join(one.content for one in request.messages)
        patched = "file_patches" in (request.schema or {}).get("properties", {})
        if JUDGE in prompt:
            return self._said("0.78", prompt)
        if patched or (request.schema is None and '"file_patches"' in prompt):
            return self._proposal(request, prompt)
        if request.schema is not None:
            return self._said(json.dumps(sample(request.schema), ensure_ascii=False), prompt)
        first = next((line.strip() for line in prompt.splitlines() if line.strip()), "nothing")
        return self._said(f"{first} via {self.model}", prompt)

    def close(self) -> None:
        """Nothing is held."""

    def _said(self, content: str, prompt: str, tokens: int = 32) -> Completion:
        return Completion(content, Usage(prompt=max(1, len(prompt) // 4), completion=tokens), "stop", self.model)

    def _proposal(self, request: CompletionRequest, prompt: str) -> Completion:
        gap = next((text for marker, text in GAPS.items() if marker in prompt), None)
        if gap is not None:
            return self._said(_reply(gap, []), prompt)
        if EMPTY in prompt:
            return self._said(_reply("nothing to change", []), prompt, tokens=16)
        shapes = _shapes(request.schema)
        for change in changes(prompt, _token(prompt, request)):
            shape = next((one for one in shapes if _takes(one, change)), None)
            if shape is not None:
                return self._said(_reply(change.summary, [_patch(change, shape)]), prompt)
        if request.schema is not None and request.schema["properties"]["file_patches"].get("minItems"):
            return self._said(json.dumps(sample(request.schema), ensure_ascii=False), prompt)
        return self._said(_reply("no file was shown that could be changed", []), prompt)


def _reply(summary: str, patches: list[dict[str, Any]]) -> str:
    return json.dumps({"summary": summary, "file_patches": patches}, ensure_ascii=False)


def _token(prompt: str, request: CompletionRequest) -> str:
    """A digest of the request: another prompt leads to another proposal."""
    return hashlib.sha256(f"{prompt}\0{request.seed}".encode("utf-8", "replace")).hexdigest()[:8]


def _shapes(schema: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The properties that a patch may have, one for each alternative. Without a schema, those of the original's."""
    items: Any = ((schema or {}).get("properties", {}).get("file_patches") or {}).get("items") or {}
    alternatives = items.get("anyOf") or items.get("oneOf") or [items]
    found = [one["properties"] for one in alternatives if isinstance(one, Mapping) and one.get("properties")]
    return found or [{"path": {}, "operation": {}, "unified_diff": {}}]


def _allowed(schema: Any) -> list[Any] | None:
    """What an enumeration or a constant allows; None: anything."""
    if not isinstance(schema, Mapping):
        return None
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _takes(shape: Mapping[str, Any], change: MockEdit) -> bool:
    """Whether a patch of this shape can hold the change."""
    paths, operations = _allowed(shape.get("path")), _allowed(shape.get("operation"))
    return change.path in (paths or [change.path]) and change.operation in (operations or [change.operation])


def _patch(change: MockEdit, shape: Mapping[str, Any]) -> dict[str, Any]:
    """The change in the words of the schema: every property that it knows, and a sample of any other."""
    place = change.place or MarkedLine("", change.content)
    listed = _allowed(shape.get("line"))
    if listed is not None and place.old not in listed:
        place = marked([str(line) for line in listed], change)
    known: dict[str, Any] = {
        "path": change.path,
        "operation": change.operation,
        "unified_diff": change.diff,
        "content": change.content,
        "edits": [{"search": place.old, "replace": place.text}],
        "line": place.old,
        "replacement": place.text,
    }
    return {name: known[name] if name in known else sample(schema) for name, schema in shape.items()}


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
