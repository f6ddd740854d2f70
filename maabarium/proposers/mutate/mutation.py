"""One possible change of the target files, and the arms that find them: hot code first, places named by the code."""

from __future__ import annotations

import hashlib
import math
import re
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from maabarium.code.edits import Edit, splice
from maabarium.plugins.protocols import ProposalRequest, TreeView

__all__ = [
    "MAX_FILE_BYTES", "Arm", "FileArm", "FileChange", "KnownFiles", "Mutation", "MutationKey", "key_of", "numbered",
]  # fmt: skip

MutationKey = tuple[str, str, str]
_ORDINAL = re.compile(r", \d+(?:st|nd|rd|th)(?=\):)")

MAX_FILE_BYTES = 300_000
"""Larger files are passed over: generated code, where an analysis takes seconds and a rewrite is no help."""
MAX_TOTAL_BYTES = 600_000
"""Of all target files together, hottest first, so that the first experiment of a large package starts soon."""
KEPT_FILES = 512

Hits = Mapping[int, int]


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
    arm: str = ""

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
        """All mutations that this arm can think of now, best guess first. What does not parse is passed over.

        A pure function of the champion's files, the history and the seed in the request.
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


@dataclass(frozen=True)
class FileChange:
    """A change of one file, independent of the file's path: which operator, in which function, on which lines."""

    operator: str
    prior: float
    name: str
    what: str
    why: str
    lines: range
    edits: tuple[Edit, ...]
    raw: bytes
    """The text in UTF-8, which the edits speak of."""
    encoding: str = "utf-8"

    def content(self) -> bytes:
        """The file with the edits made, in its own encoding."""
        return (splice(self.raw, self.edits) or b"").decode().encode(self.encoding)


class FileArm(ABC):
    """An arm whose mutations are changes of single files."""

    name: str

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[FileChange, ...]] = OrderedDict()

    def changes(self, request: ProposalRequest) -> list[Mutation]:
        """All changes of the champion's target files, best guess first. Never raises on a file's content."""
        lines = request.champion.evaluation.lines or request.baseline.lines
        hits: Mapping[str, Hits] = lines.hits if lines is not None else {}
        hottest = max((max(found.values(), default=0) for found in hits.values()), default=0)
        mutations = []
        for path, found in self._found(list(_files(request, hits)), request):
            numbers: Counter[tuple[str, str]] = Counter()
            for change, place in zip(found, numbered([f"{each.what} ({each.name}" for each in found]), strict=True):
                numbers[change.operator, change.name] += 1
                weight = self.weight(change, _heat(change.lines, hits.get(path), hottest), request)
                if weight > 0:
                    site = f"{path}::{change.name}::{numbers[change.operator, change.name]}"
                    summary, content = f"{place}): {change.why}", change.content()
                    made = Mutation(path, change.operator, site, summary, content, round(weight, 6), arm=self.name)
                    mutations.append(made)
        return sorted(mutations, key=lambda each: (-each.weight, each.path, each.operator, each.site))

    @abstractmethod
    def find(self, files: Sequence[tuple[str, bytes]], request: ProposalRequest) -> Iterable[Sequence[FileChange]]:
        """The changes of each of these files (path, content), those of one operator in the order of the text."""

    def weight(self, change: FileChange, heat: float, request: ProposalRequest) -> float:
        """The chance that the change pays where the code is that hot (0 to 1); nothing is proposed at 0."""
        return change.prior * (heat or 0.02)

    def _found(
        self, files: Sequence[tuple[str, bytes]], request: ProposalRequest
    ) -> Iterator[tuple[str, tuple[FileChange, ...]]]:
        keys = [hashlib.sha256(content).digest() for _, content in files]
        new = {key: file for key, file in zip(keys, files, strict=True) if key not in self._kept}
        for key, found in zip(new, self.find(list(new.values()), request) if new else (), strict=True):
            self._kept[key] = tuple(found)
        for key, (path, _) in zip(keys, files, strict=True):
            self._kept.move_to_end(key)
            yield path, self._kept[key]
        while len(self._kept) > KEPT_FILES:
            self._kept.popitem(last=False)


def _files(request: ProposalRequest, hits: Mapping[str, Hits]) -> Iterator[tuple[str, bytes]]:
    """Python files that are not too large, hottest first, with their content."""
    python = [path for path in request.targets if path.endswith((".py", ".pyw"))]
    total = 0
    for path in sorted(python, key=lambda path: (-max(hits.get(path, {}).values(), default=0), path)):
        try:
            content = request.files.read(path)
        except KeyError:  # a target that does not exist yet
            continue
        if len(content) <= MAX_FILE_BYTES and total + len(content) <= MAX_TOTAL_BYTES:
            total += len(content)
            yield path, content


def _heat(lines: range, hits: Hits | None, hottest: int) -> float:
    """1 at the hottest line of the run, 0 where nothing ran; 0.5 when nobody counted."""
    if not hottest:
        return 0.5
    count = max((hits.get(line, 0) for line in lines), default=0) if hits else 0
    return 0.0 if count == 0 else max(0.05, math.log1p(count) / math.log1p(hottest)) ** 2
