"""The keys of `[proposer]` that a council understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maabarium.errors import BlueprintError, Problem

__all__ = ["CouncilOptions"]


class CouncilOptions(BaseModel):
    """`[proposer]` of a council; field docstrings are their manual."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    critic: str | None = None
    """An agent that may veto a proposal before it costs an evaluation; it takes no other part."""
    repair: int = Field(default=1, ge=0, le=3)
    """How often an unreadable or unfitting reply is sent back with what is wrong with it."""
    scanner: Literal["off", "flag", "block"] = "flag"
    """What happens to text that tries to give orders: nothing, it is noted, or it does not pass."""
    scanner_allow: tuple[str, ...] = ()
    """Regular expressions; a finding whose excerpt or source matches one is let through."""
    critique_tokens: int = Field(default=512, ge=32)
    """Most tokens of one critique, ballot or veto."""

    @classmethod
    def of(cls, own: Mapping[str, Any], source: str) -> CouncilOptions:
        """Check the keys. Raises BlueprintError with every problem."""
        try:
            return cls.model_validate(own)
        except ValidationError as error:
            problems = [
                Problem(".".join(["proposer", *map(str, each["loc"])]), _sentence(each["type"], each["msg"]))
                for each in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise BlueprintError(source, problems) from error


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"is not an option of a council; there is: {', '.join(sorted(CouncilOptions.model_fields))}"
    return message[:1].lower() + message[1:]
