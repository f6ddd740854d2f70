"""Arms that change one place of one Python file: which files are looked at, hot code first, and how places are named.

Asked before every experiment, so that what was found in a file is kept by its content. Knows no bandit.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from maabarium.code.splices import Edit, splice
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import Mutation, numbered

__all__ = ["MAX_FILE_BYTES", "FileArm", "FileChange"]

MAX_FILE_BYTES = 300_000
"""Larger files are passed over: generated code, where an analysis takes seconds and a rewrite is no help."""
MAX_TOTAL_BYTES = 600_000
"""Of all target files together, hottest first, so that the first experiment of a large package starts soon."""
KEPT_FILES = 512

Hits = Mapping[int, int]


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
                    summary = f"{place}): {change.why}"
                    mutations.append(Mutation(path, change.operator, site, summary, change.content(), round(weight, 6)))
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
