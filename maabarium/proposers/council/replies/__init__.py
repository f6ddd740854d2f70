"""Replies of models: what they may look like, how they are read, and which edits they mean.

Reading is lenient about wrapping and strict about meaning: a reply gives exactly the edits it says, or a
`ProposalError` that says why not. Nothing here asks a model or touches a tree.
"""

from maabarium.proposers.council.replies.editing import edits_of
from maabarium.proposers.council.replies.formats import format_rules, reply_schema
from maabarium.proposers.council.replies.parsing import parse_reply
from maabarium.proposers.council.replies.reply import DETAILS, FORMATS, Patch, Replacement, Reply, Shown

__all__ = [
    "DETAILS", "FORMATS", "Patch", "Replacement", "Reply", "Shown", "edits_of", "format_rules", "parse_reply",
    "reply_schema",
]  # fmt: skip
