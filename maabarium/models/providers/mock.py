"""The `mock` provider: a model for offline runs that always answers at once, in the form that is asked for.

It inserts one line into the first file that it is shown, where that needs nothing that is not shown: its proposals
apply and rarely improve anything. It knows how a reply looks from the request's JSON Schema, and the files from the
tags around them. What it answers is a function of the request; words in a prompt steer it (JUDGE, EMPTY, GAPS).
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from maabarium.blueprint.schema import EditFormat, Settings
from maabarium.models.providers.http_provider import checked_options
from maabarium.plugins.completion import Completion, CompletionRequest, ProviderContext, Usage

__all__ = ["Mock"]

JUDGE = "Respond with only a number"
"""Is answered with one."""
EMPTY = "MAABARIUM_MOCK_EMPTY_PATCHSET"
"""Makes it propose nothing, as do GAPS, which ask for a source."""
GAPS = {  # the longer marker first: the other one is a part of it
    "MAABARIUM_MOCK_RESEARCH_EVIDENCE_GAP_VARIANT": 'The claims lack a second source. Search for "independent survey".',
    "MAABARIUM_MOCK_RESEARCH_EVIDENCE_GAP": 'No source supports this yet. Search for "primary source".',
}

TAGGED = re.compile(
    r"^(?:(?P<title>[^\n<]*):\n)?<(?P<tag>file|data[\w-]*)\s[^<>]*?\b(?:path|source)=(?P<quote>[\"'])(?P<path>.+?)(?P=quote)[^<>]*>\n"
    r"(?P<text>.*?)\n?</(?P=tag)>",
    re.DOTALL | re.MULTILINE,
)
"""A file as the original's prompts show it, or data as ours do."""
CHANGEABLE = "May be changed"
"""How the title of such a file begins."""
LEFT_OUT = "[... "
"""How a line begins that stands for others."""
TO_CREATE = re.compile(r"may be created: ([^\n]+)")
MARK = re.compile(r"^maabarium_(?:improvement|follow_up) = ")
MARKDOWN = frozenset({".md", ".markdown"})
PYTHON = frozenset({".py", ".pyi"})
COMMENTS = {
    **dict.fromkeys((".sh", ".toml", ".yaml", ".yml", ".rb", ".cfg", ".ini", ".r", ".pl", ".jl"), "# "),
    **dict.fromkeys((".rs", ".js", ".ts", ".jsx", ".tsx", ".go", ".c", ".h", ".cpp", ".java", ".kt", ".swift"), "// "),
    **dict.fromkeys((".sql", ".lua", ".hs"), "-- "),
    ".txt": "",
}
"""How a line says nothing in each language; a file of another kind is left alone."""


@dataclass(frozen=True)
class MockEdit:
    """One change of one file: whole, as a diff, and as `old` text that `new` text replaces."""

    path: str
    operation: str
    summary: str
    content: str
    diff: str
    token: str
    old: str
    new: str


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
        token = hashlib.sha256(f"{prompt}\0{request.seed}".encode("utf-8", "replace")).hexdigest()[:8]
        for change in _changes(prompt, token):
            shape = next((one for one in shapes if _takes(one, change)), None)
            if shape is not None:
                return self._said(_reply(change.summary, [_patch(change, shape)]), prompt)
        if request.schema is not None and request.schema["properties"]["file_patches"].get("minItems"):
            return self._said(json.dumps(sample(request.schema), ensure_ascii=False), prompt)
        return self._said(_reply("no file was shown that could be changed", []), prompt)


