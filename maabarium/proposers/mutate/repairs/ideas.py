"""All repairs of the suspicious statements of one state, each with what it is worth before history is asked.

Code repeats itself, so an expression that occurs elsewhere is likelier to be right: the naturalness of software
(Hindle et al., 2012), the plastic surgery hypothesis (Barr et al., 2014).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from maabarium.code.python_file import PythonFile, parse
from maabarium.code.statements import Statement
from maabarium.proposers.mutate.repairs.localisation import Localisation, Suspect
from maabarium.proposers.mutate.repairs.operators import OPERATORS
from maabarium.proposers.mutate.repairs.place import NodePlace, Repair, Words
from maabarium.proposers.mutate.repairs.symptoms import boost, words

__all__ = ["Idea", "repairs_of", "still_parses", "think"]

_SHARPNESS = 2.0
"""Exponent of the suspicion: a line half as suspicious is worth a quarter."""
_LEVELS = 2
_LONGEST = 80
_KNOWN, _OWN = (1.7, 1.5), (0.6, 0.75)
"""Factors by level, the innermost expression first: the new text occurs elsewhere; the present one does."""


@dataclass(frozen=True, slots=True)
class Idea:
    """A repair of a suspicious statement; `worth` leaves the history out."""

    suspect: Suspect
    repair: Repair
    site: str
    worth: float

    @property
    def key(self) -> tuple[str, str]:
        """What makes this idea the same one after lines have shifted."""
        return self.site, self.repair.new


def think(localisation: Localisation) -> list[Idea]:
    """All repairs of the most suspicious statements."""
    suspects = localisation.suspects()
    found, hints = words(localisation.symptoms), boost(localisation.symptoms)
    known: Counter[str] = Counter()
    for path in {suspect.path for suspect in suspects}:
        known.update(_phrases(localisation.files[path]))
    ideas: list[Idea] = []
    for suspect in suspects:
        source, statement = localisation.files[suspect.path], suspect.statement
        place = f"{suspect.path}::{statement.scope.qualname or '<module>'}::{statement.number}"
        numbers: dict[str, dict[int, int]] = {}  # operator -> start -> which of its places in the statement
        composed = {source.span(node) for part in statement.parts for node in ast.walk(part) if _composed(node)}
        spans = sorted(composed, key=lambda span: span[1] - span[0])
        for repair in sorted(repairs_of(source, statement, found), key=lambda repair: repair.key):
            starts = numbers.setdefault(repair.operator, {})
            site = f"{place}.{repair.operator}.{starts.setdefault(repair.start, len(starts) + 1)}"
            hint = max((hints.get(tag, 1.0) for tag in repair.tags), default=1.0)
            worth = suspect.score**_SHARPNESS * repair.prior * hint * _factor(source.text, repair, spans, known)
            ideas.append(Idea(suspect, repair, site, worth))
    return ideas


def repairs_of(source: PythonFile, statement: Statement, words: Words) -> list[Repair]:
    """Every edit of a statement that any operator can think of, each span and replacement once."""
    found: dict[tuple[int, int, str], Repair] = {}
    inner = (found for part in statement.parts for found in _inside(part, ()))
    for node, parents in ((statement.node, ()), *inner):
        place = NodePlace(source, statement, parents, words)
        if any(isinstance(parent, ast.JoinedStr) for parent in parents) and not _placed(source, node):
            continue
        for kind, operator in OPERATORS:
            for repair in operator(node, place) if isinstance(node, kind) else ():
                if repair.key not in found or found[repair.key].prior < repair.prior:
                    found[repair.key] = repair
    return list(found.values())


def _inside(node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    """All expressions of a part of a statement with what is around them."""
    if isinstance(node, ast.expr | ast.Slice):
        yield node, parents
    around = (*parents, node)
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.FormattedValue) and isinstance(child, ast.JoinedStr):
            continue  # a format specification: its positions cannot be trusted
        yield from _inside(child, around)


def _placed(source: PythonFile, node: ast.AST) -> bool:
    """Whether the position of a node inside an f-string is right (older parsers give wrong ones)."""
    if not isinstance(node, ast.expr):
        return False
    try:
        tree = parse(f"({source.segment(node)})\n")
    except (IndexError, ValueError):
        return False
    first = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    return isinstance(first, ast.Expr) and ast.dump(first.value) == ast.dump(node)


def still_parses(source: PythonFile, statement: Statement, repair: Repair) -> bool:
    """Whether the file still parses after a repair, judged by the smallest piece of text that tells.

    An edit within an expression is judged by that expression in brackets. Edits of a whole statement
    (`pass` for it, another loop exit, another assignment operator) are right by their making.
    """
    for part in statement.parts:
        start, end = source.span(part)
        if start <= repair.start and repair.end <= end and repair.operator != "dropped":
            text = source.text[start : repair.start] + repair.new + source.text[repair.end : end]
            stored = not isinstance(getattr(part, "ctx", None), ast.Load | None)
            return parse(f"(\n{text}\n) = 0\n" if stored else f"(\n{text}\n)\n") is not None
    return True


def _phrases(source: PythonFile) -> Counter[str]:
    """How often each composed expression occurs in a file, by its text without blanks."""
    found: Counter[str] = Counter()
    for node in ast.walk(source.tree):
        if _composed(node):
            start, end = source.span(node)
            if end - start <= _LONGEST:
                found[_plain(source.text[start:end])] += 1
    return found


def _factor(text: str, repair: Repair, spans: list[tuple[int, int]], known: Counter[str]) -> float:
    """How much likelier the expressions around a repair (of these spans, short ones first) make it."""
    value, level = 1.0, 0
    for start, end in spans:
        if not (start <= repair.start and repair.end <= end) or (start, end) == (repair.start, repair.end):
            continue
        if end - start > _LONGEST or level == _LEVELS:
            break
        if known[_plain(text[start : repair.start] + repair.new + text[repair.end : end])]:
            value *= _KNOWN[level]
        if known[_plain(text[start:end])] > 1:
            value *= _OWN[level]
        level += 1
    return value


def _composed(node: ast.AST) -> bool:
    return isinstance(node, ast.expr) and not isinstance(node, ast.Name | ast.Constant | ast.JoinedStr | ast.Starred)


def _plain(text: str) -> str:
    return "".join(text.split())
