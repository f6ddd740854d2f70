"""Parameters: values that a comment marks as open, and, when asked, numbers that nobody marked."""

from __future__ import annotations

from maabarium.proposers.mutate.parameters.arm import Parameters

__all__ = ["Parameters"]
