"""Transitions as JSON for the `events` table and back, exactly. Knows the records, not the database.

What is large or binary stays outside the JSON: file contents (by SHA-256) and evaluations (by row). Lone surrogates
and floats that are not finite (as Python writes them: `NaN`, `Infinity`) come back as they were.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from maabarium.events import Decided, MeasuredEvent, Promoting, Proposed, Transition, transition_adapter
from maabarium.records import Evaluation, Outcome

__all__ = [
    "Side", "Taken", "cell", "decode", "dump_evaluation", "dump_payload", "dumps", "encode", "load_evaluation",
    "load_payload", "number_of", "outcome_columns", "pack", "unpack",
]  # fmt: skip

Side = Literal["candidate", "champion"]
_SIDES: tuple[Side, ...] = ("candidate", "champion")
_INTEGER_LIMIT = 2**63
_LISTS = ("flaky", "noisy", "partial")
_HOLDOUT = "rules/holdout/"
_HIGH_SURROGATE = re.compile("[\ud800-\udbff]")


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
    elif payload.get("type") == "decided" and "held_out" not in payload["outcome"]:  # written before it was a field
        payload["outcome"]["held_out"] = [id for id in payload["outcome"]["failing"] if id.startswith(_HOLDOUT)]
    return transition_adapter.validate_python(payload)


def dumps(value: object) -> str:
    """Compact ASCII JSON, for columns that people query."""
    return json.dumps(value, separators=(",", ":"))


def dump_payload(value: object) -> str | bytes:
    """JSON that `load_payload` restores exactly: text where it can be text.

    A high surrogate followed by a low one would come back as one character when both were escaped, so text
    with high ones is kept as bytes. Names and output that are not UTF-8 give low ones only.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if _HIGH_SURROGATE.search(text):
        return text.encode("utf-8", "surrogatepass")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def load_payload(stored: str | bytes) -> dict[str, Any]:
    """Undo `dump_payload`. ValueError when it is damaged."""
    text = stored.decode("utf-8", "surrogatepass") if isinstance(stored, bytes) else stored
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("the payload is not an object")
    return fields


def dump_evaluation(evaluation: Evaluation) -> bytes:
    """The compressed JSON of an evaluation."""
    text = json.dumps(evaluation.model_dump(), ensure_ascii=False, separators=(",", ":"))
    return pack(text.encode("utf-8", "surrogatepass"))


def load_evaluation(stored: bytes) -> Evaluation:
    """Undo `dump_evaluation`. ValueError when it is damaged."""
    fields = load_payload(unpack(stored))
    return Evaluation.model_validate(fields if "flaky" in fields else _with_facts_as_fields(fields))


def _with_facts_as_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """An evaluation from before its facts were fields: they were lines in gates, a measurement, and parts of ids."""
    lists = {gate["name"]: [line for line in gate["detail"].split("\n") if line] for gate in fields["gates"]}
    seconds = [m["value"] for m in fields["measurements"] if m["source"] == "session"]
    return {
        **fields,
        **{name: lists.get(name, []) for name in _LISTS},
        "gates": [gate for gate in fields["gates"] if gate["name"] not in _LISTS],
        "measurements": [m for m in fields["measurements"] if m["source"] != "session"],
        "session_seconds": seconds[0] if seconds else 0.0,
        "tests": [{**test, "role": _role(test["id"])} for test in fields["tests"]],
    }


def _role(id: str) -> str:
    return "holdout" if id.startswith(_HOLDOUT) else "rule" if id.startswith("rules/") else "suite"


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
    match transition:
        case Proposed(experiment=numbered) | MeasuredEvent(measured=numbered) | Decided(outcome=numbered):
            return numbered.number
        case Promoting(number=number):
            return number
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


def outcome_columns(outcome: Outcome) -> dict[str, Any]:
    """What the table `experiments` and the exports call as the original did; a duration that is no number is none."""
    branch = (outcome.branch or None) if outcome.verdict == "promoted" else None
    return {
        "weighted_total": outcome.total,
        "duration_ms": round(outcome.duration * 1000) if 0 <= outcome.duration < 1e12 else 0,
        "error": outcome.reason if outcome.verdict == "error" else None,
        "promotion_outcome": outcome.verdict,
        "promoted_branch_name": branch,
        "promoted_commit_oid": (outcome.commit or None) if outcome.verdict == "promoted" else None,
        "promoted_target_branch_name": branch,
    }
