"""Transitions as JSON for the `events` table and back, exactly. Knows the records, not the database.

What is large or binary is taken out and handed back beside the JSON: file contents (by SHA-256) and
evaluations (by their place in the transition). JSON is ASCII, so that lone surrogates of undecodable output
survive as escapes; floats that are not finite appear as Python writes them (`NaN`, `Infinity`).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from maabarium.events import MeasuredEvent, Proposed, Transition, transition_adapter
from maabarium.records import Evaluation

__all__ = [
    "Side", "Taken", "cell", "decode", "dump_evaluation", "dumps", "encode", "load_evaluation", "number_of", "pack",
    "unpack",
]  # fmt: skip

Side = Literal["candidate", "champion"]
_SIDES: tuple[Side, ...] = ("candidate", "champion")
_INTEGER_LIMIT = 2**63


@dataclass(frozen=True)
class Taken:
    """A transition as it goes into `events`, and what was taken out of it."""

    payload: dict[str, Any]
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    """Contents by SHA-256."""


def encode(transition: Transition, evaluations: Mapping[Side, int]) -> Taken:
    """Dump a transition; `evaluations` are the row ids that stand for its evaluations."""
    if isinstance(transition, MeasuredEvent):
        measured = transition.measured.model_dump(exclude={"candidate", "champion"})
        payload = transition.model_dump(exclude={"measured"})
        for side in _SIDES:
            measured[side] = {"evaluation": evaluations[side]} if side in evaluations else None
        return Taken({**payload, "measured": measured})
    payload = transition.model_dump()
    blobs: dict[str, bytes] = {}
    if isinstance(transition, Proposed) and transition.proposal is not None:
        for edit, dumped in zip(transition.proposal.edits, payload["proposal"]["edits"], strict=True):
            if edit.content is not None:
                blobs[edit.digest] = edit.content
                dumped["content"] = {"blob": edit.digest}
    return Taken(payload, blobs)


def decode(payload: dict[str, Any], blob: Callable[[str], bytes], evaluation: Callable[[int], Any]) -> Transition:
    """Rebuild a transition; `blob` and `evaluation` fetch what was taken out. ValueError when it does not fit."""
    if payload.get("type") == "measured":
        measured = payload["measured"]
        for side in _SIDES:
            if measured[side] is not None:
                measured[side] = evaluation(measured[side]["evaluation"])
    elif payload.get("type") == "proposed" and payload["proposal"] is not None:
        for edit in payload["proposal"]["edits"]:
            if edit["content"] is not None:
                edit["content"] = blob(edit["content"]["blob"])
    return transition_adapter.validate_python(payload)


def dumps(value: object) -> str:
    """Compact ASCII JSON."""
    return json.dumps(value, separators=(",", ":"))


def dump_evaluation(evaluation: Evaluation) -> bytes:
    """The compressed JSON of an evaluation."""
    return pack(dumps(evaluation.model_dump()).encode("ascii"))


def load_evaluation(stored: bytes) -> dict[str, Any]:
    """The fields of a stored evaluation, ready to be validated. ValueError when it is damaged."""
    fields = json.loads(unpack(stored))
    if not isinstance(fields, dict):
        raise ValueError("an evaluation is not an object")
    return fields


def pack(content: bytes) -> bytes:
    """Compress; level 1, because a run waits for it."""
    return zlib.compress(content, 1)


def unpack(stored: bytes) -> bytes:
    """Undo `pack`. ValueError when the bytes are damaged."""
    try:
        return zlib.decompress(stored)
    except zlib.error as error:
        raise ValueError(f"compressed data is damaged: {error}") from error


def number_of(transition: Transition) -> int | None:
    """The experiment that a transition belongs to, if any."""
    match transition.type:
        case "proposed":
            return transition.experiment.number
        case "measured":
            return transition.measured.number
        case "decided":
            return transition.outcome.number
        case "promoting":
            return transition.number
        case _:
            return None


def cell(value: object) -> object:
    """A value as a column takes it: lone surrogates become visible escapes, huge integers text."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        return str(value)
    return value
