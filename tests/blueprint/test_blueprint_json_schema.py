from __future__ import annotations

import json
from typing import Any

from maabarium.blueprint.json_schema import json_schema
from maabarium.blueprint.schema import Blueprint


def test_the_schema_names_its_dialect_and_every_section():
    schema = json_schema()
    assert schema["$schema"].endswith("draft/2020-12/schema")
    assert schema["$id"] and schema["title"] and schema["description"]
    assert set(schema["properties"]) == set(Blueprint.model_fields)
    assert set(schema["required"]) == {"blueprint", "domain", "constraints", "metrics"}
    json.dumps(schema)


def test_every_section_is_described_and_every_reference_leads_somewhere():
    schema = json_schema()
    assert all(part.get("description") for part in schema["$defs"].values())
    for reference in references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_keys_are_spelt_as_in_a_blueprint():
    assert "copy" in json_schema()["$defs"]["Domain"]["properties"]


def test_a_guard_needs_no_weight_and_an_objective_does():
    metric = json_schema()["$defs"]["Metric"]
    assert "weight" not in metric["required"]
    assert metric["else"] == {"required": ["weight"]}


def test_field_docstrings_reach_the_editor():
    assert "any false promotion" in json_schema()["$defs"]["Acceptance"]["properties"]["alpha"]["description"]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for child in node.values() for found in references(child)]
    return [found for child in node for found in references(child)] if isinstance(node, list) else []
