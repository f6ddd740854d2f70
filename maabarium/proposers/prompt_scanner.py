"""Foreign text is scanned where it comes in: the blueprint's prose, what enters a prompt, and what a model replies.

The scanner is advisory: the boundaries are path rules, fences and the sandbox. In `block` mode a finding of weight
keeps the text out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import BlueprintError, Problem, ProposalError
from maabarium.proposers.council.context import Packed, PromptPart
from maabarium.proposers.options import OwnOptions
from maabarium.proposers.proposal_log import ProposalLog
from maabarium.scanner import scan, verdict

__all__ = ["PromptScanner"]


class PromptScanner:
    """Scans text and notes what it finds; that of the blueprint's own prose is in `notes`."""

    def __init__(self, options: OwnOptions, blueprint: Blueprint, source: str) -> None:
        """Scan the blueprint. Raises BlueprintError when something of it is blocked."""
        self.mode, self.allow = options.scanner, options.scanner_allow
        self.notes: list[str] = []
        agents = blueprint.agents.agents if blueprint.agents else ()
        texts = {"blueprint.description": blueprint.blueprint.description}
        texts |= {f"agents.agents[{index}].system_prompt": agent.system_prompt for index, agent in enumerate(agents)}
        problems = []
        for where, text in texts.items():
            found, blocks = self._scan(text, where)
            self.notes += found
            if blocks:
                problems.append(Problem(where, f"the prompt scanner blocks it: {found[0]}"))
        if problems:
            raise BlueprintError(source, problems)

    def context(self, packed: Packed, log: ProposalLog) -> Packed:
        """What is about to enter a prompt; blocked parts are left out, listed, and not open to edits."""
        parts, blocked = list[PromptPart](), list[PromptPart]()
        for part in packed.parts:
            found, blocks = self._scan(part.text, part.source) if part.kind == "data" else ([], False)
            noted = {draft.content for draft in log.drafts}  # the same text may be shown to several models
            self._note([each for each in found if each not in noted], log)
            (blocked if blocks else parts).append(part)
        if not blocked:
            return packed
        sources = {part.source for part in blocked}
        return replace(
            packed,
            parts=tuple(parts),
            shown=tuple(shown for shown in packed.shown if shown.path not in sources),
            omitted=(*packed.omitted, *(f"{part.source}: blocked by the prompt scanner" for part in blocked)),
        )

    def reply(self, text: str, log: ProposalLog) -> None:
        """What a model or an agent answered. Raises ProposalError (`policy_objection`) when it is blocked."""
        found, blocks = self._scan(text, "reply")
        self._note(found, log)
        if blocks:
            said = f"the prompt scanner blocks the reply: {found[0]}"
            raise ProposalError("policy_objection", said, detail="scanner")

    def _scan(self, text: str, source: str) -> tuple[list[str], bool]:
        """A sentence for each finding, and whether they keep the text out."""
        if self.mode == "off":
            return [], False
        found = scan(text, source)
        said = [f"{one.source}: {one.cls} ({one.rule}, severity {one.severity}): {one.excerpt}" for one in found]
        return said, verdict(found, self.mode, self.allow) == "block"

    def _note(self, found: Sequence[str], log: ProposalLog) -> None:
        for each in found:
            log.add_draft("scanner", "finding", each)
