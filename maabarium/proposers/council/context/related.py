"""What stands around the code that is shown: who measures it, who calls it, and what it calls. For reading only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from maabarium.code.symbols import Chunk
from maabarium.code.tree import Imports
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context.excerpts import Excerpt, Excerpts
from maabarium.proposers.council.context.failures import source_lines, test_file

__all__ = ["show_related"]


Found = Iterator[tuple[str, Sequence[Chunk]]]
"""Files, each with the chunks of it that may be shown."""


def show_related(excerpts: Excerpts, request: ProposalRequest, imports: Imports, limit: int) -> int:
    """Show rules, callers and callees for at most `limit` tokens; returns what was spent."""
    spent = _rules(excerpts, request, limit // 3)
    roots = [excerpt for excerpt in excerpts.editable() if excerpt.path.endswith(".py")][:3]
    for number, excerpt in enumerate(roots):
        share = (limit - spent) // (len(roots) - number)
        used = _show(excerpts, _callers(excerpts, excerpt, imports), share // 2)
        used += _show(excerpts, _callees(excerpts, excerpt, imports), share - used)
        spent += used
    return spent


def _rules(excerpts: Excerpts, request: ProposalRequest, limit: int) -> int:
    """Tests of the blueprint's rules, when they measure: the model sees what is timed or counted."""
    if not any(str(metric.source).startswith("score:") for metric in request.blueprint.objectives):
        return 0
    spent, seen = 0, set()
    for test in request.champion.evaluation.tests:
        function = test.id.partition("[")[0]
        if function in seen or test.role != "rule":
            continue
        seen.add(function)
        file, *names = function.split("::")
        path = test_file(file, test.role, excerpts.library)
        if path and not excerpts.library.obstacle(path):
            ranges = source_lines(path, names, excerpts.library)
            spent += (excerpts.show(path, limit - spent, ranges) or 0) if ranges else 0
        if len(seen) >= 4:
            break
    return spent


def _show(excerpts: Excerpts, found: Found, limit: int) -> int:
    """Show chunks of files that can be shown, until there is no room; returns what was spent."""
    spent = 0
    for path, chunks in found if limit > 0 else ():
        for chunk in chunks if not excerpts.library.obstacle(path) else ():
            spent += excerpts.chunk(path, chunk, limit - spent) or 0
        if limit - spent < 60:
            break
    return spent


def _callers(excerpts: Excerpts, excerpt: Excerpt, imports: Imports) -> Found:
    """Functions elsewhere that use what is shown of a file."""
    whole = [each for each in excerpts.library.chunks(excerpt.path) if each.kind != "imports" and excerpt.shows(each)]
    pieces = (piece for each in whole for piece in each.name.replace(", ", ".").split("."))
    shown = {piece for piece in pieces if piece.isidentifier()} | {each.parent for each in whole if each.parent}
    for path, known in imports.importers(excerpt.path):
        wanted = (known & shown) or (shown if _stem(excerpt.path) in known else frozenset())
        yield path, excerpts.library.users(path, wanted)[:3]


def _callees(excerpts: Excerpts, excerpt: Excerpt, imports: Imports) -> Found:
    """Definitions elsewhere that the shown lines of a file use."""
    text = excerpt.part().text
    words = frozenset(re.findall(r"[^\W\d]\w*", text))
    for path, names in imports.imported(excerpt.path):
        attributes = re.compile(rf"\b{re.escape(_stem(path))}\.(\w+)")
        wanted = frozenset(attributes.findall(text)) if names == {"*"} else names & words
        symbols = (chunk for chunk in excerpts.library.chunks(path) if chunk.kind in ("symbol", "class"))
        yield path, [chunk for chunk in symbols if not chunk.parent and chunk.name in wanted]


def _stem(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] if name == "__init__.py" else name.removesuffix(".py")
