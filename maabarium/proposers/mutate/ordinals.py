"""Summaries that tell several places of one function apart by their order. Knows no file and no line numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

__all__ = ["numbered", "without_ordinal"]

_ORDINAL = re.compile(r", \d+(?:st|nd|rd|th)(?=\):)")


def numbered(texts: Sequence[str]) -> Iterator[str]:
    """The texts; of those that occur more than once each says which of them it is: `open (f, 2nd`."""
    total, so_far = Counter(texts), Counter[str]()
    for text in texts:
        so_far[text] += 1
        yield f"{text}, {_ordinal(so_far[text])}" if total[text] > 1 else text


def without_ordinal(summary: str) -> str:
    """The summary as it is where there is one such place only: the others come and go with the champion."""
    return _ORDINAL.sub("", summary, count=1)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
