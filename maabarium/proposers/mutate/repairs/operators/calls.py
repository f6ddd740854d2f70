"""Repairs of calls: swapped arguments, and functions or methods mistaken for their neighbours."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from maabarium.proposers.mutate.repairs.place import NodePlace, Repair

__all__ = ["arguments", "neighbour"]

_FUNCTIONS = (
    ("min", "max", "sum"), ("any", "all"), ("int", "float", "round"), ("str", "repr"), ("list", "tuple", "set"),
    ("sorted", "list"), ("floor", "ceil", "trunc", "round"), ("sin", "cos"), ("isinstance", "issubclass"),
    ("bisect_left", "bisect_right"), ("ord", "chr"), ("set", "frozenset"), ("sum", "len"),
)  # fmt: skip
_METHODS = (
    ("append", "extend", "appendleft"), ("lower", "upper"), ("startswith", "endswith"), ("strip", "lstrip", "rstrip"),
    ("find", "rfind"), ("index", "rindex"), ("split", "rsplit"), ("partition", "rpartition"),
    ("ljust", "rjust", "center"),
    ("keys", "values", "items"), ("add", "discard", "remove"), ("pop", "popleft"),
    ("union", "intersection", "difference"),
    ("floor", "ceil", "trunc"), ("isdigit", "isalpha", "isalnum", "isspace"), ("title", "capitalize"),
    ("removeprefix", "removesuffix"), ("match", "search", "fullmatch"), ("bisect_left", "bisect_right"),
    ("get", "pop"), ("update", "setdefault"), ("isoweekday", "weekday"), ("read", "readline"), ("islower", "isupper"),
)  # fmt: skip


def _table(families: Sequence[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for family in families:
        for word in family:
            found.setdefault(word, {}).update(dict.fromkeys(other for other in family if other != word))
    return {word: tuple(others) for word, others in found.items()}


_NEAR_FUNCTIONS = _table(_FUNCTIONS)
_NEAR_METHODS = _table(_METHODS)
_TAGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("lower", "upper", "title", "capitalize"), ("case",)),
    **dict.fromkeys(("strip", "lstrip", "rstrip", "ljust", "rjust", "center"), ("blanks", "call")),
}
_EITHER_END = {"popitem", "move_to_end"}


def arguments(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """Two arguments of a call, or two elements of a short tuple, exchanged."""
    if isinstance(node, ast.Call):
        given = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
        prior = 0.4
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) <= 4:
        given = [element for element in node.elts if not isinstance(element, ast.Starred)]
        prior = 0.2
    else:
        return
    if not 2 <= len(given) <= 6:
        return
    for one in range(len(given)):
        for two in range(one + 1, len(given)):
            yield from _exchange(given[one], given[two], place, prior if two == one + 1 else prior * 0.7)
    if isinstance(node, ast.Call):
        named = [keyword.value for keyword in node.keywords if keyword.arg]
        for first, second in pairwise(named):
            yield from _exchange(first, second, place, 0.15)


def _exchange(first: ast.expr, second: ast.expr, place: NodePlace, prior: float) -> Iterator[Repair]:
    start, middle = place.source.span(first)
    again, end = place.source.span(second)
    one, gap, two = place.text(first), place.source.text[middle:again], place.text(second)
    if one == two or (prior < 0.2 and isinstance(first, ast.Constant) and isinstance(second, ast.Constant)):
        return
    yield Repair("swapped-arguments", start, end, two + gap + one, prior, ("arguments",))


def neighbour(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """A function or method by one that is easily taken for it; `popitem`/`pop` from the other end."""
    if isinstance(node, ast.Call):
        yield from _ends(node, place)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        called = isinstance(place.parent, ast.Call) and place.parent.func is node
        passed = isinstance(place.parent, ast.Call | ast.keyword)
        for rank, word in enumerate(_NEAR_FUNCTIONS.get(node.id, ())) if called or passed else ():
            yield from place.replace("neighbour", node, word, 0.6 - 0.12 * rank, ("call",))
    elif isinstance(node, ast.Attribute):
        end = place.source.span(node)[1]
        if place.source.text[end - len(node.attr) : end] != node.attr:
            return
        words = _NEAR_METHODS.get(node.attr) or _NEAR_FUNCTIONS.get(node.attr, ())
        for rank, word in enumerate(words):
            tags = _TAGS.get(node.attr, ("call",))
            yield Repair("neighbour", end - len(node.attr), end, word, 0.6 - 0.12 * rank, tags)


def _ends(node: ast.Call, place: NodePlace) -> Iterator[Repair]:
    """Calls that work on the first or the last element, depending on an argument that is there or not."""
    name = getattr(node.func, "attr", "")
    end = place.source.span(node)[1]
    if node.args or node.keywords or place.source.text[end - 2 : end] != "()":
        if name == "pop" and len(node.args) == 1 and not node.keywords:
            yield from place.replace("neighbour", node.args[0], "", 0.2, ("call", "one"))
        return
    if name == "pop":
        yield Repair("neighbour", end - 1, end - 1, "0", 0.3, ("call", "one"))
    elif name in _EITHER_END:
        yield Repair("neighbour", end - 1, end - 1, "last=False", 0.35, ("call", "one"))
