"""Which of the files that may be changed are shown, how much of each, and which of its lines deserve to be looked at.

Those that are under suspicion, and those to which the metric's time goes. A `LineMap` of the baseline speaks of
the baseline's lines; after a kept change they may be a few lines off, which blurs an order and breaks nothing.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from maabarium.code.faults import FailingTest, FaultMap, lines_by_name, traced_lines
from maabarium.code.symbols import Chunk
from maabarium.code.tree import Imports
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context.excerpts import Excerpts
from maabarium.proposers.council.context.failures import FailedFunction
from maabarium.proposers.council.context.source_files import SourceFiles
from maabarium.proposers.council.feedback import AdviceScope
from maabarium.records import LineMap

__all__ = ["Priorities", "ranked", "show_code"]

_STATIC = ("complexity", "maintainability", "lint", "size", "coverage")
"""Sources that look at every target file, whether it runs or not."""
_FROM_RULES = 4.0
"""How much more a line's hits count that runs under the blueprint's own rules, when they measure."""
_FEWEST = 60
"""Tokens below which no further file is begun."""
_MOST_FILES = 24
_WORD = re.compile(r"[^\W\d]\w*")


class Priorities:
    """Blame and heat by path and line. `blame` is 0 to about 2 for a line, `heat` are shares that sum to 1."""

    def __init__(
        self, request: ProposalRequest, failures: Sequence[FailedFunction], library: SourceFiles, imports: Imports
    ) -> None:
        """Gather them from the champion's evaluation and, what that lacks, from the baseline's."""
        targets = frozenset(request.targets)
        evaluation = request.champion.evaluation
        maps = [lines for lines in (evaluation.lines, request.baseline.lines) if lines is not None]
        failing = [FailingTest.of(test.id, test.detail) for failure in failures for test in failure.tests]
        traced = traced_lines(maps, [one.test for one in failing], targets)
        self.blame: dict[str, dict[int, float]] = {}
        if failing:
            passing = [test.id for test in evaluation.tests if test.outcome == "passed"]
            coverage = traced or lines_by_name(library, imports, [one.test for one in failing], passing, targets)
            faults = FaultMap.of(failing, passing, coverage, targets, library.find)
            self.blame = {path: faults.lines(path) for path in faults.failed}
        sources = [str(metric.source or metric.name) for metric in request.blueprint.objectives]
        scored = any(source.startswith("score:") for source in sources)
        tests = (*evaluation.tests, *request.baseline.tests)
        self.heat = _heat(maps, targets, frozenset(test.id for test in tests if scored and test.role != "suite"))
        known = traced is not None if failures else bool(self.heat)
        self.narrow = known and not any(source.startswith(_STATIC) for source in sources)
        """Whether what did not run can be left aside: lines were traced, and no metric looks at files as they stand."""

    def of_chunk(self, path: str, chunk: Chunk) -> float:
        """What a chunk deserves: its most blamed line, and its share of the heat."""
        blame, heat = self.blame.get(path, {}), self.heat.get(path, {})
        lines = range(chunk.first, chunk.last + 1)
        return max((blame.get(n, 0.0) for n in lines), default=0.0) + 0.5 * sum(heat.get(n, 0.0) for n in lines)

    def of_file(self, path: str) -> float:
        """What a file deserves."""
        return max(self.blame.get(path, {}).values(), default=0.0) + 0.5 * sum(self.heat.get(path, {}).values())

    def hottest(self, path: str, chunk: Chunk) -> int:
        """The line of a chunk that deserves most; its first one when nothing is known."""
        blame, heat = self.blame.get(path, {}), self.heat.get(path, {})
        return max(range(chunk.first, chunk.last + 1), key=lambda n: (blame.get(n, 0.0) + heat.get(n, 0.0), -n))


def _heat(maps: Sequence[LineMap], targets: frozenset[str], rules: frozenset[str]) -> dict[str, dict[int, float]]:
    """Shares of the hits by path and line; those of lines that run under rules count more."""
    lines = next((m for m in maps if m.hits), LineMap())
    measured: dict[str, set[int]] = {}
    for id in rules & lines.by_test.keys():
        for path, rows in lines.by_test[id].items():
            measured.setdefault(path, set()).update(rows)
    raw = {
        path: {n: hits * (_FROM_RULES if n in measured.get(path, ()) else 1.0) for n, hits in rows.items()}
        for path, rows in lines.hits.items()
        if path in targets
    }
    total = sum(sum(rows.values()) for rows in raw.values())
    return {path: {n: hits / total for n, hits in rows.items()} for path, rows in raw.items()} if total > 0 else {}


def ranked(
    request: ProposalRequest, priorities: Priorities, library: SourceFiles, imports: Imports, scope: AdviceScope
) -> list[str]:
    """Target files, the most deserving first. Without evidence: small ones that many others import.

    In a wide scope chance decides, too, so that places come up that nobody looked at.
    """
    targets = [path for path in request.targets if path in library and not library.hidden(path)]
    worth = {path: priorities.of_file(path) for path in targets}
    if priorities.narrow and scope != "wide":
        targets = [path for path in targets if worth[path] > 0] or targets
    if len(targets) > 1 and not (priorities.narrow and scope != "wide"):
        central = imports.centrality(library.paths)
        for path in targets:
            size = len(library.content(path))
            prior = (1.0 + math.log1p(central[path])) / (1.0 + size / 4_000.0) / 8.0
            worth[path] += 0.1 * prior if size >= 16 else 0.0
    tried = Counter(
        path
        for attempt in request.history
        if attempt.outcome.parent == request.champion.number and attempt.outcome.verdict != "promoted"
        for path in attempt.paths
    )
    for path in targets:
        worth[path] /= 1.0 + 0.2 * tried[path]  # what was changed without success makes other files more inviting
    if scope == "wide":
        chance = random.Random(request.seed)
        worth = {path: math.sqrt(worth[path]) * chance.uniform(0.2, 1.0) for path in targets}
    return sorted(targets, key=lambda path: (-worth[path], path))


def show_code(
    excerpts: Excerpts, order: Sequence[str], priorities: Priorities, *, limit: int, scope: AdviceScope, seed: int
) -> int:
    """Show files for at most `limit` tokens; returns what was spent.

    First every file by what deserves it, then what is left of the limit goes to the rest of those begun.
    """
    readable = [path for path in order[: 10 * _MOST_FILES] if not excerpts.library.obstacle(path)]
    readable = readable[: 1 if scope == "narrow" else _MOST_FILES]
    left = limit // 2 if scope == "narrow" and len(order) > 1 else limit
    kept = limit - left
    share = 1.0 if len(readable) == 1 else 0.25 if scope == "wide" else 0.6
    for path in readable:
        if left < _FEWEST:
            break
        left -= _begin(excerpts, path, priorities, min(left, max(int(left * share), _FEWEST)), seed)
    for path in readable:
        if left < _FEWEST // 2 or scope == "narrow":
            break
        left -= _finish(excerpts, path, priorities, left, seed)
    if readable and not any(excerpt.path in excerpts.targets for excerpt in excerpts.by_path.values()):
        left -= _window(excerpts, readable[0], priorities, limit)
    return limit - left - kept


def _by_worth(
    excerpts: Excerpts, path: str, chunks: Sequence[Chunk], priorities: Priorities, seed: int
) -> dict[Chunk, float]:
    """Chunks with their worth, best first; of equals the shorter, then a different one in each experiment.

    Constants run on import, outside of all tests: they are worth a little less than the best chunk that reads them.
    """
    worth = {chunk: priorities.of_chunk(path, chunk) for chunk in chunks if chunk.kind != "imports"}
    lines = excerpts.library.lines(path)
    readers = sorted((chunk for chunk in worth if worth[chunk] > 0), key=lambda chunk: -worth[chunk])[:20]
    words = [(worth[each], set(_WORD.findall("\n".join(lines[each.first - 1 : each.last])))) for each in readers]
    for chunk in worth:
        if chunk.kind == "block" and words:
            names = chunk.name.split(", ")
            read = max((value for value, mentioned in words if not mentioned.isdisjoint(names)), default=0.0)
            worth[chunk] = max(worth[chunk], 0.9 * read)
    chance = random.Random(f"{seed}:{path}")
    place = {chunk: (-round(worth[chunk], 2), chunk.last - chunk.first, chance.random()) for chunk in worth}
    return {chunk: worth[chunk] for chunk in sorted(worth, key=place.__getitem__)}


def _begin(excerpts: Excerpts, path: str, priorities: Priorities, limit: int, seed: int) -> int:
    """Show the whole file, or those of its chunks that deserve it."""
    spent = excerpts.show(path, limit)
    if spent is not None:
        return spent
    worth = _by_worth(excerpts, path, excerpts.library.chunks(path), priorities, seed)
    return _show_chunks(excerpts, path, [chunk for chunk in worth if worth[chunk] > 0] or worth, limit)


def _finish(excerpts: Excerpts, path: str, priorities: Priorities, limit: int, seed: int) -> int:
    """Show the rest of a file that was begun, or begin it, as far as there is room."""
    spent = excerpts.show(path, limit)
    if spent is not None or priorities.narrow:
        return spent or 0
    excerpt = excerpts.by_path.get(path)
    hidden = excerpts.library.chunks(path) if excerpt is None else excerpt.hidden_chunks()
    return _show_chunks(excerpts, path, _by_worth(excerpts, path, hidden, priorities, seed), limit)


def _show_chunks(excerpts: Excerpts, path: str, chunks: Iterable[Chunk], limit: int) -> int:
    """Show those chunks that fit, in their order; after many that do not, the rest is not tried."""
    spent = misses = 0
    for chunk in chunks:
        cost = excerpts.chunk(path, chunk, limit - spent)
        misses += cost is None
        spent += cost or 0
        if limit - spent < _FEWEST // 2 or misses > 60:
            break
    return spent


def _window(excerpts: Excerpts, path: str, priorities: Priorities, limit: int) -> int:
    """No symbol fits: as many lines around the most deserving one as there is room for."""
    chunk = next(iter(_by_worth(excerpts, path, excerpts.library.chunks(path), priorities, 0)), None)
    if chunk is None:
        return 0
    middle = priorities.hottest(path, chunk)
    spent = 0
    for reach in (0, 2, 5, 10, 20, 40):
        first, last = max(chunk.first, middle - reach), min(chunk.last, middle + reach)
        cost = excerpts.show(path, limit - spent, [(first, last)])
        if cost is None:
            break
        spent += cost
    return spent
