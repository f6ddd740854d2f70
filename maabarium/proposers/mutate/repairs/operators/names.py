"""Repairs of names: functions, methods, variables and attributes taken for others, and arguments swapped."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from itertools import pairwise

from maabarium.proposers.mutate.repairs.place import NodePlace, Repair, common_ends

__all__ = ["arguments", "attribute", "neighbour", "variable"]

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
_BUILTIN = frozenset(dir(builtins))
_MOST = 7


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


def variable(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """A variable that is read by others of the same scope that hold a value by then, likeliest first."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load) or place.statement.scope.kind != "function":
        return
    if isinstance(place.parent, ast.Call) and place.parent.func is node:
        return
    names = place.statement.scope.names
    local = _comprehended(place)
    if node.id not in names and node.id not in local and (node.id in _BUILTIN or node.id[:1].isupper()):
        return
    known = {name: line for name, line in names.items() if line <= node.lineno and name not in ("self", "cls", "_")}
    others = {**known, **dict.fromkeys(local, node.lineno)}
    bound = set(place.statement.binds) if isinstance(place.statement.node, ast.Assign) else set()
    ranked = _ranked(node, others, bound, names)
    unread = [name for name in known if not place.statement.scope.reads[name] and name not in bound]
    prior = 0.7 if node.id in place.words.unbound else 0.26
    for rank, other in enumerate(dict.fromkeys((*unread[:2], *ranked))):
        likely = max(prior - 0.03 * rank, 0.08) * (2.0 if other in unread else 1.0)
        yield from place.replace("variable", node, other, likely, ("name",))


def _ranked(node: ast.Name, others: dict[str, int], bound: set[str], names: dict[str, int]) -> list[str]:
    """Other names: alike in spelling first, then bound near this one; those bound only here come last."""

    def distance(name: str) -> tuple[bool, float, str]:
        apart = min(abs(others[name] - names.get(node.id, node.lineno)), 5)
        alike = _alike(name, node.id)
        return (name in bound and others[name] == node.lineno, apart / 10 - alike * 2, name)

    return sorted((name for name in others if name != node.id), key=distance)[:_MOST]


def _alike(one: str, two: str) -> float:
    """Share of letters in common at the start and at the end, from 0 to 1."""
    head, tail = common_ends(one, two)
    return (head + tail) / max(len(one), len(two))


def _comprehended(place: NodePlace) -> list[str]:
    """Variables of the comprehensions and lambdas around."""
    found: dict[str, None] = {}
    for parent in place.parents:
        for generator in getattr(parent, "generators", ()):
            if generator not in place.parents:
                found.update({child.id: None for child in ast.walk(generator.target) if isinstance(child, ast.Name)})
        if isinstance(parent, ast.Lambda):
            found.update({argument.arg: None for argument in parent.args.args})
    return list(found)


def attribute(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """An attribute of `self`, or of a local object, by one that the class or the same function also uses."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return
    end = place.source.span(node)[1]
    if place.source.text[end - len(node.attr) : end] != node.attr or isinstance(place.statement.node, ast.Delete):
        return
    called = isinstance(place.parent, ast.Call) and place.parent.func is node
    known = place.statement.scope.attributes
    if node.attr not in known or called:
        return
    dunder = node.attr.startswith("__")
    others = sorted(
        (name for name in known if name != node.attr and name.startswith("__") == dunder),
        key=lambda name: (-_alike(name, node.attr), name),
    )
    for rank, other in enumerate(others[:_MOST]):
        prior = max(0.3 - 0.06 * rank, 0.05) * (1.0 if isinstance(node.ctx, ast.Load) else 0.4)
        yield Repair("attribute", end - len(node.attr), end, other, prior, ("name",))
