"""Replies of models: what they may look like, how they are read, and which edits they mean.

Reading is lenient about wrapping and strict about meaning: a reply gives exactly the edits it says, or a
`ProposalError` that says why not. Nothing here asks a model or touches a tree.
"""

from maabarium.proposers.council.replies.difference import make_diff
from maabarium.proposers.council.replies.editing import edits_of
from maabarium.proposers.council.replies.parsing import parse_reply
from maabarium.proposers.council.replies.reply import (
    DETAILS,
    FORMATS,
    UNBOUNDED,
    Patch,
    Replacement,
    Reply,
    Shown,
)
from maabarium.proposers.council.replies.rules import format_rules
from maabarium.proposers.council.replies.schema import reply_schema, reply_tokens

__all__ = [
    "DETAILS", "FORMATS", "UNBOUNDED", "Patch", "Replacement", "Reply", "Shown", "edits_of",
    "format_rules", "make_diff", "parse_reply", "reply_schema", "reply_tokens",
]  # fmt: skip
