"""Unified diffs of two contents, as `proposers.diffs` reads them back byte for byte."""

from __future__ import annotations

__all__ = ["make_diff"]


def make_diff(before: bytes, after: bytes, path: str) -> str:
    """The unified diff from one content to the other; empty when they are equal."""
    raise NotImplementedError
