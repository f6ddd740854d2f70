"""What stands around the code that is shown: who measures it, who calls it, and what it calls. For reading only."""

from __future__ import annotations

import re
from collections.abc import Iterable

from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context.callers import Imports
from maabarium.proposers.council.context.desk import Desk
from maabarium.proposers.council.context.failures import Failure, source_lines, test_file
from maabarium.proposers.council.context.view import View

__all__ = ["show_related"]

_ROOTS = 3
"""Shown files for which callers are looked for."""
_RULES = 4
_OF_ONE = 3
"""Functions shown of one caller."""


def show_related(desk: Desk, request: ProposalRequest, imports: Imports, limit: int) -> int:
    """Put rules, callers and callees on the desk for at most `limit` tokens; returns what was spent."""
    spent = _rules(desk, request, limit // 3)
    roots = [view for view in desk.editable() if view.path.endswith(".py")][:_ROOTS]
    for number, view in enumerate(roots):
        share = (limit - spent) // (len(roots) - number)
        used = _callers(desk, view, imports, share // 2)
        used += _callees(desk, view, imports, share - used)
        spent += used
    return spent


def _rules(desk: Desk, request: ProposalRequest, limit: int) -> int:
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
        path = test_file(file, test.role, desk.library)
        if path and not desk.library.obstacle(path):
            ranges = source_lines(Failure((test.id,), path, tuple(names), (), test.outcome), desk.library)
            spent += (desk.lines(path, ranges, limit - spent) or 0) if ranges else 0
        if len(seen) >= _RULES:
            break
    return spent


def _callers(desk: Desk, view: View, imports: Imports, limit: int) -> int:
    """Functions elsewhere that use what is shown of a file."""
    spent = 0
    if limit <= 0:
        return 0
    shown = _names(desk, view)
    for path, known in imports.importers(view.path):
        wanted = (known & shown) or (shown if _stem(view.path) in known else frozenset())
        for chunk in imports.users(path, wanted)[:_OF_ONE]:
            spent += desk.chunk(path, chunk, limit - spent) or 0
        if limit - spent < 60:
            break
    return spent


def _callees(desk: Desk, view: View, imports: Imports, limit: int) -> int:
    """Definitions elsewhere that the shown lines of a file use."""
    spent = 0
    if limit <= 0:
        return 0
    text = view.part().text
    words = frozenset(re.findall(r"[^\W\d]\w*", text))
    for path, names in imports.imported(view.path):
        if desk.library.obstacle(path):
            continue
        wanted = _attributes(text, _stem(path)) if names == {"*"} else names & words
        for chunk in desk.library.chunks(path):
            if chunk.kind in ("symbol", "class") and not chunk.parent and chunk.name in wanted:
                spent += desk.chunk(path, chunk, limit - spent) or 0
        if limit - spent < 60:
            break
    return spent


def _names(desk: Desk, view: View) -> frozenset[str]:
    """What the shown part of a file defines."""
    chunks = [chunk for chunk in desk.library.chunks(view.path) if chunk.kind != "imports" and view.shows(chunk)]
    return frozenset(name for chunk in chunks for name in _parts(chunk.name, chunk.parent))


def _parts(name: str, parent: str) -> Iterable[str]:
    yield from (piece for piece in name.replace(", ", ".").split(".") if piece.isidentifier())
    if parent:
        yield parent


def _attributes(text: str, module: str) -> frozenset[str]:
    return frozenset(re.findall(rf"\b{re.escape(module)}\.(\w+)", text))


def _stem(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] if name == "__init__.py" else name.removesuffix(".py")
