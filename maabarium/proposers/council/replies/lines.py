"""The format `lines`: one listed line and its replacement, which a model of any size can be held to by a grammar."""

from __future__ import annotations

from maabarium.proposers.council.replies.original import Original
from maabarium.proposers.council.replies.reply import Shown

__all__ = ["listed"]

LONGEST_LINE = 120
"""Longer lines are not listed: a small model does not copy them, and their replacement would not fit."""


def listed(shown: Shown) -> tuple[str, ...]:
    """The shown lines that a model may name by their text: not blank, not too long, printable, there only once."""
    original = Original(shown.path, shown.content, shown.ranges)
    if not original.is_utf8:
        return ()
    times: dict[str, int] = {}
    for low, high in original.spans:
        for line in original.body[low:high].decode("utf-8").removesuffix("\n").split("\n"):
            text = line.removesuffix("\r")
            times[text] = times.get(text, 0) + 1
    return tuple(
        line
        for line, count in times.items()
        if count == 1 and line.strip() and len(line) <= LONGEST_LINE and line.replace("\t", " ").isprintable()
    )
