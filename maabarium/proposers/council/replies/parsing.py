"""From a model's text to a `Reply`: JSON in the schema or, from models that ignore it, blocks and diffs as text.

Lenient about wrapping (reasoning, fences, prose, names of operations), strict about meaning: a patch says exactly one
thing in exactly one form, or the reply is refused. Nothing is completed: a reply that was cut off stays unreadable.
Time is linear: what failed to parse is not tried again from its middle. Nothing is checked against files here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from maabarium.blueprint.schema import EditFormat
from maabarium.errors import ProposalError
from maabarium.proposers.council.replies.prose import marker_of, read_prose
from maabarium.proposers.council.replies.reply import Patch, Replacement, Reply
from maabarium.records import Operation
from maabarium.safe_text import one_line

__all__ = ["parse_reply"]

MOST_CHARACTERS = 8 * 2**20
MOST_EDITS = 2000
"""In one reply; no person reads more, and each is looked for in its file."""
SUMMARY = 500
PROSE_FILES = frozenset({"", ".md", ".markdown", ".mdx", ".rst", ".txt", ".adoc"})
"""Files that may begin with a fence of their own."""

OPERATIONS: dict[str, Operation] = {
    "create": "create", "add": "create", "new": "create",
    "modify": "modify", "update": "modify", "edit": "modify", "change": "modify", "replace": "modify",
    "delete": "delete", "remove": "delete",
}  # fmt: skip
MISSING = {
    "diff": ("unified_diff is missing", "missing_unified_diff_field"),
    "whole": ("content is missing", "other"),
    "blocks": ("edits is missing", "other"),
    "lines": ("line and replacement are missing", "other"),
}
KEY = '"file_patches"'
START = re.compile(r'\{\s*+"')
MOST_STARTS = 1000
"""More beginnings of objects than this outside of a parsed object are no reply."""
THOUGHTS = {
    "<think>": "</think>", "<thinking>": "</thinking>", "<thought>": "</thought>", "<reasoning>": "</reasoning>",
    "<reflection>": "</reflection>", "[THINK]": "[/THINK]", "◁think▷": "◁/think▷",
}  # fmt: skip
FINAL_CHANNEL = "<|channel|>final<|message|>"
LOOSE_COMMA = re.compile(r'"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)|,(?=\s*[}\]])', re.DOTALL)
"""Strings, so that commas in them are passed over; and commas before a closing bracket."""


def parse_reply(text: str, format: EditFormat) -> Reply:
    """Read a reply to a prompt that asked for `format`; other forms are read, too, where they are unmistakable.

    Raises ProposalError (`unparseable`) with a sentence that can be sent back to the model, and a detail code.
    """
    if len(text) > MOST_CHARACTERS:
        raise _unreadable(f"the reply has {len(text)} characters; at most {MOST_CHARACTERS} are read")
    text = _unthought(text)
    marker = marker_of(text, format)
    found = _object_of(text) if "{" in text else None
    if found is not None and (marker is None or found[0] < marker):
        reply = _reply(found[1], format)
    elif marker is not None:
        reply = read_prose(text, format)
    else:
        raise _unreadable("the reply holds no JSON object with summary and file_patches", "proposal_json")
    if sum(max(len(patch.edits), 1) for patch in reply.patches) > MOST_EDITS:
        raise _unreadable(f"the reply has more than {MOST_EDITS} edits; make fewer")
    return reply


def _unreadable(message: str, detail: str = "other") -> ProposalError:
    return ProposalError("unparseable", message, detail=detail)


def _reply(value: dict[str, Any], format: EditFormat) -> Reply:
    summary = value.get("summary")
    if not isinstance(summary, str) or not summary.strip():
        raise _unreadable("summary is missing; say in one line what changes and why")
    raw = value["file_patches"]
    items = [raw] if isinstance(raw, dict) else raw
    if not isinstance(items, list):
        raise _unreadable("file_patches is not a list")
    patches = tuple(_patch(item, f"file_patches[{index}]", format) for index, item in enumerate(items))
    return Reply(one_line(summary, SUMMARY), patches)


def _patch(item: Any, where: str, format: EditFormat) -> Patch:
    if not isinstance(item, dict):
        raise _unreadable(f"{where} is not an object with path and operation")
    path = item.get("path")
    if not isinstance(path, str) or not path.strip():
        raise _unreadable(f"{where}: path is missing")
    path = path.strip().removeprefix("./")
    named = item.get("operation")
    operation = OPERATIONS.get(named.strip().lower()) if isinstance(named, str) else None
    if named is not None and operation is None:
        raise _unreadable(f"{where}: {str(named)[:40]!r} is no operation; there is create, modify and delete")
    forms = list(_forms(item, path, where))
    if operation == "delete":  # which may carry the diff that removes every line, and is then held to it
        if any(patch.content.strip() or patch.edits for patch in forms):
            raise _unreadable(f"{where}: a deletion has no content and no edits")
        diff = next((patch.diff for patch in forms if patch.diff.strip()), "")
        return Patch(path, "delete", "diff" if diff else None, diff=diff)
    if len(forms) > 1:  # strict schemas make models fill in what they do not need
        forms = [patch for patch in forms if patch.content or patch.diff.strip() or patch.edits]
    if len(forms) > 1:
        named_forms = " and ".join(sorted(str(patch.form) for patch in forms))
        raise _unreadable(f"{where} gives {named_forms} at once; give one of them")
    if not forms:
        problem, detail = MISSING[format]
        raise _unreadable(f"{where}: {problem}", detail)
    if forms[0].form == "diff" and not forms[0].diff.strip():
        raise _unreadable(f"{where}: unified_diff is empty", "missing_required_unified_diff")
    if forms[0].form in ("blocks", "lines") and not forms[0].edits:
        raise _unreadable(f"{where}: edits is empty")
    return replace(forms[0], operation=operation or "modify")


def _forms(item: dict[str, Any], path: str, where: str) -> Iterator[Patch]:
    """Every form in which this patch says something; null is nothing."""
    given = {name: value for name, value in item.items() if value is not None}
    if name := next((name for name in ("unified_diff", "diff") if name in given), ""):
        yield Patch(path, "modify", "diff", diff=_unfenced(_text(given, name, where)))
    if "content" in given:
        content = _text(given, "content", where)
        if PurePosixPath(path).suffix.lower() not in PROSE_FILES:
            content = _unfenced(content)
        yield Patch(path, "modify", "whole", content=content)
    if "edits" in given or "search" in given:
        edits = tuple(_replacements(given.get("edits", given), f"{where}.edits"))
        yield Patch(path, "modify", "blocks", edits=edits)
    if "line" in given or "replacement" in given:
        edit = Replacement(_text(given, "line", where), _text(given, "replacement", where))
        if not edit.search.strip() or "\n" in edit.search.removesuffix("\n"):
            raise _unreadable(f"{where}.line is not one line of the file")
        yield Patch(path, "modify", "lines", edits=(edit,))


def _replacements(raw: Any, where: str) -> Iterator[Replacement]:
    items = [raw] if isinstance(raw, dict) else raw
    if not isinstance(items, list):
        raise _unreadable(f"{where} is not a list of search and replace")
    for index, item in enumerate(items):
        here = f"{where}[{index}]"
        if not isinstance(item, dict):
            raise _unreadable(f"{here} is not an object with search and replace")
        yield Replacement(_text(item, "search", here), _text(item, "replace", here))


def _text(item: dict[str, Any], name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise _unreadable(f"{where}.{name} is {'missing' if value is None else 'not text'}")
    return value


def _unfenced(text: str) -> str:
    """The text inside a code fence that wraps all of it."""
    lines = text.strip().split("\n")
    fence = lines[0][: len(lines[0]) - len(lines[0].lstrip("`"))]
    if len(fence) < 3 or len(lines) < 2 or lines[-1].strip() != fence:
        return text
    return "\n".join(lines[1:-1]) + "\n"


def _unthought(text: str) -> str:
    """The reply without the reasoning before it. Raises ProposalError when there is nothing else."""
    text = text.lstrip("\ufeff \t\r\n")  # not at the end, where a diff may have a line of blanks
    if FINAL_CHANNEL in text:
        text = text.rpartition(FINAL_CHANNEL)[2].lstrip()
    for _ in range(50):
        opening = next((each for each in THOUGHTS if text.startswith(each)), None)
        if opening is None:
            break
        _, closed, rest = text.partition(THOUGHTS[opening])
        if not closed:
            problem = "the reply ends inside its reasoning; allow more tokens or ask for less thought"
            raise _unreadable(problem, "proposal_json")
        text = rest.lstrip()
    if not text.startswith(("{", "[", "`")):
        for closing in THOUGHTS.values():  # some templates leave out the opening tag
            before, closed, rest = text.partition(closing)
            if closed and (KEY in rest or not any(each in before for each in (KEY, " SEARCH\n", "\n+++ "))):
                text = rest.lstrip()
    return text


def _object_of(text: str) -> tuple[int, dict[str, Any]] | None:
    """Where the reply's object starts, and the object that has `file_patches`. None: there is no such object.

    Raises ProposalError (`unparseable`) for two that differ, and for one that is broken.
    """
    found, broken = _read(text)
    if not found and broken and "," in text:
        start = begun.start() if (begun := START.search(text)) else 0
        again, _ = _read(LOOSE_COMMA.sub(lambda each: "" if each[0] == "," else each[0], text[start:]))
        found = [(start, each) for _, each in again]
    if len(found) > 1 and any(each != found[0][1] for _, each in found):
        raise _unreadable(f"the reply holds {len(found)} different proposals; give exactly one", "proposal_json")
    if not found and broken and KEY in text:
        raise _unreadable(f"the reply is not JSON: {broken}", "proposal_json")
    return found[0] if found else None


def _read(text: str) -> tuple[list[tuple[int, dict[str, Any]]], str]:
    """All replies that parse, and what is wrong with the longest that does not."""
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=_object)
    found: list[tuple[int, dict[str, Any]]] = []
    broken, longest, starts = "", -1, 0
    begun = START.search(text)
    while begun:
        start = begun.start()
        starts += 1
        if starts > MOST_STARTS:
            raise _unreadable("the reply holds too many braces to be read", "proposal_json")
        try:
            value, end = decoder.raw_decode(text, start)
            found += [(start, each) for each in _replies(value)]
        except json.JSONDecodeError as error:
            reached = max(error.pos, start + 1)
            if reached - start > longest:
                longest, broken = reached - start, _complaint(text, error)
            end = reached
        except RecursionError as error:
            raise _unreadable("the reply is nested too deep", "proposal_json") from error
        except ValueError as error:  # a number with thousands of digits
            raise _unreadable(f"the reply is not JSON: {error}", "proposal_json") from error
        begun = START.search(text, end)
    return found, broken


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in made if names.count(name) > 1)
        raise _unreadable(f"the reply gives {twice[:40]!r} twice in one object", "proposal_json")
    return made


def _replies(value: Any, depth: int = 3) -> Iterator[dict[str, Any]]:
    """The object itself or, inside the wrapper of a tool call or the like, the ones that it holds."""
    if not isinstance(value, dict) or depth == 0:
        return
    if "file_patches" in value:
        yield value
        return
    for name, each in value.items():
        if isinstance(each, str) and name in ("arguments", "input") and "file_patches" in each:
            try:
                each = json.loads(each, strict=False)
            except (ValueError, RecursionError):
                continue
        yield from _replies(each, depth - 1)


def _complaint(text: str, error: json.JSONDecodeError) -> str:
    if error.msg.startswith("Unterminated string") or not text[error.pos :].strip():
        return "it ends in the middle; the answer was cut off"
    return f"{error.msg} at line {error.lineno}, column {error.colno}"
