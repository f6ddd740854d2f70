"""How natural an edit reads: code repeats itself, so an expression that occurs elsewhere is likelier to be right.

After the naturalness of software (Hindle et al., 2012) and the plastic surgery hypothesis (Barr et al., 2014): what
repairs a fault mostly stands somewhere in the same package already. Knows nothing of tests.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable

from maabarium.code.python_file import PythonFile
from maabarium.proposers.mutate.repairs.place import Draft
from maabarium.proposers.mutate.repairs.survey import Statement

__all__ = ["Phrases", "factors", "spoken"]

Phrases = Counter[str]
"""Text of an expression without blanks -> how often it occurs."""
_LEVELS = 2
_LONGEST = 80
_KNOWN, _OWN = (1.7, 1.5), (0.6, 0.75)
"""Factors by level, the innermost expression first: the new text occurs elsewhere; the present one does."""


def spoken(source: PythonFile) -> Phrases:
    """All composed expressions of a file."""
    found: Phrases = Counter()
    for node in ast.walk(source.tree):
        if _composed(node):
            start, end = source.span(node)
            if end - start <= _LONGEST:
                found[_plain(source.text[start:end])] += 1
    return found


def factors(source: PythonFile, statement: Statement, drafts: Iterable[Draft], known: Phrases) -> list[float]:
    """For each draft of one statement, how much likelier the words around make it."""
    spans = {source.span(node) for part in statement.parts for node in ast.walk(part) if _composed(node)}
    ordered = sorted(spans, key=lambda span: span[1] - span[0])
    return [_factor(source.text, draft, ordered, known) for draft in drafts]


def _factor(text: str, draft: Draft, ordered: list[tuple[int, int]], known: Phrases) -> float:
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
