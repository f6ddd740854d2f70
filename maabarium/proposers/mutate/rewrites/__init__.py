"""Rewrites: named codemods that make Python faster or simpler and leave the last word to the tests."""

from __future__ import annotations

from maabarium.proposers.mutate.rewrites.arm import ALL_OPERATORS, Rewrites

__all__ = ["ALL_OPERATORS", "Rewrites"]
