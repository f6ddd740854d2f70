"""Which lines tests may run, where nothing was traced: guessed from names, within what their files import.

Too much is reached, rarely too little. Knows no weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from maabarium.proposers import reach
from maabarium.proposers.council.context.callers import Imports
from maabarium.proposers.council.context.failures import Failure
from maabarium.proposers.council.context.library import SourceFiles

__all__ = ["Coverage", "by_names"]

Coverage = Mapping[str, Mapping[str, Sequence[int]]]
"""Test id -> path -> lines, as in `LineMap.by_test`."""

_TEST_FILES = 20
_FILES = 60
"""Files that are followed from import to import."""


def by_names(
    failures: Sequence[Failure], passing: Iterable[str], targets: frozenset[str], library: SourceFiles, imports: Imports
) -> Coverage:
    """The lines of target files that failing tests, and passing ones of the same files, may run."""
    files = list(dict.fromkeys(failure.path for failure in failures if failure.path))[:_TEST_FILES]
    shared: dict[str, frozenset[str]] = {}
    for path in library.paths:
        if path.rpartition("/")[2] == "conftest.py":
            shared |= _functions(path, library)
    bodies = {path: {**shared, **_functions(path, library)} for path in files}
    known = []
    for path in _imported(files, library, imports):
        tree = library.tree(path) if path in targets else None
        if tree is not None:
            known.append(reach.units(path, tree))
    tests = [id for failure in failures for id in failure.ids]
    tests += [id for id in passing if any(f"/{path}".endswith(f"/{id.partition('::')[0]}") for path in files)]
    return reach.coverage(tests, bodies, known)


def _functions(path: str, library: SourceFiles) -> dict[str, frozenset[str]]:
    """Functions of a file and the names that each mentions."""
    tree = None if library.obstacle(path) else library.tree(path)
    units = reach.units(path, tree) if tree is not None else {}
    return {name: frozenset().union(*(entry[2] for entry in entries)) for name, entries in units.items()}


def _imported(files: Sequence[str], library: SourceFiles, imports: Imports) -> list[str]:
    """What these files import, and what that imports, nearest first."""
    seen = dict.fromkeys(files)
    waiting = list(files)
    while waiting and len(seen) < _FILES:
        path = waiting.pop(0)
        for target, _ in imports.imported(path):
            if target not in seen and not library.obstacle(target):
                seen[target] = None
                waiting.append(target)
    return list(seen)
