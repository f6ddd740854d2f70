"""How many tokens a text may take, guessed high from its bytes.

Tokenizers differ, and the exact one is the provider's secret or a large file. The weights below were fitted to
count a little more than a byte-level BPE with a small vocabulary does, which splits numbers into single digits:
vocabularies of today's large models need fewer.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterable

__all__ = ["estimate_tokens", "fitting"]

_WEIGHTS = (
    (string.ascii_lowercase.encode(), 0.28), (b" ", 0.1), (string.punctuation.encode(), 0.9),
    (string.ascii_uppercase.encode(), 0.55), (bytes(range(128, 256)), 0.75),
)  # fmt: skip
_UNREADABLE = re.compile(rb"[A-Za-z0-9+/=_-]{40,}")
"""Keys, hashes, base64: nothing in a vocabulary looks like them."""


def estimate_tokens(text: str) -> int:
    """An upper guess of the tokens of a text: 0 for an empty one, never more than one for each byte of UTF-8."""
    data = text.encode("utf-8", "surrogatepass")
    left = len(data)
    total = 0.0
    for kind, weight in _WEIGHTS:
        data_left = data.translate(None, kind)
        total += weight * (len(data) - len(data_left))
        data = data_left
    total += len(data)  # digits, newlines, tabs
    if left >= 40:
        total += sum(0.6 * len(run) for run in _UNREADABLE.findall(text.encode("utf-8", "surrogatepass")))
    return min(left, math.ceil(total))


def fitting(lines: Iterable[str], tokens: int) -> tuple[list[str], int]:
    """The first lines that fit into so many tokens, and the tokens that are left."""
    kept: list[str] = []
    for line in lines:
        cost = estimate_tokens(line) + 1
        if cost > tokens:
            break
        kept.append(line)
        tokens -= cost
    return kept, tokens
