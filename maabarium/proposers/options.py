"""What the options of proposers that read foreign text have in common, and how a wrong key is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import ValidationError

from maabarium.blueprint.schema import Settings
from maabarium.errors import BlueprintError, Problem

__all__ = ["OwnOptions"]


class OwnOptions(Settings):
    """The keys of `[proposer]` that one kind of proposer understands; field docstrings are their manual."""

    whose: ClassVar[str]
    """Whose options these are, with an article."""
    wanted: ClassVar[Mapping[str, str]] = {}
    """What to say in the place of pydantic's sentence, by its type of error."""

    scanner: Literal["off", "flag", "block"] = "flag"
    """What happens to text that tries to give orders: nothing, it is noted, or it does not pass."""
    scanner_allow: tuple[str, ...] = ()
    """Regular expressions; a finding whose excerpt or source matches one is let through."""

    @classmethod
    def of(cls, own: Mapping[str, Any], source: str) -> Self:
        """Check the keys. Raises BlueprintError with every problem."""
        try:
            return cls.model_validate(own)
        except ValidationError as error:
            problems = [
                Problem(".".join(["proposer", *map(str, each["loc"])]), cls._sentence(each["type"], each["msg"]))
                for each in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise BlueprintError(source, problems) from error

    @classmethod
    def _sentence(cls, kind: str, message: str) -> str:
        if kind == "extra_forbidden":
            return f"is not an option of {cls.whose}; there is: {', '.join(sorted(cls.model_fields))}"
        return cls.wanted.get(kind, message[:1].lower() + message[1:])
