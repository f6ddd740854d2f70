"""The JSON object of a reply, found in whatever a model wrote around it.

JSON is read strictly but for two things that cannot change its meaning: line breaks inside strings, and a comma
behind a last element. Nothing is completed: a reply that was cut off stays unreadable, for a completed one would
write half a file. Time is linear: what failed to parse is not tried again from its middle.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from maabarium.errors import ProposalError

__all__ = ["object_of", "unthought"]

KEY = '"file_patches"'
START = re.compile(r'\{\s*+"')
MOST_STARTS = 1000
"""More beginnings of objects than this outside of a parsed object are no reply."""
MOST_THOUGHTS = 50
DEPTH = 3
"""How deep a reply may be wrapped in objects of a tool call or the like."""

THOUGHTS = {
    "<think>": "</think>", "<thinking>": "</thinking>", "<thought>": "</thought>", "<reasoning>": "</reasoning>",
    "<reflection>": "</reflection>", "[THINK]": "[/THINK]", "◁think▷": "◁/think▷",
}  # fmt: skip
FINAL_CHANNEL = "<|channel|>final<|message|>"
LOOSE_COMMA = re.compile(r'"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)|,(?=\s*[}\]])', re.DOTALL)
"""Strings, so that commas in them are passed over; and commas before a closing bracket."""


def unthought(text: str) -> str:
    """The reply without the reasoning before it. Raises ProposalError when there is nothing else."""
    text = text.lstrip("\ufeff \t\r\n")  # not at the end, where a diff may have a line of blanks
    if FINAL_CHANNEL in text:
        text = text.rpartition(FINAL_CHANNEL)[2].lstrip()
    for _ in range(MOST_THOUGHTS):
        opening = next((each for each in THOUGHTS if text.startswith(each)), None)
        if opening is None:
            break
        _, closed, rest = text.partition(THOUGHTS[opening])
        if not closed:
            sentence = "the reply ends inside its reasoning; allow more tokens or ask for less thought"
            raise ProposalError("unparseable", sentence, detail="proposal_json")
        text = rest.lstrip()
    if not text.startswith(("{", "[", "`")):
        for closing in THOUGHTS.values():  # some templates leave out the opening tag
            before, closed, rest = text.partition(closing)
            if closed and (KEY in rest or not any(each in before for each in (KEY, " SEARCH\n", "\n+++ "))):
                text = rest.lstrip()
    return text


def object_of(text: str) -> tuple[int, dict[str, Any]] | None:
    """Where the reply's object starts, and the object that has `file_patches`. None: there is no such object.

    Raises ProposalError (`unparseable`) for two that differ, and for one that is broken.
    """
    found, broken = _read(text)
    if not found and broken and "," in text:
        begun = START.search(text)
        start = begun.start() if begun else 0
        again, _ = _read(LOOSE_COMMA.sub(lambda each: "" if each[0] == "," else each[0], text[start:]))
        found = [(start, each) for _, each in again]
    if len(found) > 1 and any(each != found[0][1] for _, each in found):
        sentence = f"the reply holds {len(found)} different proposals; give exactly one"
        raise ProposalError("unparseable", sentence, detail="proposal_json")
    if not found and broken and KEY in text:
        raise ProposalError("unparseable", f"the reply is not JSON: {broken}", detail="proposal_json")
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
            raise ProposalError("unparseable", "the reply holds too many braces to be read", detail="proposal_json")
        try:
            value, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            reached = max(error.pos, start + 1)
            if reached - start > longest:
                longest, broken = reached - start, _complaint(text, error)
            end = reached
        except RecursionError as error:
            raise ProposalError("unparseable", "the reply is nested too deep", detail="proposal_json") from error
        except ValueError as error:  # a number with thousands of digits
            raise ProposalError("unparseable", f"the reply is not JSON: {error}", detail="proposal_json") from error
        else:
            found += [(start, each) for each in _replies(value, DEPTH)]
        begun = START.search(text, end)
    return found, broken


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ProposalError(
            "unparseable", f"the reply gives {twice[:40]!r} twice in one object", detail="proposal_json"
        )
    return made


def _replies(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The object itself or, inside a wrapper, the ones that it holds."""
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
    line, column = error.lineno, error.colno
    return f"{error.msg} at line {line}, column {column}"
