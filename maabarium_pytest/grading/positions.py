"""Tests whose ids differ from process to process (addresses, random or dated parameters): told apart by position.

Pure. Such tests of one function are matched by the order in which they are collected.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Positions", "function_of", "moving"]


def function_of(id: str) -> str:
    """The id of a parametrised test without its parameters: of all tests of one function the same."""
    path, colons, name = id.partition("::")
    return path + colons + name.partition("[")[0]


def moving(first: Iterable[str], second: Iterable[str]) -> frozenset[str]:
    """Functions whose parameters are other ones in the second process, but as many as in the first."""
    one, two = _by_function(first), _by_function(second)
    same_number = (name for name in one.keys() & two.keys() if len(one[name]) == len(two[name]))
    return frozenset(name for name in same_number if set(one[name]) != set(two[name]))


def _by_function(ids: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for id in ids:
        found.setdefault(function_of(id), []).append(id)
    return found


class Positions:
    """Names for the tests of some functions, in the order in which they are collected."""

    def __init__(self, functions: Iterable[str] = ()) -> None:
        self.functions = frozenset(functions)
        self._counts: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def collected(self, id: str) -> str:
        """The name of a test that was collected now: its own id, or `function[#2]` for the second one."""
        if not self.functions:
            return id
        function = function_of(id)
        if function in self.functions and id not in self._names:
            self._counts[function] = self._counts.get(function, 0) + 1
            self._names[id] = f"{function}[#{self._counts[function]}]"
        return self.name(id)

    def name(self, id: str) -> str:
        """The name of a test that was collected before."""
        return self._names.get(id, id)
