"""What a model was shown, and what it answered: the values between a prompt and the edits.

Lines end at a line feed and are counted from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from maabarium.blueprint.schema import EditFormat
from maabarium.records import Operation

__all__ = ["DETAILS", "FORMATS", "Patch", "Replacement", "Reply", "Shown"]

FORMATS: tuple[EditFormat, ...] = get_args(EditFormat)

DETAILS = frozenset({
    # the original's, but for those of counts and blanks that its parser needed and ours does not
    "proposal_json", "missing_unified_diff_field", "missing_required_unified_diff", "unsafe_patch_path", "other",
    "unified_diff.context_mismatch", "unified_diff.removal_mismatch", "unified_diff.context_beyond_eof",
    "unified_diff.old_line_count_mismatch", "unified_diff.new_line_count_mismatch", "unified_diff.other",
    # ours
    "search_replace.no_match", "search_replace.ambiguous_match", "search_replace.overlap",
    "search_replace.empty_search", "elided_content", "missing_file", "not_a_target", "not_shown", "path_exists",
})  # fmt: skip
"""The codes that a ProposalError from this package carries as `detail`."""


@dataclass(frozen=True)
class Shown:
    """One file of which a model saw something; what it did not see it cannot overwrite."""

    path: str
    content: bytes
    """The whole file as it is in the tree, however little of it was shown."""
    ranges: tuple[range, ...] | None = None
    """The lines that the model saw: `range(10, 21)` is lines 10 to 20. None: the whole file."""


@dataclass(frozen=True)
class Replacement:
    """Text that stands in the file, and the text to put in its place."""

    search: str
    replace: str


@dataclass(frozen=True)
class Patch:
    """What a reply wants done with one file. `form` says which of the fields holds it; None: nothing but a deletion."""

    path: str
    operation: Operation
    form: EditFormat | None
    content: str = ""
    diff: str = ""
    edits: tuple[Replacement, ...] = ()
    """Of the forms `blocks` and `lines`."""


@dataclass(frozen=True)
class Reply:
    """One reply as parsed; nothing is checked against the files yet. No patches: the model proposes nothing."""

    summary: str
    patches: tuple[Patch, ...]
