"""How often code uses what has no order of its own: sets, entries of folders, hashes and addresses. Pure."""

from __future__ import annotations

import ast

from maabarium.code.python_file import parse

__all__ = ["unordered_uses"]

WITHOUT_ORDER = frozenset(
    [
        "set",
        "frozenset",
        "hash",
        "id",
        "listdir",
        "scandir",
        "iterdir",
        "glob",
        "iglob",
        "rglob",
        "walk",
        "fwalk",
        "union",
        "intersection",
        "difference",
        "symmetric_difference",
        "keys",
        "as_completed",
        "imap_unordered",
    ]
)


def unordered_uses(content: bytes) -> int:
    """How many set displays and comprehensions, and names of such functions and methods; 0 for what does not parse."""
    tree = parse(content)
    return sum(_is_unordered(node) for node in ast.walk(tree)) if tree is not None else 0


def _is_unordered(node: ast.AST) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in WITHOUT_ORDER
