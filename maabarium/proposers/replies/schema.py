"""The JSON Schema that a reply must satisfy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maabarium.proposers.replies.reply import EditFormat, Shown

__all__ = ["reply_schema", "reply_tokens"]


def reply_schema(format: EditFormat, shown: Sequence[Shown], creatable: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema of a reply `{summary, file_patches}` in this format."""
    raise NotImplementedError


def reply_tokens(schema: Mapping[str, Any]) -> int:
    """The most tokens that a reply of this schema can need; UNBOUNDED when it sets no limit."""
    raise NotImplementedError
