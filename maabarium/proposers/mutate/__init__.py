"""The embedded default proposer, which needs no model: parameters, rewrites and repairs under one bandit."""

from __future__ import annotations

from maabarium.proposers.mutate.proposer import Mutate, MutateOptions

__all__ = ["Mutate", "MutateOptions"]
