"""Ruff's fixes: each is one proposal, and the measurement decides.

`RuffFixes` is the arm that the mutate proposer asks; `SPEED` are the rules whose fixes may save time.
"""

from __future__ import annotations

from maabarium.proposers.mutate.ruff_fixes.arm import SPEED, RuffFixes
from maabarium.proposers.mutate.ruff_fixes.fixes import find_ruff

__all__ = ["SPEED", "RuffFixes", "find_ruff"]
