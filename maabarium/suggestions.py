"""What was probably meant by a name that is not known, for the ends of error sentences. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from maabarium.safe_text import listed

__all__ = ["near", "nearest", "suggestion"]


def near(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that was probably meant, or None."""
    found = nearest(name, names, most=1)
    return found[0] if found else None


def nearest(name: str, names: Iterable[str], most: int, cutoff: float = 0.6) -> list[str]:
    """At most so many of `names` that resemble the name, the best first; case does not count."""
    known = {candidate.casefold(): candidate for candidate in names}
    return [known[each] for each in difflib.get_close_matches(name.casefold()[:200], list(known), most, cutoff)]


def suggestion(name: str, names: Iterable[str]) -> str:
    """`; did you mean "x"?` for a near miss, else `; there is: a, b`."""
    known = tuple(names)
    close = near(name, known)
    if close is not None:
        return f'; did you mean "{close}"?'
    return f"; there is: {listed(sorted(known), most=12)}" if known else "; there is none"
