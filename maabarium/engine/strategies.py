"""The strategy that comes with the core. Knows nothing of measurements, gates or git."""

from __future__ import annotations

from collections.abc import Sequence

from maabarium.errors import BlueprintError, Problem
from maabarium.plugins.protocols import StrategyContext
from maabarium.records import Champion, Outcome

__all__ = ["KeepWinner"]


class KeepWinner:
    """Always build on the latest winner."""

    def __init__(self, context: StrategyContext | None = None) -> None:
        if context and context.options:
            problems = [Problem(f"strategy.options.{key}", "keep-winner has no options") for key in context.options]
            raise BlueprintError(context.blueprint.name, problems)

    def parent(self, champions: Sequence[Champion]) -> Champion:
        """The latest champion."""
        return champions[-1]

    def replaces(self, winner: Outcome, champion: Champion) -> bool:
        """Whatever was confirmed is kept."""
        return True
