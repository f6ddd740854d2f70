"""From a `Reply` to edits of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maabarium.proposers.replies.reply import Reply, Shown
from maabarium.records import FileEdit

__all__ = ["edits_of"]


def edits_of(
    reply: Reply, shown: Sequence[Shown], *, targets: Callable[[str], bool], exists: Callable[[str], bool]
) -> tuple[FileEdit, ...]:
    """The edits that a reply means. Raises ProposalError."""
    raise NotImplementedError
