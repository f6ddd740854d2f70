"""What a packed context consists of. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from maabarium.proposers.replies import Shown
from maabarium.proposers.tokens import estimate_tokens

__all__ = ["Packed", "Part", "cost_of", "cost_of_lines"]

_FRAME = 36
"""Tokens for the delimiters that go around a part; its source stands in them twice."""


@dataclass(frozen=True)
class Part:
    """One piece of a prompt. `rules` are our own words; `data` is foreign text, which belongs between delimiters."""

    title: str
    text: str
    source: str
    """Where it comes from: a path, the id of a test, `history`, `plug-in`."""
    kind: Literal["rules", "data"] = "data"


@dataclass(frozen=True)
class Packed:
    """A context that fits. `shown` are the files that may be changed, as far as the model sees them."""

    parts: tuple[Part, ...] = ()
    """In the order in which they go into the prompt: the more important ones first."""
    shown: tuple[Shown, ...] = ()
    creatable: tuple[str, ...] = ()
    """Paths that do not exist and that the model is invited to create."""
    omitted: tuple[str, ...] = ()
    """One sentence for each thing that was left out or cut; paths in them are foreign text on one line."""
    tokens: int = 0
    """Estimate for parts, `creatable` and `omitted` together."""


def cost_of(part: Part) -> int:
    """Tokens of a part with its title and the delimiters around it."""
    named = estimate_tokens(part.title) + 2 * estimate_tokens(part.source)
    return _FRAME + named + estimate_tokens(part.text)


def cost_of_lines(lines: Sequence[str]) -> int:
    """Tokens of bulleted lines."""
    return sum(4 + estimate_tokens(line) for line in lines)
