"""Operators on sorting: `sorted-to-heap` and `key-getter`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.knowledge import called, literal_value
from maabarium.proposers.mutate.rewrites.operator import Rewrite, operator
from maabarium.proposers.mutate.rewrites.preamble import add_import

__all__ = ["key_getter", "sorted_to_heap"]


def _sorted(source: ConcreteFile, node: cst.CSTNode) -> tuple[cst.BaseExpression, str, bool] | None:
    """Iterable, text of the key argument and direction of a call of `sorted` that is plain enough."""
    if not isinstance(node, cst.Call) or called(source, node) != "sorted" or not node.args:
        return None
    first, key, backwards = node.args[0], "", False
    if first.keyword is not None or first.star:
        return None
    for argument in node.args[1:]:
        word = argument.keyword.value if argument.keyword is not None else ""
        if word == "key":
            key = f", key={source.code(argument.value)}"
        elif word == "reverse" and isinstance(argument.value, cst.Name) and argument.value.value in ("True", "False"):
            backwards = argument.value.value == "True"
        else:
            return None
    return first.value, key, backwards


@operator("sorted-to-heap", "take the first n by a heap instead of sorting everything", 0.2, cst.Subscript)
def sorted_to_heap(source: ConcreteFile, node: cst.Subscript) -> Iterator[Rewrite]:
    """`sorted(x)[:n]` becomes `heapq.nsmallest(n, x)`, or `nlargest` when the order is reversed.

    Pays when n is small beside the length. Both are defined as equal to the sorted slice, ties included. Refused
    for other slices, and for negative or missing bounds.
    """
    part, plain = node.slice[0].slice, _sorted(source, node.value)
    if plain is None or len(node.slice) != 1 or node in source.names.targets or not isinstance(part, cst.Slice):
        return
    if part.upper is None or part.lower is not None or part.step is not None:
        return
    bound = literal_value(part.upper)
    if not (isinstance(bound, int) and bound >= 0) and not isinstance(part.upper, (cst.Name, cst.Attribute)):
        return
    iterable, key, backwards = plain
    imported = add_import(source, node, "heapq", "nlargest" if backwards else "nsmallest")
    if imported is not None:
        name, edits = imported
        text = source.code(iterable)
        if isinstance(iterable, cst.GeneratorExp) and not iterable.lpar:
            text = f"({text})"  # needed beside other arguments
        edit = source.replace(node, f"{name}({source.code(part.upper)}, {text}{key})")
        yield Rewrite(node, "take the first by a heap", "all was sorted to get a few", (*edits, edit))


@operator("key-getter", "sort by operator.attrgetter instead of a lambda", 0.2, cst.Lambda)
def key_getter(source: ConcreteFile, node: cst.Lambda) -> Iterator[Rewrite]:
    """`key=lambda r: r.x` becomes `key=attrgetter("x")`. (Ruff's FURB118 does it for items.)

    Pays because the getter is called without a Python frame. Works for several attributes in a tuple. Refused for
    anything else in the lambda, and for lambdas with defaults or more than one parameter.
    """
    argument, parameters = source.parent[node], node.params
    if not isinstance(argument, cst.Arg) or argument.keyword is None or argument.keyword.value != "key":
        return
    if len(parameters.params) != 1 or parameters.params[0].default is not None or parameters.kwonly_params:
        return
    if parameters.star_kwarg or parameters.posonly_params or isinstance(parameters.star_arg, cst.Param):
        return
    name = parameters.params[0].name.value
    bodies = [item.value for item in node.body.elements] if isinstance(node.body, cst.Tuple) else [node.body]
    names = [
        f'"{body.attr.value}"'
        for body in bodies
        if isinstance(body, cst.Attribute) and isinstance(body.value, cst.Name) and body.value.value == name
    ]
    single_in_tuple = isinstance(node.body, cst.Tuple) and len(bodies) == 1
    imported = add_import(source, node, "operator", "attrgetter") if len(names) == len(bodies) else None
    if imported is not None and not single_in_tuple:
        getter, edits = imported
        edit = source.replace(node, f"{getter}({', '.join(names)})")
        yield Rewrite(node, "use attrgetter as the key", "a lambda was called per element", (*edits, edit))
