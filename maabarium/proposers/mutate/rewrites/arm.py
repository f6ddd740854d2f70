"""The rewrites as an arm: every operator over every target file, hot code first.

Asked before every experiment, so that what was found in a file is kept by its content. Knows no bandit.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maabarium.code.concrete import ConcreteFile
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import Mutation, numbered
from maabarium.proposers.mutate.rewrites.catalogue import ALL_OPERATORS
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite

__all__ = ["MAX_FILE_BYTES", "MAX_TOTAL_BYTES", "Rewrites"]

MAX_FILE_BYTES = 300_000
"""Larger files are passed over: generated code, where an analysis takes seconds and a rewrite is no help."""
MAX_TOTAL_BYTES = 600_000
"""Of all target files together, hottest first, so that the first experiment of a large package starts soon."""
KEPT_FILES = 512

Hits = Mapping[int, int]


@dataclass(frozen=True)
class _Found:
    """A rewrite of one file, independent of the file's path."""

    operator: str
    prior: float
    name: str
    number: int
    summary: str
    lines: range
    content: bytes


class Rewrites:
    """The arm `rewrites`. Operators may be chosen; by default all of them."""

    name = "rewrites"

    def __init__(self, operators: Sequence[Operator] = ALL_OPERATORS) -> None:
        self.operators = tuple(operators)
        self._found: OrderedDict[str, tuple[_Found, ...]] = OrderedDict()

    def changes(self, request: ProposalRequest) -> Iterable[Mutation]:
        """All rewrites of the champion's target files, best guess first. Never raises on a file's content."""
        lines = request.champion.evaluation.lines or request.baseline.lines
        hits: Mapping[str, Hits] = lines.hits if lines is not None else {}
        hottest = max((max(found.values(), default=0) for found in hits.values()), default=0)
        changes: list[Mutation] = []
        for path, content in self._files(request, hits):
            for found in self._of(content):
                weight = found.prior * _heat(found.lines, hits.get(path), hottest)
                site = f"{path}::{found.name}::{found.number}"
                changes.append(Mutation(path, found.operator, site, found.summary, found.content, round(weight, 6)))
        return sorted(changes, key=lambda change: (-change.weight, change.path, change.operator, change.site))

    def skipped(self, request: ProposalRequest) -> dict[str, str]:
        """Target files that are passed over for their size, each with the reason as the end of a sentence."""
        return {path: reason for path, _, reason in self._judged(request, {}) if reason}

    def _files(self, request: ProposalRequest, hits: Mapping[str, Hits]) -> Iterable[tuple[str, bytes]]:
        return ((path, content) for path, content, reason in self._judged(request, hits) if not reason)

    def _judged(self, request: ProposalRequest, hits: Mapping[str, Hits]) -> Iterable[tuple[str, bytes, str]]:
        """Python files, hottest first, with their content and, for those passed over, why."""
        python = [path for path in request.targets if path.endswith((".py", ".pyw"))]
        total = 0
        for path in sorted(python, key=lambda path: (-max(hits.get(path, {}).values(), default=0), path)):
            try:
                content = request.files.read(path)
            except KeyError:  # a target that does not exist yet
                continue
            reason = ""
            if len(content) > MAX_FILE_BYTES:
                reason = f"has {len(content)} bytes; files above {MAX_FILE_BYTES} bytes are not rewritten"
            elif total + len(content) > MAX_TOTAL_BYTES:
                reason = f"is beyond the first {MAX_TOTAL_BYTES} bytes of target files"
            else:
                total += len(content)
            yield path, content, reason

    def _of(self, content: bytes) -> tuple[_Found, ...]:
        key = hashlib.sha256(content).hexdigest()
        if key not in self._found:
            self._found[key] = tuple(_find(content, self.operators))
            if len(self._found) > KEPT_FILES:
                self._found.popitem(last=False)
        self._found.move_to_end(key)
        return self._found[key]


def _find(content: bytes, operators: Sequence[Operator]) -> Iterable[_Found]:
    source = ConcreteFile.read(content)
    if source is None:
        return
    seen = {content}
    for operator in operators:
        numbers: Counter[str] = Counter()
        made: list[tuple[Rewrite, str, int, bytes]] = []
        for rewrite in sorted(operator.rewrites(source), key=lambda rewrite: source.order(rewrite.anchor)):
            name = source.qualified_name(rewrite.anchor)
            numbers[name] += 1
            new = source.apply(rewrite.edits)
            if new is None or new in seen or not _compiles(new):
                continue
            seen.add(new)
            made.append((rewrite, name, numbers[name], new))
        places = numbered([f"{rewrite.what} ({name}" for rewrite, name, _, _ in made])
        for place, (rewrite, name, number, new) in zip(places, made, strict=True):
            prior = min(1.0, operator.prior * rewrite.factor)
            summary = f"{place}): {rewrite.why}"
            yield _Found(operator.name, prior, name, number, summary, source.lines(rewrite.anchor), new)


def _compiles(content: bytes) -> bool:
    """A last check of our own work. Warnings are about the user's code, not about the rewrite."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(content, "<rewrite>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):
            return False
    return True


def _heat(lines: range, hits: Hits | None, hottest: int) -> float:
    """1 at the hottest line of the run, 0.02 where nothing ran; 0.5 when nobody counted."""
    if not hottest:
        return 0.5
    count = max((hits.get(line, 0) for line in lines), default=0) if hits else 0
    return 0.02 if count == 0 else max(0.05, math.log1p(count) / math.log1p(hottest)) ** 2
