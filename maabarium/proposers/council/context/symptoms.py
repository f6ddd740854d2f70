"""Failing tests in a prompt: the source of each, and a text that says how they fail. Bounded by a limit."""

from __future__ import annotations

from collections.abc import Sequence

from maabarium.proposers.council.context.excerpts import Excerpts
from maabarium.proposers.council.context.failures import Failure, condensed, source_lines
from maabarium.proposers.council.context.part import PromptPart, cost_of
from maabarium.proposers.tokens import estimate_tokens
from maabarium.safe_text import one_line

__all__ = ["show_failures"]

_TITLE, _SOURCE = "How tests fail now", "test output"


def show_failures(
    excerpts: Excerpts, failures: Sequence[Failure], limit: int, most: int
) -> tuple[PromptPart | None, int, int]:
    """The text, what text and sources cost together, and how many failing tests are not even named.

    At most `most` functions are shown with source and traceback; the others are named as far as there is room.
    """
    base = cost_of(PromptPart(_TITLE, "", _SOURCE))
    left = limit - base
    texts: list[str] = []
    told = 0
    for failure in failures[:most]:
        text = _text(failure, left // 2)
        cost = estimate_tokens(text) + 2
        if not text or cost > left:
            break
        left -= cost
        texts.append(text)
        told += 1
        left -= _source(excerpts, failure, left if told == 1 else left * 2 // 3)
    named = [one_line(id, 160) for failure in failures[told:] for id in failure.ids]
    kept, left = _fitting(named, left)
    if kept:
        texts.append("Also failing:\n" + "\n".join(kept))
    missing = len(named) - len(kept)
    if not texts:
        return None, 0, missing
    part = PromptPart(_TITLE, "\n\n".join(texts) + "\n", _SOURCE)
    return part, limit - left, missing


def _text(failure: Failure, room: int) -> str:
    """One function's failure; a long traceback is shortened until it fits, at last to the id alone."""
    more = f" and {len(failure.ids) - 1} more of its cases" if len(failure.ids) > 1 else ""
    head = f"{one_line(failure.ids[0], 300)}{more}: {failure.outcome}"
    for kept in (24, 10, 5):
        body = "\n".join(condensed(detail, kept) for detail in failure.details[: 2 if kept == 24 else 1])
        text = f"{head}\n{body}" if body else head
        if estimate_tokens(text) <= room:
            return text
    return head if estimate_tokens(head) <= room else ""


def _source(excerpts: Excerpts, failure: Failure, limit: int) -> int:
    """Show the test with its file's imports, or without them, if it is in the tree and fits."""
    ranges = source_lines(failure, excerpts.library)
    if not ranges:
        return 0
    imports = [(chunk.first, chunk.last) for chunk in excerpts.library.chunks(failure.path) if chunk.kind == "imports"]
    spent = excerpts.lines(failure.path, [*ranges, *imports], limit)
    return (excerpts.lines(failure.path, ranges, limit) if spent is None else spent) or 0


def _fitting(lines: Sequence[str], left: int) -> tuple[list[str], int]:
    kept: list[str] = []
    left -= 8
    for line in lines:
        cost = estimate_tokens(line) + 1
        if cost > left:
            break
        kept.append(line)
        left -= cost
    return kept, left if kept else left + 8
