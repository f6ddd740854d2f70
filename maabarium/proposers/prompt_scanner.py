"""The three intakes of foreign text: the blueprint, what enters a prompt, and what a model replies.

The scanner is advisory: the boundaries are path rules, fences and the sandbox. In `block` mode a finding of weight
keeps the text out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import BlueprintError, Problem, ProposalError
from maabarium.proposers.council.context import Packed
from maabarium.proposers.proposal_log import ProposalLog
from maabarium.scanner import ThreatFinding, scan, verdict

__all__ = ["PromptScanner"]

SCANNER = "scanner"


class PromptScanner:
    """Scans text and notes what it finds. `mode` is what follows from it."""

    def __init__(self, mode: Literal["off", "flag", "block"], allow: Sequence[str]) -> None:
        self.mode = mode
        self.allow = tuple(allow)
        self.notes: list[str] = []

    def blueprint(self, blueprint: Blueprint, source: str) -> None:
        """The blueprint's own prose. Raises BlueprintError when it is blocked."""
        agents = blueprint.agents.agents if blueprint.agents else ()
        texts = {"blueprint.description": blueprint.blueprint.description}
        texts |= {f"agents.agents[{index}].system_prompt": agent.system_prompt for index, agent in enumerate(agents)}
        problems = []
        for where, text in texts.items():
            findings, decided = self._scan(text, where)
            self.notes += [_sentence(finding) for finding in findings]
            if decided == "block":
                problems.append(Problem(where, f"the prompt scanner blocks it: {_sentence(findings[0])}"))
        if problems:
            raise BlueprintError(source, problems)

    def context(self, packed: Packed, log: ProposalLog) -> Packed:
        """What is about to enter a prompt; blocked parts are left out, listed, and not open to edits."""
        parts, blocked = [], []
        for part in packed.parts:
            findings, decided = self._scan(part.text, part.source) if part.kind == "data" else ((), "pass")
            noted = {draft.content for draft in log.drafts}  # the same text may be shown to several models
            self._note([finding for finding in findings if _sentence(finding) not in noted], log)
            if decided == "block":
                blocked.append(part)
            else:
                parts.append(part)
        if not blocked:
            return packed
        sources = {part.source for part in blocked}
        return replace(
            packed,
            parts=tuple(parts),
            shown=tuple(shown for shown in packed.shown if shown.path not in sources),
            omitted=(*packed.omitted, *(f"{part.source}: blocked by the prompt scanner" for part in blocked)),
        )

    def reply(self, log: ProposalLog) -> Callable[[str], None]:
        """A check for replies. It raises ProposalError (`policy_objection`) when one is blocked."""

        def check(text: str) -> None:
            findings, decided = self._scan(text, "reply")
            self._note(findings, log)
            if decided == "block":
                said = f"the prompt scanner blocks the reply: {_sentence(findings[0])}"
                raise ProposalError("policy_objection", said, detail="scanner")

        return check

    def _scan(self, text: str, source: str) -> tuple[tuple[ThreatFinding, ...], str]:
        if self.mode == "off":
            return (), "pass"
        findings = scan(text, source)
        return findings, verdict(findings, self.mode, self.allow)

    def _note(self, findings: Sequence[ThreatFinding], log: ProposalLog) -> None:
        for finding in findings:
            log.add_draft(SCANNER, "finding", _sentence(finding))


def _sentence(finding: ThreatFinding) -> str:
    return f"{finding.source}: {finding.cls} ({finding.rule}, severity {finding.severity}): {finding.excerpt}"
