"""Schemas: strict, satisfiable by what the parser reads, and short where they promise it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies_cases import PATH

from maabarium.blueprint.schema import EditFormat
from maabarium.errors import ProposalError
from maabarium.proposers.council.replies import FORMATS, Shown, edits_of, parse_reply, reply_schema

CONTENT = 'def f():\n    return "a"\n\n\ndef g():\n    return "a"\n    # é\n'.encode()
SHOWN = (Shown(PATH, CONTENT), Shown("app/part.py", CONTENT, (range(1, 3),)))


UNBOUNDED = 10**9
ESCAPED = 6
"""Tokens that one character can cost: `\\u00e9` spelled out."""
SPACE = 22
"""Tokens of white space that the loosest grammar in use allows between two elements."""


def reply_tokens(schema: Any) -> int:
    """The most tokens that a reply of this schema can need, whatever the tokenizer."""
    if "anyOf" in schema:
        return max(reply_tokens(each) for each in schema["anyOf"])
    if "enum" in schema:
        return max(len(json.dumps(each).encode()) for each in schema["enum"])
    if schema["type"] == "object":
        values = schema["properties"].items()
        spent = sum(len(json.dumps(name)) + reply_tokens(each) + 2 + 4 * SPACE for name, each in values)
        return min(spent + 2 + SPACE * 2, UNBOUNDED)
    if schema["type"] == "string" and "maxLength" in schema:
        return int(schema["maxLength"]) * ESCAPED + 2
    if schema["type"] == "array" and "maxItems" in schema:
        return int(schema["maxItems"]) * (reply_tokens(schema["items"]) + 1 + SPACE) + 2 + SPACE * 2
    return UNBOUNDED


def objects_in(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for each in schema.values():
            yield from objects_in(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from objects_in(each)


@pytest.mark.parametrize("creatable", [(), ("app/new.py",)])
@pytest.mark.parametrize("shown", [(), SHOWN, SHOWN[1:]])
@pytest.mark.parametrize("format", FORMATS)
def test_every_object_is_strict(format: EditFormat, shown: Sequence[Shown], creatable: Sequence[str]) -> None:
    schema = reply_schema(format, shown, creatable)
    json.dumps(schema)
    for each in objects_in(schema):
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])
    assert schema["required"] == ["summary", "file_patches"]


def test_the_diff_format_is_the_schema_of_the_original() -> None:
    patch = reply_schema("diff", SHOWN, ["app/new.py"])["properties"]["file_patches"]["items"]
    assert patch["properties"] == {
        "path": {"type": "string"},
        "operation": {"type": "string", "enum": ["create", "modify", "delete"]},
        "unified_diff": {"type": "string"},
    }


def test_lines_lists_shown_lines_that_occur_once() -> None:
    shapes = reply_schema("lines", SHOWN, [])["properties"]["file_patches"]["items"]["anyOf"]
    listed = {shape["properties"]["path"]["enum"][0]: shape["properties"]["line"]["enum"] for shape in shapes}
    assert listed == {PATH: ["def f():", "def g():", "    # é"], "app/part.py": ["def f():", '    return "a"']}


def value_of(schema: dict[str, Any], data: st.DataObject) -> Any:
    """Any value that satisfies a schema of ours."""
    if "anyOf" in schema:
        return value_of(data.draw(st.sampled_from(schema["anyOf"])), data)
    if "enum" in schema:
        return data.draw(st.sampled_from(schema["enum"]))
    if schema["type"] == "string":
        alphabet = st.characters(codec="utf-8")
        return data.draw(st.text(alphabet, min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 20)))
    if schema["type"] == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems", 2)
        return [value_of(schema["items"], data) for _ in range(data.draw(st.integers(least, most)))]
    return {name: value_of(each, data) for name, each in schema["properties"].items()}


@given(st.data(), st.sampled_from(FORMATS), st.sampled_from([(), ("app/new.py",)]))
def test_what_satisfies_a_schema_is_read(data: st.DataObject, format: EditFormat, creatable: Sequence[str]) -> None:
    value = value_of(reply_schema(format, SHOWN, creatable), data)
    try:
        reply = parse_reply(json.dumps(value), format)
    except ProposalError as error:
        blank = "summary is missing" in str(error) or "is empty" in str(error) or "path is missing" in str(error)
        assert blank or "has no content" in str(error)
        return
    assert len(reply.patches) == len(value["file_patches"])


@given(st.data())
def test_lines_always_apply_and_end_within_their_tokens(data: st.DataObject) -> None:
    schema = reply_schema("lines", SHOWN, [])
    value = value_of(schema, data)
    text = json.dumps(value, indent=2)  # every character escaped that can be
    assert len(text) <= reply_tokens(schema) < 3000
    if not value["summary"].strip():
        return
    edits = edits_of(parse_reply(text, "lines"), SHOWN, targets=lambda _: True, exists=lambda _: True)
    assert [edit.operation for edit in edits] == ["modify"]


def test_where_nothing_is_listed_a_file_can_be_written() -> None:
    schema = reply_schema("lines", [], ["docs/draft.md"])
    patch = schema["properties"]["file_patches"]["items"]
    assert patch["properties"]["path"]["enum"] == ["docs/draft.md"]
    assert patch["properties"]["operation"]["enum"] == ["create"]
    assert reply_tokens(schema) < 10_000


@pytest.mark.parametrize("format", ["whole", "blocks", "diff"])
def test_formats_without_limits_say_so(format: EditFormat) -> None:
    assert reply_tokens(reply_schema(format, SHOWN, [])) == UNBOUNDED
