"""Which of the files that may be changed are shown, and how much of each."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from maabarium.code.imports import Imports
from maabarium.code.symbols import Chunk
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context.excerpts import Excerpts
from maabarium.proposers.council.context.priorities import Priorities
from maabarium.proposers.council.context.source_files import SourceFiles
from maabarium.proposers.council.feedback import AdviceScope

__all__ = ["ranked", "show_code"]

_FEWEST = 60
"""Tokens below which no further file is begun."""
_MOST_FILES = 24
_MISSES = 60
_USUAL = 4_000.0
"""Bytes of a file that is easily read; larger ones are less inviting."""
_WORD = re.compile(r"[^\W\d]\w*")
_READERS = 20
_CONSTANT = 0.9
_TRIED = 0.2
"""How much an attempt on the present champion that changed a file makes other files more inviting."""


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
            worth[path] += 0.1 * _prior(len(library.content(path)), central[path])
    tried = Counter(
        path
        for attempt in request.history
        if attempt.outcome.parent == request.champion.number and attempt.outcome.verdict != "promoted"
        for path in attempt.paths
    )
    for path in targets:
        worth[path] /= 1.0 + _TRIED * tried[path]
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


def _prior(size: int, importers: int) -> float:
    """What a file deserves of which nothing is known: 0 to 1."""
    if size < 16:
        return 0.0
    return (1.0 + math.log1p(importers)) / (1.0 + size / _USUAL) / 8.0


def _by_worth(
    excerpts: Excerpts, path: str, chunks: Sequence[Chunk], priorities: Priorities, seed: int
) -> dict[Chunk, float]:
    """Chunks with their worth, best first; of equals the shorter, then a different one in each experiment.

    Constants run on import, outside of all tests: they are worth a little less than the best chunk that reads them.
    """
    worth = {chunk: priorities.of_chunk(path, chunk) for chunk in chunks if chunk.kind != "imports"}
    lines = excerpts.library.lines(path)
    readers = sorted((chunk for chunk in worth if worth[chunk] > 0), key=lambda chunk: -worth[chunk])[:_READERS]
    words = [(worth[each], set(_WORD.findall("\n".join(lines[each.first - 1 : each.last])))) for each in readers]
    for chunk in worth:
        if chunk.kind == "block" and words:
            names = chunk.name.split(", ")
            read = max((value for value, mentioned in words if not mentioned.isdisjoint(names)), default=0.0)
            worth[chunk] = max(worth[chunk], _CONSTANT * read)
    chance = random.Random(f"{seed}:{path}")
    place = {chunk: (-round(worth[chunk], 2), chunk.last - chunk.first, chance.random()) for chunk in worth}
    return {chunk: worth[chunk] for chunk in sorted(worth, key=place.__getitem__)}


def _begin(excerpts: Excerpts, path: str, priorities: Priorities, limit: int, seed: int) -> int:
    """Show the whole file, or those of its chunks that deserve it."""
    spent = excerpts.whole(path, limit)
    if spent is not None:
        return spent
    worth = _by_worth(excerpts, path, excerpts.library.chunks(path), priorities, seed)
    return _show_chunks(excerpts, path, [chunk for chunk in worth if worth[chunk] > 0] or worth, limit)


def _finish(excerpts: Excerpts, path: str, priorities: Priorities, limit: int, seed: int) -> int:
    """Show the rest of a file that was begun, or begin it, as far as there is room."""
    spent = excerpts.whole(path, limit)
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
        if limit - spent < _FEWEST // 2 or misses > _MISSES:
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
        cost = excerpts.lines(path, [(first, last)], limit - spent)
        if cost is None:
            break
        spent += cost
    return spent
