"""Which lines a test may run, judged by names alone: for targets whose evaluation brought no line map.

A test reaches the functions and classes whose names it mentions, those reach the ones that they mention, and so
on for a few steps. Too much is reached, never too little by more than dynamic look-ups hide. Pure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

__all__ = ["Units", "coverage", "mentions", "units"]

Units = dict[str, list[tuple[str, tuple[int, ...], frozenset[str]]]]
"""Name of a function or class -> for each of that name its path, lines and the names it mentions."""
_STEPS = 4


def mentions(tree: ast.AST) -> frozenset[str]:
    """All names and attributes that occur below a node."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return frozenset(found)


def units(path: str, tree: ast.Module) -> Units:
    """Functions of a file by name; a class name stands for its special methods, which run unnamed."""
    found: Units = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _note(found, node.name, path, node)
        elif isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, ast.FunctionDef) and child.name.startswith("__"):
                    _note(found, node.name, path, child)
    return found


def _note(found: Units, name: str, path: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    lines = tuple(range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1))
    found.setdefault(name, []).append((path, lines, mentions(node)))


def coverage(
    tests: Iterable[str], bodies: Mapping[str, Mapping[str, frozenset[str]]], known: Iterable[Units]
) -> dict[str, dict[str, tuple[int, ...]]]:
    """A line map by names. `bodies` maps a test file to its functions and the names each mentions."""
    merged: Units = {}
    for part in known:
        for name, entries in part.items():
            merged.setdefault(name, []).extend(entries)
    cache: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {}
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for test in tests:
        file, _, rest = test.partition("::")
        function = rest.partition("[")[0].rpartition("::")[2]
        key = (file, function)
        if key not in cache:
            functions = next((body for path, body in bodies.items() if path == file or path.endswith("/" + file)), {})
            cache[key] = _closure(functions.get(function, frozenset()), functions, merged)
        found[test] = cache[key]
    return found


def _closure(start: frozenset[str], helpers: Mapping[str, frozenset[str]], merged: Units) -> dict[str, tuple[int, ...]]:
    lines: dict[str, set[int]] = {}
    seen: set[str] = set()
    names = set(start)
    for _ in range(_STEPS):
        fresh = names - seen
        seen |= fresh
        names = set()
        for name in fresh:
            names |= helpers.get(name, frozenset())
            for path, own, called in merged.get(name, ()):
                lines.setdefault(path, set()).update(own)
                names |= called
    return {path: tuple(sorted(own)) for path, own in lines.items()}