def _reply(summary: str, patches: list[dict[str, Any]]) -> str:
    return json.dumps({"summary": summary, "file_patches": patches}, ensure_ascii=False)


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
    old, new = change.old, change.new
    listed = _allowed(shape.get("line"))
    if listed is not None and old not in listed:
        old, new = _marked([str(line) for line in listed], change)
    known: dict[str, Any] = {
        "path": change.path,
        "operation": change.operation,
        "unified_diff": change.diff,
        "content": change.content,
        "edits": [{"search": old, "replace": new}],
        "line": old,
        "replacement": new,
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
        return "as it is".ljust(schema.get("minLength", 0))[: schema.get("maxLength")]
    return {"boolean": False, "integer": schema.get("minimum", 0), "number": schema.get("minimum", 0)}.get(str(kind))


def _changes(prompt: str, token: str) -> Iterator[MockEdit]:
    """What could be done with the files that a prompt shows, the best first; then what could be created.

    Each file counts once, in the order of the prompt; if it says which may be changed, only those.
    """
    hits = list(TAGGED.finditer(prompt))
    hits = [hit for hit in hits if (hit["title"] or "").startswith(CHANGEABLE)] or hits
    found = {html.unescape(hit["path"]): hit["text"] for hit in reversed(hits)}
    files = dict(reversed(found.items()))
    yield from (change for path, text in files.items() if (change := _change_of(path, text, token)) is not None)
    named = [path.strip(" .") for listing in TO_CREATE.findall(prompt) for path in listing.split(",")]
    fresh = [path for path in named if path and path not in files]
    yield from (_creation(path, token) for path in sorted(fresh, key=lambda path: not _is_document(path)))


def _marked(lines: Sequence[str], change: MockEdit) -> tuple[str, str]:
    """One of these lines, and the same with a comment behind it; for when only they may be replaced."""
    comment = "" if _is_document(change.path) else COMMENTS.get(_suffix(change.path), "# ")
    whole = [line for line in lines if not line.endswith("\\") and '"""' not in line and "'''" not in line]
    line = min(whole or lines, key=len)
    return line, f"{line}  {comment}{change.token}"


def _change_of(path: str, text: str, token: str) -> MockEdit | None:
    """The change of a file that is there; None if no line of it can bear one."""
    lines = text.split("\n")
    place = next(_places(_suffix(path), lines), None)
    if place is None:
        return None
    index, template, replaces = place
    old, fresh = lines[index], [line.format(token=token) for line in template]
    new = fresh if replaces else [*fresh, old]
    content = "\n".join([*lines[:index], *new, *lines[index + 1 :]]).rstrip("\n") + "\n"
    added = [f"+{line}" for line in fresh]
    if replaces:
        hunk = [f"@@ -{index + 1},1 +{index + 1},{len(new)} @@", f"-{old}", *added]
    elif index + 1 < len(lines):
        hunk = [f"@@ -{index + 1},1 +{index + 1},{len(new)} @@", *added, f" {old}"]
    else:  # a prompt does not tell whether a newline ends the last line, so that it can be no context
        hunk = [f"@@ -{index},0 +{index + 1},{len(fresh)} @@", *added]
    diff = "\n".join(hunk) + "\n"
    return MockEdit(path, "modify", f"mark {path} with {token}", content, diff, token, old, "\n".join(new))


def _creation(path: str, token: str) -> MockEdit:
    """A new document, or a new file of one line."""
    lines = [f"{COMMENTS.get(_suffix(path), '# ')}a first draft, {token}"]
    if _is_document(path):
        lines = [f"# {PurePosixPath(path).stem}", "", f"A first draft, {token}."]
    diff = "\n".join([f"@@ -0,0 +1,{len(lines)} @@", *(f"+{line}" for line in lines)]) + "\n"
    content = "\n".join(lines) + "\n"
    return MockEdit(path, "create", f"draft {path}", content, diff, token, "", content)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _is_document(path: str) -> bool:
    return _suffix(path) in MARKDOWN


def _places(suffix: str, lines: Sequence[str]) -> Iterator[tuple[int, list[str], bool]]:
    """Index, new lines and whether they replace what stands there; `{token}` is filled in later. Best first.

    Nothing is put after the last line: a prompt does not tell whether a newline ends it.
    """
    if suffix in PYTHON:
        yield from _in_python(lines)
    elif suffix in MARKDOWN:
        headings = [n for n in _unique(lines) if n and lines[n].startswith("#")]
        yield from ((n, ["## Implementation Notes", "", "- {token}", ""], False) for n in headings)
        yield from ((n, ["- implementation note {token}", ""], False) for n in _unique(lines) if n)
    elif suffix in COMMENTS:
        comment = COMMENTS[suffix] + "maabarium_improvement {token}"
        yield from ((n, [comment], False) for n in _unique(lines) if n and _is_top(lines[n]))
        yield from ((n, [comment], False) for n in _unique(lines)[:1] if not lines[n].startswith(("#!", "<")))


def _in_python(lines: Sequence[str]) -> Iterator[tuple[int, list[str], bool]]:
    single = _unique(lines)
    yield from ((n, ['maabarium_follow_up = "{token}"'], True) for n in single if MARK.match(lines[n]))
    line = 'maabarium_improvement = "{token}"'
    starts = [n for n in single if lines[n].startswith(("def ", "class ", "async def ", "@"))]
    yield from ((n, [line, "", ""], False) for n in starts if n and not lines[n - 1].strip())
    simple = (n for n in single if re.match(r"(?:[A-Za-z_]\w*(?:\.\w+)* = |import |def |class )", lines[n]))
    yield from ((n, [line], False) for n in simple)


def _unique(lines: Sequence[str]) -> list[int]:
    """Indices of lines that say something and are there once: a diff finds them wherever they are."""
    said = (n for n, line in enumerate(lines) if line.strip() and not line.startswith(LEFT_OUT))
    return [n for n in said if lines.count(lines[n]) == 1]


def _is_top(line: str) -> bool:
    return not line[:1].isspace() and line[:1] not in ")]}"
