"""All repairs of one statement: what the operators draft, whether it compiles, and how natural it reads.

Code repeats itself, so an expression that occurs elsewhere is likelier to be right: the naturalness of software
(Hindle et al., 2012), the plastic surgery hypothesis (Barr et al., 2014). Which statements are worth the work is
decided elsewhere.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

from maabarium.code.python_file import PythonFile, parse
from maabarium.code.statements import Statement
from maabarium.proposers.mutate.repairs.operators import OPERATORS
from maabarium.proposers.mutate.repairs.place import NodePlace, Repair, Words

__all__ = ["Phrases", "compiles", "factors", "repairs_of", "spoken"]

Phrases = Counter[str]
"""Text of an expression without blanks -> how often it occurs."""
_LEVELS = 2
_LONGEST = 80
_KNOWN, _OWN = (1.7, 1.5), (0.6, 0.75)
"""Factors by level, the innermost expression first: the new text occurs elsewhere; the present one does."""


def repairs_of(source: PythonFile, statement: Statement, words: Words) -> list[Repair]:
    """Every edit of a statement that any operator can think of, each span and replacement once."""
    found: dict[tuple[int, int, str], Repair] = {}
    for node, parents in _nodes(statement):
        place = NodePlace(source, statement, parents, words)
        if parents and any(isinstance(parent, ast.JoinedStr) for parent in parents) and not _placed(source, node):
            continue
        for operator in OPERATORS:
            for draft in operator(node, place):
                key = (draft.start, draft.end, draft.new)
                if key not in found or found[key].prior < draft.prior:
                    found[key] = draft
    return list(found.values())


def _nodes(statement: Statement) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    """The statement itself, then all nodes of its editable parts with what is around them."""
    yield statement.node, ()
    for part in statement.parts:
        yield from _inside(part, ())


def _inside(node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
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


def compiles(source: PythonFile, statement: Statement, draft: Repair) -> bool:
    """Whether the file still compiles after a draft, judged by the smallest piece of text that tells.

    An edit within an expression is judged by that expression in brackets. Edits of a whole statement
    (`pass` for it, another loop exit, another assignment operator) are right by their making.
    """
    for part in statement.parts:
        start, end = source.span(part)
        if start <= draft.start and draft.end <= end and draft.operator != "dropped":
            text = source.text[start : draft.start] + draft.new + source.text[draft.end : end]
            stored = not isinstance(getattr(part, "ctx", None), ast.Load | None)
            return parse(f"(\n{text}\n) = 0\n" if stored else f"(\n{text}\n)\n") is not None
    return True


def spoken(source: PythonFile) -> Phrases:
    """All composed expressions of a file."""
    found: Phrases = Counter()
    for node in ast.walk(source.tree):
        if _composed(node):
            start, end = source.span(node)
            if end - start <= _LONGEST:
                found[_plain(source.text[start:end])] += 1
    return found


def factors(source: PythonFile, statement: Statement, drafts: Iterable[Repair], known: Phrases) -> list[float]:
    """For each draft of one statement, how much likelier the words around make it."""
    spans = {source.span(node) for part in statement.parts for node in ast.walk(part) if _composed(node)}
    ordered = sorted(spans, key=lambda span: span[1] - span[0])
    return [_factor(source.text, draft, ordered, known) for draft in drafts]


def _factor(text: str, draft: Repair, ordered: list[tuple[int, int]], known: Phrases) -> float:
    value, level = 1.0, 0
    for start, end in ordered:
        if not (start <= draft.start and draft.end <= end) or (start, end) == (draft.start, draft.end):
            continue
        if end - start > _LONGEST or level == _LEVELS:
            break
        if known[_plain(text[start : draft.start] + draft.new + text[draft.end : end])]:
            value *= _KNOWN[level]
        if known[_plain(text[start:end])] > 1:
            value *= _OWN[level]
        level += 1
    return value


def _composed(node: ast.AST) -> bool:
    return isinstance(node, ast.expr) and not isinstance(node, ast.Name | ast.Constant | ast.JoinedStr | ast.Starred)


def _plain(text: str) -> str:
    return "".join(text.split())
