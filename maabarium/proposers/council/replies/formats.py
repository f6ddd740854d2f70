"""What a model is told and held to: the paragraph of a prompt that explains a format, and the JSON Schema of a reply.

The example in the paragraph is one that this package reads and applies. The schema has only what strict modes and
grammars understand: objects with all properties required and no others, `enum`, `anyOf`, and for `lines` limits on
every length, so that even a model that rambles comes to an end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maabarium.blueprint.schema import EditFormat
from maabarium.code.edits import make_diff
from maabarium.proposers.council.replies.reply import Shown

__all__ = ["EditExample", "example_of", "format_rules", "object_schema", "reply_schema"]

MOST_LINES = 200
"""A grammar slows a model down with every alternative, and a small model chooses no better among more."""
SUMMARY, REPLACEMENT, DRAFT = 60, 120, 1200
"""Characters, in the format `lines`; DRAFT is a new file's whole content."""


@dataclass(frozen=True)
class EditExample:
    """A small file, one line of it, and the line that replaces it."""

    path: str
    before: str
    line: str
    replacement: str
    summary: str


PYTHON = EditExample(
    "shop/prices.py",
    "def total(prices):\n"
    "    result = 0\n"
    "    for price in prices:\n"
    "        result = result + price\n"
    "    return result\n",
    "        result = result + price",
    "        result += price",
    "Add in place instead of making a new number object",
)
PROSE = EditExample(
    "guide/start.md",
    "# First steps\n\nInstall the package.\n\nThen run it.\n",
    "Install the package.",
    "Install the package with `pip install shop`.",
    "Say how the package is installed",
)
ANY = EditExample(
    "src/limits.conf",
    "[queue]\nworkers = 2\nretries = 5\n",
    "workers = 2",
    "workers = 4",
    "Give the queue as many workers as there are cores",
)
LANGUAGES = {"python": PYTHON, "markdown": PROSE, "prompt": PROSE, "research": PROSE}

OPENING = """\
Answer with one JSON object and nothing else: {"summary": ..., "file_patches": [...]}. The summary is one line that \
says what changes and why. Each file has at most one patch, and its path is written exactly as shown."""

COMMON = """\
Change only files that you were shown and that may be changed, and keep the change small. An empty list of patches \
is better than a patch that you are not sure applies."""

RULES: dict[EditFormat, str] = {
    "whole": """\
A patch gives the path, the operation ("modify", "create" or "delete") and the content: the whole file as it shall \
be, from the first line to the last. Write out every line; a remark such as "the rest is unchanged" is refused, for \
it would delete the rest. A file that was shown in part cannot be written whole. A deletion has an empty content.""",
    "blocks": """\
To modify a file, a patch lists edits. `search` is a copy of one or more whole lines of the file, with their \
indentation, without line numbers; these lines must occur exactly once in what you were shown, so copy enough of \
them. `replace` is what stands in their place, with its indentation; to add lines, repeat a line and add to it; an \
empty `replace` deletes the lines. All searches look at the file as it is now, and they must not overlap. To create \
a file, give `content` instead of edits; to delete one, give only path and operation.""",
    "diff": """\
Each patch gives the path, the operation ("modify", "create" or "delete") and a unified diff of that one file. Each \
hunk starts with a line such as "@@ -12,3 +12,3 @@", and every line after it starts with a blank (context), "-" \
(removed) or "+" (added); an empty line of context is a single blank. Copy context and removed lines exactly and \
give three lines of context where there are any. New files and deletions have a diff, too: all lines added, or all \
removed.""",
    "lines": """\
There is exactly one patch. `path` is one of the files shown, `line` is one line of it, copied exactly, and \
`replacement` is what stands in its place, with its indentation.""",
}


def format_rules(format: EditFormat, language: str) -> str:
    """The paragraph of a prompt that explains the format, with an example in a language of that kind."""
    if format == "lines":  # a grammar holds the model to the form, and a small one would copy the example
        return f"{OPENING} {RULES[format]}"
    example, text = example_of(format, language)
    shown = f"For example, if {example.path} were\n\n{example.before}\nan answer could be\n\n{text}"
    return f"{OPENING} {RULES[format]} {COMMON}\n\n{shown}"


def example_of(format: EditFormat, language: str) -> tuple[EditExample, str]:
    """A file, and a reply in this format that changes one line of it."""
    example = LANGUAGES.get(language.lower(), ANY)
    after = example.before.replace(example.line, example.replacement)
    patch: dict[str, Any] = {"path": example.path, "operation": "modify"}
    if format == "whole":
        patch["content"] = after
    elif format == "blocks":
        patch["edits"] = [{"search": example.line, "replace": example.replacement}]
    elif format == "diff":
        made = make_diff(example.before.encode(), after.encode(), example.path)
        patch["unified_diff"] = made.split("\n", 2)[2]  # the hunks; the headers say nothing that path does not
    else:
        patch = {"path": example.path, "line": example.line, "replacement": example.replacement}
    return example, json.dumps({"summary": example.summary, "file_patches": [patch]}, indent=1)


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
    possible = ["create"] * bool(creatable) + ["modify"] * bool(shown)
    possible += ["delete"] * any(each.ranges is None for each in shown)
    operations = possible or ["create", "modify", "delete"]  # so that the schema is never empty
    if format == "diff":
        patch = object_schema(path=path, operation=_choice(*operations), unified_diff={"type": "string"})
    elif format == "whole":
        patch = object_schema(path=path, operation=_choice(*operations), content={"type": "string"})
    else:
        patch = _of_blocks(path, operations)
    return object_schema(summary={"type": "string"}, file_patches={"type": "array", "items": patch})


def object_schema(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object with exactly these properties."""
    names = list(properties)
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _of_blocks(path: dict[str, Any], operations: Sequence[str]) -> dict[str, Any]:
    """One shape for each operation, so that a strict model fills in nothing that it does not need."""
    edit = object_schema(search={"type": "string"}, replace={"type": "string"})
    shapes = {
        "create": object_schema(path=path, operation=_choice("create"), content={"type": "string"}),
        "modify": object_schema(path=path, operation=_choice("modify"), edits={"type": "array", "items": edit}),
        "delete": object_schema(path=path, operation=_choice("delete")),
    }
    return _any_of([shapes[operation] for operation in operations])


def _of_lines(shown: Sequence[Shown], creatable: Sequence[str]) -> dict[str, Any]:
    patches = []
    left = MOST_LINES
    for each in shown:
        if lines := each.listed_lines()[:left]:
            left -= len(lines)
            new = _text(REPLACEMENT, least=0)
            patches.append(object_schema(path=_choice(each.path), line=_choice(*lines), replacement=new))
    if not patches:
        path = _choice(*sorted(set(creatable))) if creatable else _text(SUMMARY)
        patches = [object_schema(path=path, operation=_choice("create"), content=_text(DRAFT))]
    array = {"type": "array", "items": _any_of(patches), "minItems": 1, "maxItems": 1}
    return object_schema(summary=_text(SUMMARY), file_patches=array)


def _any_of(shapes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return shapes[0] if len(shapes) == 1 else {"anyOf": list(shapes)}


def _text(most: int, least: int = 1) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most}
