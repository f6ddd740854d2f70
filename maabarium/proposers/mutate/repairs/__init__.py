"""Repairs: mutation operators in reverse, for targets whose suite is partly red."""

from __future__ import annotations

from maabarium.proposers.mutate.repairs.arm import Repairs

__all__ = ["Repairs"]
