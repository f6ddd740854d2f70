"""What a packed context consists of. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from maabarium.proposers.council.replies import Shown
from maabarium.proposers.tokens import estimate_tokens
from maabarium.safe_text import plain

__all__ = ["Packed", "PromptPart", "cost_of", "cost_of_lines", "cost_of_text"]

_FRAME = 64
"""Tokens for the delimiters that go around a part, and for the line on which its title stands."""


@dataclass(frozen=True)
class PromptPart:
    """One piece of a prompt. `rules` are our own words; `data` is foreign text, which belongs between delimiters."""

    title: str
    text: str
    source: str
    """Where it comes from: a path, the id of a test, `history`, `plug-in`."""
    kind: Literal["rules", "data"] = "data"


@dataclass(frozen=True)
class Packed:
    """A context that fits. `shown` are the files that may be changed, as far as the model sees them."""

    parts: tuple[PromptPart, ...] = ()
    """In the order in which they go into the prompt: the more important ones first."""
    shown: tuple[Shown, ...] = ()
    creatable: tuple[str, ...] = ()
    """Paths that do not exist and that the model is invited to create."""
    omitted: tuple[str, ...] = ()
    """One sentence for each thing that was left out or cut; paths in them are foreign text on one line."""
    tokens: int = 0
    """Estimate for parts, `creatable` and `omitted` together."""


def cost_of(part: PromptPart) -> int:
    """Tokens of a part: our own words as they are, data with title, source and the delimiters around it."""
    if part.kind == "rules":
        return 4 + estimate_tokens(part.text)
    return _FRAME + estimate_tokens(part.title) + cost_of_text(part.source) + cost_of_text(part.text)


def cost_of_text(text: str) -> int:
    """Tokens of foreign text: what a terminal would obey is written out, and longer then."""
    return estimate_tokens(plain(text))


def cost_of_lines(lines: Sequence[str]) -> int:
    """Tokens of bulleted lines."""
    return sum(4 + estimate_tokens(line) for line in lines)
