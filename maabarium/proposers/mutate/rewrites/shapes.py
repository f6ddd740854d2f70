"""Shapes of syntax that several operators look for: plain assignments, indexes, comparisons, calls of methods."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from maabarium.code.concrete import ConcreteFile

__all__ = [
    "arguments", "assignment", "compared", "guarded", "index", "is_membership", "method", "method_on",
    "single",
]  # fmt: skip


def assignment(node: cst.CSTNode | None) -> tuple[cst.BaseExpression, cst.BaseExpression] | None:
    """Target and value of an assignment to one target, without annotation."""
    if not isinstance(node, cst.Assign) or len(node.targets) != 1:
        return None
    return node.targets[0].target, node.value


def index(node: cst.CSTNode | None) -> tuple[cst.BaseExpression, cst.BaseExpression] | None:
    """Container and index of `container[index]`; no slice, and one index only."""
    if not isinstance(node, cst.Subscript) or len(node.slice) != 1:
        return None
    part = node.slice[0].slice
    return (node.value, part.value) if isinstance(part, cst.Index) else None


def compared(node: cst.CSTNode) -> tuple[cst.BaseExpression, cst.BaseCompOp, cst.BaseExpression] | None:
    """Left side, operator and right side of a comparison of two values."""
    if not isinstance(node, cst.Comparison) or len(node.comparisons) != 1:
        return None
    return node.left, node.comparisons[0].operator, node.comparisons[0].comparator


def method(node: cst.CSTNode | None) -> tuple[cst.BaseExpression, str, Sequence[cst.Arg]] | None:
    """Object, name and arguments of a call of a method."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    return node.func.value, node.func.attr.value, node.args


def method_on(source: ConcreteFile, node: cst.CSTNode) -> str | None:
    """Name of the method that is called on a node; None for any other use of it."""
    match source.parent[node]:
        case cst.Attribute(value=holder, attr=attribute) as parent if holder is node:
            outer = source.parent[parent]
            return attribute.value if isinstance(outer, cst.Call) and outer.func is parent else None
        case _:
            return None


def arguments(call: cst.Call) -> list[cst.BaseExpression] | None:
    """The arguments of a call that has positional ones only, none of them starred."""
    plain = all(not argument.star and argument.keyword is None for argument in call.args)
    return [argument.value for argument in call.args] if plain else None


def single(node: cst.CSTNode | None) -> cst.BaseSmallStatement | None:
    """The only small statement of a block or line."""
    if isinstance(node, cst.IndentedBlock) and len(node.body) == 1:
        node = node.body[0]
    return node.body[0] if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1 else None


def is_membership(source: ConcreteFile, node: cst.CSTNode) -> bool:
    """Whether the node is the right side of `in` or `not in`."""
    parent = source.parent[node]
    return isinstance(parent, cst.ComparisonTarget) and isinstance(parent.operator, (cst.In, cst.NotIn))


def guarded(source: ConcreteFile, node: cst.CSTNode) -> bool:
    """Whether a `try` of the same function stands around the node: its handler could see what was done so far."""
    for parent in source.ancestors(node):
        if isinstance(parent, (cst.FunctionDef, cst.Try, cst.TryStar)):
            return not isinstance(parent, cst.FunctionDef)
    return False
