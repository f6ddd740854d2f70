"""The minutes of one proposal: every call that was made and everything that was written, in a stable order."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from maabarium.errors import ProposalError, ProviderError
from maabarium.records import Call, Draft, DraftKind

__all__ = ["Minutes"]

LONGEST = 20_000
"""Characters of one draft that are kept."""


class Minutes:
    """Collects from several threads; one room per speaker keeps the order independent of who was faster."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[tuple[int, Call]] = []
        self._drafts: list[tuple[int, Draft]] = []
        self._session = 0

    def turn(self) -> None:
        """What follows was said after what is here."""
        self._session += 1

    def heard(self, calls: Iterable[Call]) -> None:
        """Calls were made."""
        with self._lock:
            self._calls += [(self._session, call) for call in calls]

    def wrote(self, agent: str, kind: DraftKind, content: str, round_: int = 0) -> None:
        """An agent wrote something."""
        if len(content) > LONGEST:
            content = f"{content[:LONGEST]}\n[{len(content) - LONGEST} more characters]"
        with self._lock:
            self._drafts.append((self._session, Draft(agent=agent, kind=kind, content=content, round=round_)))

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls, by turn and then by agent."""
        return tuple(call for _, call in sorted(self._calls, key=lambda pair: (pair[0], pair[1].agent)))

    @property
    def drafts(self) -> tuple[Draft, ...]:
        """All drafts, by turn and then by agent."""
        return tuple(draft for _, draft in sorted(self._drafts, key=lambda pair: (pair[0], pair[1].agent)))

    def on(self, error: ProposalError | ProviderError) -> ProposalError | ProviderError:
        """The error with these minutes on it."""
        error.calls, error.drafts = self.calls, self.drafts
        return error
