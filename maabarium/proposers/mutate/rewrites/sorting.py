"""Operators on sorting: `sorted-to-min`, `sorted-to-heap` and `key-getter`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.knowledge import called, literal_value
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite
from maabarium.proposers.mutate.rewrites.preamble import add_import

__all__ = ["KeyGetter", "SortedToHeap", "SortedToMin"]


def _sorted(source: ConcreteFile, node: cst.CSTNode) -> tuple[cst.Arg, cst.Arg | None, bool] | None:
    """Iterable, key and direction of a call of `sorted` that is plain enough."""
    if not isinstance(node, cst.Call) or called(source, node) != "sorted" or not node.args:
        return None
    first, key, backwards = node.args[0], None, False
    if first.keyword is not None or first.star:
        return None
    for argument in node.args[1:]:
        word = argument.keyword.value if argument.keyword is not None else ""
        if word == "key":
            key = argument
        elif word == "reverse" and isinstance(argument.value, cst.Name) and argument.value.value in ("True", "False"):
            backwards = argument.value.value == "True"
        else:
            return None
    return first, key, backwards


def _arguments(source: ConcreteFile, first: cst.Arg, key: cst.Arg | None) -> str:
    text = source.code(first.value)
    if key is None:
        return text
    return f"{_parenthesised(first.value, text)}, key={source.code(key.value)}"


def _parenthesised(node: cst.BaseExpression, text: str) -> str:
    """A generator needs parentheses of its own beside other arguments."""
    return f"({text})" if isinstance(node, cst.GeneratorExp) and not node.lpar else text


def _catches_index_error(source: ConcreteFile, node: cst.CSTNode) -> bool:
    return any(isinstance(parent, (cst.Try, cst.TryStar)) for parent in source.ancestors(node))


class SortedToMin(Operator):
    """`sorted(x)[0]` becomes `min(x)`, `sorted(x)[-1]` becomes `max(x)`, with `key` and `reverse` honoured.

    Pays because finding one element is linear. Refused when ties could decide (the last element under a key), and
    inside `try`, where the IndexError of an empty sequence would become a ValueError.
    """

    name = "sorted-to-min"
    description = "find the smallest or largest element without sorting"
    prior = 0.5

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Subscript):
            if len(node.slice) != 1 or node in source.names.targets:
                continue
            index, plain = node.slice[0].slice, _sorted(source, node.value)
            if plain is None or not isinstance(index, cst.Index) or _catches_index_error(source, node):
                continue
            first, key, backwards = plain
            place = literal_value(index.value)
            if place not in (0, -1) or (place == -1 and key is not None):
                continue
            function = "min" if (place == 0) != backwards else "max"
            if function in source.names.identifiers and source.names.module_variable(function) is not None:
                continue
            edit = source.replace(node, f"{function}({_arguments(source, first, key)})")
            yield Rewrite(node, f"take {function}() directly", "all was sorted to get one element", (edit,))


class SortedToHeap(Operator):
    """`sorted(x)[:n]` becomes `heapq.nsmallest(n, x)`, or `nlargest` when the order is reversed.

    Pays when n is small beside the length. Both are defined as equal to the sorted slice, ties included. Refused
    for other slices, and for negative or missing bounds.
    """

    name = "sorted-to-heap"
    description = "take the first n of an order by a heap instead of sorting everything"
    prior = 0.2

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Subscript):
            if len(node.slice) != 1 or node in source.names.targets:
                continue
            part, plain = node.slice[0].slice, _sorted(source, node.value)
            if plain is None or not isinstance(part, cst.Slice) or part.lower is not None or part.step is not None:
                continue
            bound = literal_value(part.upper) if part.upper is not None else None
            if not (isinstance(bound, int) and bound >= 0) and not isinstance(part.upper, (cst.Name, cst.Attribute)):
                continue
            first, key, backwards = plain
            imported = add_import(source, node, "heapq", "nlargest" if backwards else "nsmallest")
            if imported is None or part.upper is None:
                continue
            name, edits = imported
            iterable = _parenthesised(first.value, source.code(first.value))
            tail = f", key={source.code(key.value)}" if key is not None else ""
            edit = source.replace(node, f"{name}({source.code(part.upper)}, {iterable}{tail})")
            yield Rewrite(node, "take the first by a heap", "all was sorted to get a few", (*edits, edit))


class KeyGetter(Operator):
    """`key=lambda item: item[1]` becomes `key=itemgetter(1)`, `key=lambda r: r.x` becomes `key=attrgetter("x")`.

    Pays because the getter is called without a Python frame. Works for several items or attributes in a tuple.
    Refused for anything else in the lambda, and for lambdas with defaults or more than one parameter.
    """

    name = "key-getter"
    description = "sort by operator.itemgetter or attrgetter instead of a lambda"
    prior = 0.2

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Lambda):
            if not isinstance(source.parent[node], cst.Arg):
                continue
            argument = source.parent[node]
            if not isinstance(argument, cst.Arg) or argument.keyword is None or argument.keyword.value != "key":
                continue
            parts = self._parts(source, node)
            if parts is None:
                continue
            function, values = parts
            imported = add_import(source, node, "operator", function)
            if imported is None:
                continue
            name, edits = imported
            edit = source.replace(node, f"{name}({', '.join(values)})")
            yield Rewrite(node, f"use {function} as the key", "a lambda was called per element", (*edits, edit))

    def _parts(self, source: ConcreteFile, node: cst.Lambda) -> tuple[str, list[str]] | None:
        parameters = node.params
        if len(parameters.params) != 1 or parameters.params[0].default is not None or parameters.kwonly_params:
            return None
        if parameters.star_kwarg or parameters.posonly_params or isinstance(parameters.star_arg, cst.Param):
            return None
        name = parameters.params[0].name.value
        bodies = [item.value for item in node.body.elements] if isinstance(node.body, cst.Tuple) else [node.body]
        found = [_getter(source, body, name) for body in bodies]
        if len(bodies) == 1 and isinstance(node.body, cst.Tuple):
            return None
        kinds = {item[0] for item in found if item is not None}
        if None in found or len(kinds) != 1:
            return None
        return kinds.pop(), [item[1] for item in found if item is not None]


def _getter(source: ConcreteFile, body: cst.CSTNode, name: str) -> tuple[str, str] | None:
    if isinstance(body, cst.Attribute) and isinstance(body.value, cst.Name) and body.value.value == name:
        return "attrgetter", f'"{body.attr.value}"'
    if isinstance(body, cst.Subscript) and isinstance(body.value, cst.Name) and body.value.value == name:
        index = body.slice[0].slice if len(body.slice) == 1 else None
        if isinstance(index, cst.Index) and literal_value(index.value) is not None:
            return "itemgetter", source.code(index.value)
    return None
