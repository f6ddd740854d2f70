"""One possible change of the target files, what two of them have in common, and the arms that find them.

Knows no bandit, no budget and no engine.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from maabarium.plugins.protocols import ProposalRequest, TreeView

__all__ = ["Arm", "KnownFiles", "Mutation", "MutationKey", "key_of", "numbered"]

MutationKey = tuple[str, str, str]
_ORDINAL = re.compile(r", \d+(?:st|nd|rd|th)(?=\):)")


@dataclass(frozen=True)
class Mutation:
    """A whole new content for one file (or several: `others`), with the reason in one line.

    `site` names the place so that it stays the same when lines shift: `path::qualified.name::n-th`.
    `weight` is the arm's own guess of the chance that the mutation pays, from 0 to 1 (hot lines, suspicious
    lines, a codemod that usually pays); the bandit learns the rest.
    """

    path: str
    operator: str
    site: str
    summary: str
    content: bytes
    weight: float = 0.5
    data: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    others: tuple[tuple[str, bytes], ...] = ()
    """Further paths with their contents."""

    @property
    def key(self) -> MutationKey:
        """What makes two mutations the same idea on different champions."""
        return key_of(self.operator, self.site, self.summary)


class KnownFiles:
    """A tree of which some files are known: what was read once, or is edited. Its name stays that of the tree."""

    def __init__(self, files: TreeView, contents: dict[str, bytes]) -> None:
        self.tree = files.tree
        self.paths = files.paths
        self._files = files
        self._contents = contents

    def read(self, path: str) -> bytes:
        """Content of one file; KeyError if there is none."""
        if path not in self._contents:
            self._contents[path] = self._files.read(path)
        return self._contents[path]


class Arm(Protocol):
    """A family of mutations: parameters, rewrites, Ruff's fixes or repairs."""

    name: str

    def changes(self, request: ProposalRequest) -> Iterable[Mutation]:
        """All mutations of the champion's target files that this arm can think of now, best guess first.

        A pure function of the champion's files, the history and the seed in the request. Must not raise on
        any file content: what does not parse is passed over.
        """


def key_of(operator: str, site: str, summary: str) -> MutationKey:
    """A mutation's key; without the ordinal, as the other such places of a function come and go with the champion."""
    return operator, site, _ORDINAL.sub("", summary, count=1)


def numbered(texts: Sequence[str]) -> Iterator[str]:
    """The texts; of those that occur more than once each says which of them it is: `open (f, 2nd`."""
    total, so_far = Counter(texts), Counter[str]()
    for text in texts:
        so_far[text] += 1
        yield f"{text}, {_ordinal(so_far[text])}" if total[text] > 1 else text


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
