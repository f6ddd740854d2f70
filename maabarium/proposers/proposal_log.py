"""Every call that was made for one proposal and everything that was written, in a stable order."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from maabarium.errors import ProposalError, ProviderError
from maabarium.records import Call, Draft, DraftKind

__all__ = ["ProposalLog"]

LONGEST = 20_000
"""Characters of one draft that are kept."""


class ProposalLog:
    """Collects from several threads; within a step the order is that of the agents' names, whoever was faster."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[tuple[int, Call]] = []
        self._drafts: list[tuple[int, Draft]] = []
        self._step = 0

    def next_step(self) -> None:
        """Sort what is added from now on behind what is here."""
        self._step += 1

    def add_calls(self, calls: Iterable[Call]) -> None:
        """Add calls that were made."""
        with self._lock:
            self._calls += [(self._step, call) for call in calls]

    def add_draft(self, agent: str, kind: DraftKind, content: str, round_: int = 0) -> None:
        """Add what an agent wrote."""
        if len(content) > LONGEST:
            content = f"{content[:LONGEST]}\n[{len(content) - LONGEST} more characters]"
        with self._lock:
            self._drafts.append((self._step, Draft(agent=agent, kind=kind, content=content, round=round_)))

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls, by step and then by agent."""
        return tuple(call for _, call in sorted(self._calls, key=lambda pair: (pair[0], pair[1].agent)))

    @property
    def drafts(self) -> tuple[Draft, ...]:
        """All drafts, by step and then by agent."""
        return tuple(draft for _, draft in sorted(self._drafts, key=lambda pair: (pair[0], pair[1].agent)))

    def attached_to(self, error: ProposalError | ProviderError) -> ProposalError | ProviderError:
        """The error, which carries calls and drafts from now on."""
        error.calls, error.drafts = self.calls, self.drafts
        return error
