"""Which draft the council prefers: a Borda count, with ties broken by agreement and then by order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["ballot_of", "labels", "ranked"]


def labels(count: int) -> tuple[str, ...]:
    """Neutral names of drafts, so that nobody votes for an author: A to Z, then A1, B1 and so on."""
    return tuple(chr(65 + index % 26) + (str(index // 26) if index >= 26 else "") for index in range(count))


def ballot_of(said: object, names: Sequence[str]) -> tuple[str, ...]:
    """The usable part of what a member answered: known names, each once, in its order."""
    if not isinstance(said, list):
        return ()
    return tuple(dict.fromkeys(name for name in said if isinstance(name, str) and name in names))


def ranked(names: Sequence[str], ballots: Sequence[Sequence[str]], agreement: Mapping[str, int]) -> tuple[str, ...]:
    """All names, the preferred one first.

    A ballot gives `n - 1` points to its first name of n, one less to each further one, and none to those it leaves
    out. `agreement` counts the members who wrote the same edits. With neither, the order of `names` decides.
    """
    points = {name: sum(len(names) - 1 - ballot.index(name) for ballot in ballots if name in ballot) for name in names}
    order = {name: index for index, name in enumerate(names)}
    return tuple(sorted(names, key=lambda name: (-points[name], -agreement.get(name, 1), order[name])))
