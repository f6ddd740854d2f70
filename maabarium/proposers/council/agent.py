"""One agent of a council: how it is asked, how its reply becomes edits, and how often it may try again.

Runs in a thread of its own; what it asks and hears goes into the log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maabarium.blueprint.schema import Agent, Blueprint, EditFormat, Model
from maabarium.code.edits import make_diff
from maabarium.errors import ProposalError, ProviderError
from maabarium.plugins.completion import CompletionRequest, Message, Pool, Purpose
from maabarium.plugins.protocols import TreeView
from maabarium.proposers.council.feedback import edits_digest
from maabarium.proposers.council.questions import DraftQuestion, repair_messages
from maabarium.proposers.council.replies import Reply, Shown, edits_of, parse_reply, reply_schema
from maabarium.proposers.proposal_log import ProposalLog
from maabarium.records import CallKind, DraftKind, FileEdit

__all__ = ["Candidate", "CouncilAgent", "EditScope"]

FRAME = 48
"""Tokens of an opinion that are JSON rather than prose."""


@dataclass(frozen=True)
class Candidate:
    """One draft that applies: whose it is, what it changes, and the conversation that led to it."""

    agent: Agent
    model: Model
    format: EditFormat
    summary: str
    edits: tuple[FileEdit, ...]
    asked: tuple[Message, ...]
    reply: str

    @property
    def digest(self) -> str:
        """The same for the same edits."""
        return edits_digest(self.edits)

    def diff(self, files: TreeView) -> str:
        """The unified diffs of all files against these, one after another."""
        before = {edit.path: b"" if edit.operation == "create" else files.read(edit.path) for edit in self.edits}
        return "".join(make_diff(before[edit.path], edit.content or b"", edit.path) for edit in self.edits)


@dataclass(frozen=True)
class EditScope:
    """What a reply is held against: the files as the agent saw them, the paths that may change, a check of its text.

    `check` raises ProposalError for a reply that must not be used whatever it holds.
    """

    shown: tuple[Shown, ...]
    creatable: tuple[str, ...]
    targets: Callable[[str], bool]
    exists: Callable[[str], bool]
    check: Callable[[str], None]
    repairs: int
    """How often a reply that cannot be used is sent back."""

    def read(self, text: str, form: EditFormat) -> tuple[Reply, tuple[FileEdit, ...]]:
        """The reply and its edits. Raises ProposalError with the code that the agent is told."""
        self.check(text)
        reply = parse_reply(text, form)
        edits = edits_of(reply, self.shown, targets=self.targets, exists=self.exists)
        if not edits:
            said = f"no change was proposed: {reply.summary}" if reply.summary else "no change was proposed"
            raise ProposalError("unparseable", said, detail="empty_patch_list")
        before = {each.path: each.content for each in self.shown}
        if all(edit.content is not None and edit.content == before.get(edit.path) for edit in edits):
            raise ProposalError("no_effect", "the change leaves every file as it was", detail="no_effect")
        return reply, edits


@dataclass(frozen=True)
class CouncilAgent:
    """An agent at work on one experiment."""

    agent: Agent
    pool: Pool
    log: ProposalLog
    number: int
    seed: int
    temperature_delta: float = 0.0
    """Added to the model's temperature."""

    def purpose(self, kind: CallKind, round_: int = 0, attempt: int = 0) -> Purpose:
        """Why this agent asks."""
        return Purpose(number=self.number, agent=self.agent.name, kind=kind, round=round_, attempt=attempt)

    def draft(
        self, model: Model, messages: Sequence[Message], scope: EditScope, kind: CallKind, round_: int = 0
    ) -> Candidate:
        """Ask for a change. Raises ProposalError for the last unusable reply, or ProviderError."""
        form = self.pool.edit_format(model)
        asked, schema = tuple(messages), reply_schema(form, scope.shown, scope.creatable)
        attempt = 0
        while True:
            purpose = self.purpose("repair" if attempt else kind, round_, attempt)
            text = self._ask(model, asked, schema, purpose, model.max_tokens)
            try:
                reply, edits = scope.read(text, form)
            except ProposalError as error:
                self.record("reply", f"{text}\n\n[{error.detail or error.reason_code}: {error}]", round_)
                if attempt >= scope.repairs or error.reason_code == "policy_objection":
                    raise
                attempt += 1
                asked = repair_messages(messages, text, str(error))
                continue
            return Candidate(self.agent, model, form, reply.summary, edits, tuple(messages), text)

    def say(
        self, question: DraftQuestion, blueprint: Blueprint, diffs: Mapping[str, str], *, tokens: int, round_: int = 0
    ) -> dict[str, Any]:
        """Ask for an opinion: the JSON object of the reply, or an empty one when there is none in it."""
        purpose = self.purpose(question.kind, round_)
        model = self.pool.choose(self.agent.model, purpose)
        # A model small enough to replace lines only may also ramble in digits, a token each.
        prose = tokens - FRAME if self.pool.edit_format(model) == "lines" else 3 * (tokens - FRAME)
        messages, schema = question.messages(self.agent, blueprint, diffs), question.schema(list(diffs), prose)
        text = self._ask(model, messages, schema, purpose, tokens)
        try:
            found = json.loads(text[text.index("{") : text.rindex("}") + 1])
        except (ValueError, RecursionError):
            self.record("reply", text, round_)
            return {}
        return found if isinstance(found, dict) else {}

    def record(self, kind: DraftKind, content: str, round_: int = 0) -> None:
        """Add something to the log under this agent's name."""
        self.log.add_draft(self.agent.name, kind, content, round_)

    def _ask(
        self, model: Model, messages: Sequence[Message], schema: Mapping[str, Any], purpose: Purpose, tokens: int
    ) -> str:
        seed = f"{self.seed}:{purpose.agent}:{purpose.kind}:{purpose.round}:{purpose.attempt}"
        request = CompletionRequest(
            messages=tuple(messages),
            temperature=min(2.0, max(0.0, model.temperature + self.temperature_delta)),
            max_tokens=min(tokens, model.max_tokens),
            schema=schema,
            seed=int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]) >> 1,  # 31 bits, which every API takes
        )
        try:
            answer = self.pool.ask(model, request, purpose)
        except ProviderError as error:
            self.log.add_calls(error.calls)
            raise
        self.log.add_calls(answer.calls)
        return answer.completion.content
