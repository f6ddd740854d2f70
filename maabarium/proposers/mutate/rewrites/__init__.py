"""Rewrites: named codemods that make Python faster or simpler and leave the last word to the tests.

`Rewrites` is the arm that the mutate proposer asks; `OPERATORS` lists the names for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from maabarium.proposers.mutate.rewrites.arm import ALL_OPERATORS, Rewrites

__all__ = ["OPERATORS", "Rewrites"]

OPERATORS: Mapping[str, str] = MappingProxyType({operator.name: operator.description for operator in ALL_OPERATORS})
"""Name of each operator with a line on what it does."""
