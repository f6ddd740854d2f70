"""What agents are asked, as messages: the task, the material as data, and the form of the answer.

Everything that does not come from the blueprint or from us stands between fences (`maabarium.scanner.fence`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from maabarium.blueprint.schema import Agent, Blueprint
from maabarium.plugins.completion import Message
from maabarium.proposers.council.context import Packed
from maabarium.proposers.council.replies.formats import object_schema
from maabarium.scanner import DATA_RULE, fence

__all__ = [
    "CRITIQUES", "RANKING", "VETO", "ballot_schema", "critique_messages", "critique_schema", "propose_messages",
    "repair_messages", "revise_messages", "system_message", "veto_messages", "veto_schema", "vote_messages",
]  # fmt: skip

CRITIQUES, RANKING, VETO = "critiques", "ranking", "veto"


def system_message(agent: Agent) -> Message:
    """Who the agent is. The role and the name are said, because the others refer to them."""
    role = f", {agent.role}" if agent.role and agent.role != agent.name else ""
    return Message("system", f"You are {agent.name}{role}, a member of a council.\n{agent.system_prompt}\n{DATA_RULE}")


def propose_messages(agent: Agent, blueprint: Blueprint, packed: Packed, rules: str, note: str) -> tuple[Message, ...]:
    """Ask for one change."""
    paragraphs = [
        f"Goal: {blueprint.blueprint.description}",
        "Propose one narrow change that improves these measurements without breaking the tests:\n"
        + _metrics(blueprint),
        "Only these paths may change: " + ", ".join(blueprint.domain.target_files) + ".",
        *(part.text if part.kind == "rules" else _data(part.title, part.text, part.source) for part in packed.parts),
    ]
    if packed.creatable:
        paragraphs.append("These files do not exist yet and may be created: " + ", ".join(packed.creatable) + ".")
    if packed.omitted:
        paragraphs.append(
            _data("Not shown for lack of room, and therefore not to be changed", _bullets(packed.omitted), "left out")
        )
    paragraphs += [note] if note else []
    return (system_message(agent), Message("user", "\n\n".join([*paragraphs, rules])))


def repair_messages(asked: Sequence[Message], reply: str, problem: str) -> tuple[Message, ...]:
    """Send a reply back with what is wrong with it."""
    said = f"This reply cannot be used: {problem}\nSend the whole answer once more, corrected, in the same form."
    return (*asked, Message("assistant", reply), Message("user", said))


def critique_messages(agent: Agent, blueprint: Blueprint, diffs: Mapping[str, str]) -> tuple[Message, ...]:
    """Ask for what is wrong with the drafts of others."""
    task = (
        "Other members drafted these changes. For each, say in a few sentences what would make it fail: tests that it "
        "breaks, measurements that it does not move, edges that it forgets. Praise nothing."
    )
    form = 'Answer as JSON: {"critiques": [{"of": "A", "text": "..."}]}, one entry for each draft.'
    return _on_drafts(agent, blueprint, task, diffs, form)


def revise_messages(
    asked: Sequence[Message], reply: str, critiques: Iterable[tuple[str, str]], others: Mapping[str, str]
) -> tuple[Message, ...]:
    """Ask an author for a better draft, with the critiques of it and the drafts of the others at hand."""
    said = "\n\n".join(
        [
            "The others have criticised your change. Revise it, take over what is better in theirs, or keep it as it "
            "is if they are wrong. Send one whole change in the same form, against the files as they were shown.",
            *(_data(f"critique by {name}", text, "critique") for name, text in critiques),
            *_drafts(others),
        ]
    )
    return (*asked, Message("assistant", reply), Message("user", said))


def vote_messages(agent: Agent, blueprint: Blueprint, diffs: Mapping[str, str]) -> tuple[Message, ...]:
    """Ask for an order of the drafts."""
    task = "Rank these changes: first the one that most probably improves the measurements with every test passing."
    form = 'Answer as JSON: {"ranking": ["A", "B"]}, every draft once, the best first.'
    return _on_drafts(agent, blueprint, task, diffs, form)


def veto_messages(agent: Agent, blueprint: Blueprint, diff: str) -> tuple[Message, ...]:
    """Ask the critic whether a change is worth an evaluation."""
    task = (
        "This change is about to be evaluated, which costs time. Veto it only if it certainly breaks something or "
        "certainly cannot move the measurements."
    )
    return _on_drafts(agent, blueprint, task, {"A": diff}, 'Answer as JSON: {"veto": false, "reason": "..."}.')


def _on_drafts(
    agent: Agent, blueprint: Blueprint, task: str, diffs: Mapping[str, str], form: str
) -> tuple[Message, ...]:
    paragraphs = [f"{task}\n{_metrics(blueprint)}", *_drafts(diffs), form]
    return (system_message(agent), Message("user", "\n\n".join(paragraphs)))


def critique_schema(names: Sequence[str], characters: int) -> dict[str, Any]:
    """One text of at most so many characters for each draft."""
    text = {"type": "string", "maxLength": max(20, characters // len(names))}
    entry = object_schema(of={"type": "string", "enum": list(names)}, text=text)
    array = {"type": "array", "items": entry, "minItems": 1, "maxItems": len(names)}
    return object_schema(**{CRITIQUES: array})


def ballot_schema(names: Sequence[str], characters: int) -> dict[str, Any]:
    """An order of the drafts; it needs no prose."""
    entry = {"type": "string", "enum": list(names)}
    array = {"type": "array", "items": entry, "minItems": len(names), "maxItems": len(names)}
    return object_schema(**{RANKING: array})


def veto_schema(characters: int) -> dict[str, Any]:
    """A yes or no with a reason of at most so many characters."""
    reason = {"type": "string", "maxLength": max(20, characters)}
    return object_schema(**{VETO: {"type": "boolean"}}, reason=reason)


def _metrics(blueprint: Blueprint) -> str:
    return _bullets(
        f"{metric.name} ({metric.direction}, weight {metric.weight:g}): {metric.description or metric.source or ''}"
        for metric in blueprint.objectives
    )


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _data(title: str, text: str, source: str) -> str:
    return f"{title}:\n{fence(text, source)}"


def _drafts(diffs: Mapping[str, str]) -> list[str]:
    return [_data(f"draft {name}", diff, f"draft {name}") for name, diff in diffs.items()]
