"""One possible change of one file, and the arms that find them. Knows no bandit, no budget and no engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from maabarium.plugins.protocols import ProposalRequest

__all__ = ["Arm", "Change"]


@dataclass(frozen=True)
class Change:
    """A whole new content for one file, with the reason in one line.

    `site` names the place so that it stays the same when lines shift: `path::qualified.name::n-th`.
    `weight` is the arm's own guess of the chance that the change pays, from 0 to 1 (hot lines, suspicious
    lines, a codemod that usually pays); the bandit learns the rest.
    """

    path: str
    operator: str
    site: str
    summary: str
    content: bytes
    weight: float = 0.5
    data: Mapping[str, str | int | float | bool] = field(default_factory=dict)


class Arm(Protocol):
    """A family of changes: parameters, rewrites or repairs."""

    name: str

    def changes(self, request: ProposalRequest) -> Iterable[Change]:
        """All changes of the champion's target files that this arm can think of now, best guess first.

        A pure function of the champion's files, the history and the seed in the request. Must not raise on
        any file content: what does not parse is passed over.
        """
