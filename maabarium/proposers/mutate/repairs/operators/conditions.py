"""Repairs of conditions: comparison operators, `and`/`or`, missing and superfluous `not`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from maabarium.proposers.mutate.repairs.place import NodePlace, Repair

__all__ = ["boolean", "comparison", "negation"]

_TOKENS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not",
}  # fmt: skip

_INSTEAD: dict[str, tuple[tuple[str, float], ...]] = {
    "<": (("<=", 0.9), (">", 0.65), (">=", 0.65), ("!=", 0.5), ("==", 0.5)),
    "<=": (("<", 0.9), (">", 0.65), (">=", 0.65), ("==", 0.5), ("!=", 0.45)),
    ">": ((">=", 0.9), ("<", 0.65), ("<=", 0.65), ("!=", 0.5), ("==", 0.5)),
    ">=": ((">", 0.9), ("<", 0.65), ("<=", 0.65), ("==", 0.5), ("!=", 0.45)),
    "==": (("!=", 0.9), ("<=", 0.55), (">=", 0.55), ("<", 0.5), (">", 0.5), ("in", 0.12)),
    "!=": (("==", 0.9), ("<", 0.55), (">", 0.55), ("<=", 0.5), (">=", 0.5), ("not in", 0.08)),
    "in": (("not in", 0.9), ("==", 0.2)),
    "not in": (("in", 0.9), ("!=", 0.15)),
    "is": (("is not", 0.9), ("==", 0.2)),
    "is not": (("is", 0.9), ("!=", 0.2)),
}
_BOUNDARY = {("<", "<="), ("<=", "<"), (">", ">="), (">=", ">")}
_TRUTHS = ("is", "has", "can", "should", "startswith", "endswith", "any", "all", "contains", "isdigit", "isalpha")


def comparison(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """Each comparison operator by the others of its family, nearest first."""
    if not isinstance(node, ast.Compare):
        return
    lefts = [node.left, *node.comparators]
    for left, operator, right in zip(lefts, node.ops, node.comparators, strict=False):
        token = _TOKENS[type(operator)]
        span = place.between(left, right, token)
        if span is None:
            continue
        for new, prior in _INSTEAD[token]:
            if new in ("in", "not in") and isinstance(right, ast.Constant) and not isinstance(right.value, str):
                continue
            tags = ("boundary",) if (token, new) in _BOUNDARY else ("condition",)
            yield Repair("comparison", *span, _spaced(place, span, new), prior, tags)


def boolean(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """`and` by `or` and the other way round; and each operand left out."""
    if not isinstance(node, ast.BoolOp):
        return
    token, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    spans = [place.between(a, b, token) for a, b in zip(node.values, node.values[1:], strict=False)]
    for span in spans:
        if span is not None:
            yield Repair("boolean", *span, _spaced(place, span, new), 0.85, ("condition",))
    if len(node.values) == 2:
        for value in node.values:
            yield from place.replace("boolean", node, _bracketed(place.text(value), value), 0.12, ("condition",))


def negation(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """`not x` by `x`, and a condition by its opposite."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        start = place.source.span(node)[0]
        end = place.source.span(node.operand)[0]
        if place.find(start, end, "not"):
            bare = place.source.text[start:end].strip() == "not"
            yield Repair("not", start, end if bare else start + 3, "", 0.85, ("condition",))
    elif isinstance(node, ast.expr) and (prior := _wants_not(node, place)):
        text = place.text(node)
        simple = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant)
        new = f"not {text}" if simple else f"not ({text})"
        bare = place.parent is None or isinstance(place.parent, ast.BoolOp | ast.IfExp | ast.comprehension)
        new = new if bare else f"({new})"
        yield from place.replace("not", node, new, prior, ("condition",))


def _wants_not(node: ast.expr, place: NodePlace) -> float:
    """How likely a `not` is missing here; 0 where a condition is not expected or an operator covers it already."""
    if (isinstance(node, ast.Compare) and len(node.ops) == 1) or isinstance(node, ast.Constant | ast.JoinedStr):
        return 0.0
    parent = place.parent
    statement = place.statement.node
    if _tested(node, place):
        return 0.25 if isinstance(node, ast.BoolOp) else 0.6
    if isinstance(parent, ast.BoolOp):
        return 0.2
    returned = parent is None and isinstance(statement, ast.Return)
    if returned and (isinstance(node, ast.Compare | ast.BoolOp) or (isinstance(node, ast.Call) and _truth(node.func))):
        return 0.4
    if isinstance(node, ast.Call) and _truth(node.func) and not isinstance(parent, ast.UnaryOp):
        return 0.15
    return 0.0


def _tested(node: ast.expr, place: NodePlace) -> bool:
    """Whether an expression decides a branch, alone or joined to others by `and` and `or`."""
    inner: ast.AST = node
    for parent in reversed(place.parents):
        if not isinstance(parent, ast.BoolOp):
            whole = isinstance(parent, ast.IfExp) and parent.test is inner
            return whole or (isinstance(parent, ast.comprehension) and inner in parent.ifs)
        inner = parent
    return isinstance(place.statement.node, ast.If | ast.While | ast.Assert)


def _truth(function: ast.expr) -> bool:
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return str(name).lstrip("_").startswith(_TRUTHS)


def _spaced(place: NodePlace, span: tuple[int, int], new: str) -> str:
    """The token with a blank where a word would otherwise touch its neighbour (`a<b` to `a in b`)."""
    text = place.source.text
    if not new[0].isalpha():
        return new
    left = " " if text[span[0] - 1 : span[0]].isalnum() or text[span[0] - 1 : span[0]] in "_'\"" else ""
    right = " " if text[span[1] : span[1] + 1].isalnum() or text[span[1] : span[1] + 1] in "_'\"" else ""
    return left + new + right


def _bracketed(text: str, node: ast.AST) -> str:
    """The text of an operand, in brackets where it may bind less tightly than what it replaces."""
    safe = ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant
    return text if isinstance(node, safe) else f"({text})"
