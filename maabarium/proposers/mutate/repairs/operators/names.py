"""Repairs of names: a variable or attribute taken for another one of the same scope."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from maabarium.proposers.mutate.repairs.place import NodePlace, Repair

__all__ = ["attribute", "variable"]

_BUILTIN = frozenset(dir(builtins))
_MOST = 7


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
    short = min(len(one), len(two))
    head = next((index for index in range(short) if one[index] != two[index]), short)
    tail = next((index for index in range(short - head) if one[-1 - index] != two[-1 - index]), short - head)
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
