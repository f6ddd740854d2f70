"""Strategies: from which champion a proposal starts. Knows nothing of measurements, gates or git."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from maabarium.records import Champion

__all__ = ["KeepWinner", "Strategy"]


class Strategy(Protocol):
    """Chooses parents."""

    def parent(self, champions: Sequence[Champion]) -> Champion:
        """The champion from which the next proposal starts; `champions` is oldest first, the baseline is [0]."""


class KeepWinner:
    """The default: always build on the latest winner."""

    def parent(self, champions: Sequence[Champion]) -> Champion:
        """The latest champion."""
        return champions[-1]
