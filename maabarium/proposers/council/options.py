"""The keys of `[proposer]` that a council understands."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from maabarium.proposers.options import OwnOptions

__all__ = ["CouncilOptions"]


class CouncilOptions(OwnOptions):
    """`[proposer]` of a council."""

    whose: ClassVar[str] = "a council"

    critic: str | None = None
    """An agent that may veto a proposal before it costs an evaluation; it takes no other part."""
    repair: int = Field(default=1, ge=0, le=3)
    """How often an unreadable or unfitting reply is sent back with what is wrong with it."""
    critique_tokens: int = Field(default=512, ge=32)
    """Most tokens of one critique, ballot or veto."""
