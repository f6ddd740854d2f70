"""From a model's text to a `Reply`."""

from __future__ import annotations

from maabarium.proposers.replies.reply import EditFormat, Reply

__all__ = ["parse_reply"]


def parse_reply(text: str, format: EditFormat) -> Reply:
    """Read a reply. Raises ProposalError (`unparseable`)."""
    raise NotImplementedError
