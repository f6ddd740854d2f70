"""Which lines a test may run, judged by names alone: for evaluations that brought no line map.

A test reaches the functions and classes whose names it mentions, those reach the ones that they mention, and so
on for a few steps, within what the failing tests' files import. Too much is reached, rarely too little.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence

from maabarium.code.faults import Coverage
from maabarium.code.imports import Imports
from maabarium.code.tree import CodeTree

__all__ = ["lines_by_name", "mentions"]

_Units = dict[str, list[tuple[str, tuple[int, ...], frozenset[str]]]]
"""Name of a function or class -> for each of that name its path, lines and the names it mentions."""
_STEPS = 4
_TEST_FILES = 60


def mentions(node: ast.AST) -> frozenset[str]:
    """All names and attributes that occur below a node."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute):
            found.add(inner.attr)
        elif isinstance(inner, ast.arg):
            found.add(inner.arg)
    return frozenset(found)


def lines_by_name(
    tree: CodeTree, imports: Imports, failing: Sequence[str], passing: Iterable[str], targets: Collection[str]
) -> Coverage:
    """The lines of target files that failing and passing tests (ids) may run."""
    tests = [*failing, *passing]
    files = {name: tree.find(name) for name in dict.fromkeys(test.partition("::")[0] for test in tests)}
    roots = dict.fromkeys(files[test.partition("::")[0]] for test in failing)
    near = [path for path in imports.reached(filter(None, roots)) if path in targets]
    known: _Units = {}
    for path in near or targets:
        _add_units(known, path, tree)
    shared: dict[str, frozenset[str]] = {}
    for path in tree.paths:
        if path.rpartition("/")[2] == "conftest.py":
            shared |= _functions(path, tree)
    found = list(dict.fromkeys(path for path in files.values() if path))[:_TEST_FILES]
    bodies = {path: {**shared, **_functions(path, tree)} for path in found}
    reached: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {}
    coverage: dict[str, dict[str, tuple[int, ...]]] = {}
    for test in tests:
        file, _, rest = test.partition("::")
        key = (file, rest.partition("[")[0].rpartition("::")[2])
        if key not in reached:
            functions = bodies.get(files[file], {})
            reached[key] = _closure(functions.get(key[1], frozenset()), functions, known)
        coverage[test] = reached[key]
    return coverage


def _add_units(known: _Units, path: str, tree: CodeTree) -> None:
    """Note the functions of a file by name; a class name stands for its special methods, which run unnamed."""
    module = tree.tree(path)
    for node in ast.walk(module) if module is not None else ():
        named = [node] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
        if isinstance(node, ast.ClassDef):
            named = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name.startswith("__")]
        for unit in named:
            lines = tuple(range(unit.body[0].lineno, (unit.end_lineno or unit.lineno) + 1))
            name = node.name if isinstance(node, ast.ClassDef) else unit.name
            known.setdefault(name, []).append((path, lines, mentions(unit)))


def _functions(path: str, tree: CodeTree) -> dict[str, frozenset[str]]:
    """Functions of a file and the names that each mentions."""
    units: _Units = {}
    _add_units(units, path, tree)
    return {name: frozenset().union(*(names for _, _, names in entries)) for name, entries in units.items()}


def _closure(start: frozenset[str], helpers: Mapping[str, frozenset[str]], known: _Units) -> dict[str, tuple[int, ...]]:
    lines: dict[str, set[int]] = {}
    seen: set[str] = set()
    names = set(start)
    for _ in range(_STEPS):
        fresh = names - seen
        seen |= fresh
        names = set()
        for name in fresh:
            names |= helpers.get(name, frozenset())
            for path, own, called in known.get(name, ()):
                lines.setdefault(path, set()).update(own)
                names |= called
    return {path: tuple(sorted(own)) for path, own in lines.items()}
