"""What agents are asked, as messages: the task, the material as data, and the form of the answer.

Everything that does not come from the blueprint or from us stands between fences (`maabarium.scanner.fence`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maabarium.blueprint.schema import Agent, Blueprint
from maabarium.plugins.completion import Message
from maabarium.proposers.council.context import Packed, objective_lines
from maabarium.proposers.council.replies.formats import object_schema
from maabarium.records import CallKind
from maabarium.scanner import DATA_RULE, fence

__all__ = [
    "CRITIQUE", "VETO", "VOTE", "DraftQuestion", "ballot_schema", "critique_schema", "propose_messages",
    "repair_messages", "revise_messages", "veto_schema",
]  # fmt: skip


def _system_message(agent: Agent) -> Message:
    """Who the agent is. The role and the name are said, because the others refer to them."""
    role = f", {agent.role}" if agent.role and agent.role != agent.name else ""
    return Message("system", f"You are {agent.name}{role}, a member of a council.\n{agent.system_prompt}\n{DATA_RULE}")


def propose_messages(agent: Agent, blueprint: Blueprint, packed: Packed, rules: str, note: str) -> tuple[Message, ...]:
    """Ask for one change."""
    paragraphs = [
        f"Goal: {blueprint.blueprint.description}",
        "Propose one narrow change that improves these measurements without breaking the tests:\n"
        + _bullets(objective_lines(blueprint)),
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
    return (_system_message(agent), Message("user", "\n\n".join([*paragraphs, rules])))


def repair_messages(asked: Sequence[Message], reply: str, problem: str) -> tuple[Message, ...]:
    """Send a reply back with what is wrong with it."""
    said = f"This reply cannot be used: {problem}\nSend the whole answer once more, corrected, in the same form."
    return (*asked, Message("assistant", reply), Message("user", said))


@dataclass(frozen=True)
class DraftQuestion:
    """A question on drafts, each a diff under its name, and the schema of its answer."""

    kind: CallKind
    task: str
    form: str
    schema: Callable[[Sequence[str], int], dict[str, Any]]
    """Of the names of the drafts, and how many characters of prose the answer may hold."""

    def messages(self, agent: Agent, blueprint: Blueprint, diffs: Mapping[str, str]) -> tuple[Message, ...]:
        """Ask an agent for what it thinks of these."""
        paragraphs = [f"{self.task}\n{_bullets(objective_lines(blueprint))}", *_drafts(diffs), self.form]
        return (_system_message(agent), Message("user", "\n\n".join(paragraphs)))


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


def critique_schema(names: Sequence[str], characters: int) -> dict[str, Any]:
    """One text of at most so many characters for each draft."""
    text = {"type": "string", "maxLength": max(20, characters // len(names))}
    entry = object_schema(of={"type": "string", "enum": list(names)}, text=text)
    array = {"type": "array", "items": entry, "minItems": 1, "maxItems": len(names)}
    return object_schema(critiques=array)


def ballot_schema(names: Sequence[str], characters: int) -> dict[str, Any]:
    """An order of the drafts; it needs no prose."""
    entry = {"type": "string", "enum": list(names)}
    array = {"type": "array", "items": entry, "minItems": len(names), "maxItems": len(names)}
    return object_schema(ranking=array)


def veto_schema(names: Sequence[str], characters: int) -> dict[str, Any]:
    """A yes or no with a reason of at most so many characters."""
    reason = {"type": "string", "maxLength": max(20, characters)}
    return object_schema(veto={"type": "boolean"}, reason=reason)


CRITIQUE = DraftQuestion(
    "critique",
    "Other members drafted these changes. For each, say in a few sentences what would make it fail: tests that it "
    "breaks, measurements that it does not move, edges that it forgets. Praise nothing.",
    'Answer as JSON: {"critiques": [{"of": "A", "text": "..."}]}, one entry for each draft.',
    critique_schema,
)
VOTE = DraftQuestion(
    "vote",
    "Rank these changes: first the one that most probably improves the measurements with every test passing.",
    'Answer as JSON: {"ranking": ["A", "B"]}, every draft once, the best first.',
    ballot_schema,
)
VETO = DraftQuestion(
    "veto",
    "This change is about to be evaluated, which costs time. Veto it only if it certainly breaks something or "
    "certainly cannot move the measurements.",
    'Answer as JSON: {"veto": false, "reason": "..."}.',
    veto_schema,
)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _data(title: str, text: str, source: str) -> str:
    return f"{title}:\n{fence(text, source)}"


def _drafts(diffs: Mapping[str, str]) -> list[str]:
    return [_data(f"draft {name}", diff, f"draft {name}") for name, diff in diffs.items()]
