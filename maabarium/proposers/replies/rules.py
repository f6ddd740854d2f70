"""What a prompt says about the format of a reply."""

from __future__ import annotations

from maabarium.proposers.replies.reply import EditFormat

__all__ = ["format_rules"]


def format_rules(format: EditFormat, language: str) -> str:
    """The paragraph of a prompt that explains the format, with a sample."""
    raise NotImplementedError
