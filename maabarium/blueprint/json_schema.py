"""The blueprint as JSON Schema, for editors that complete and check TOML. Printed by `maabarium schema`."""

from __future__ import annotations

from typing import Any

from maabarium.blueprint.schema import Blueprint

__all__ = ["json_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. Stricter than loading in one point: keys that loading warns about are refused."""
    body = Blueprint.model_json_schema(by_alias=True)
    _plain(body)
    metric = body["$defs"]["Metric"]
    metric["if"] = {"properties": {"role": {"const": "guard"}}, "required": ["role"]}
    metric["else"] = {"required": ["weight"]}
    head = {"$schema": DIALECT, "$id": "urn:maabarium:blueprint", **body, "title": "Maabarium blueprint"}
    head["description"] = "What may change, who proposes, and what better means: the input of pytest --maabarium."
    return head


def _plain(node: Any) -> None:
    """Take reStructuredText quoting and line breaks out of descriptions; editors show them as they are."""
    if isinstance(node, dict):
        said = node.get("description")
        if isinstance(said, str):
            node["description"] = " ".join(said.replace("`", "").split())
        for child in node.values():
            _plain(child)
    elif isinstance(node, list):
        for child in node:
            _plain(child)
