"""All drafts for one statement: walks its expressions, asks every operator, refuses what would not compile.

Knows nothing of tests; which statements are worth the work is decided elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from maabarium.code.python_file import PythonFile, parse
from maabarium.proposers.mutate.repairs.operators import OPERATORS
from maabarium.proposers.mutate.repairs.place import Draft, Place, Words
from maabarium.proposers.mutate.repairs.survey import Statement

__all__ = ["compiles", "drafts"]


def drafts(source: PythonFile, statement: Statement, words: Words) -> list[Draft]:
    """Every edit of a statement that any operator can think of, each span and replacement once."""
    found: dict[tuple[int, int, str], Draft] = {}
    for node, parents in _nodes(statement):
        place = Place(source, statement, parents, words)
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


def compiles(source: PythonFile, statement: Statement, draft: Draft) -> bool:
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
