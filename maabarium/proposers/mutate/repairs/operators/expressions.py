"""Repairs of conditions and arithmetic: operators, signs, missing and superfluous `not`, bounds that are one off."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from maabarium.proposers.mutate.repairs.place import NodePlace, Repair

__all__ = ["INSTEAD", "binary", "boolean", "bounds", "comparison", "negation", "operands", "sign"]

_TOKENS: dict[type[ast.AST], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
}  # fmt: skip

INSTEAD: dict[str, tuple[tuple[str, float], ...]] = {
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
    "+": (("-", 0.85), ("*", 0.5), ("//", 0.3), ("%", 0.3), ("/", 0.25), ("**", 0.08)),
    "-": (("+", 0.85), ("*", 0.4), ("//", 0.35), ("%", 0.35), ("/", 0.25), ("**", 0.08)),
    "*": (("+", 0.5), ("//", 0.45), ("/", 0.45), ("-", 0.45), ("%", 0.4), ("**", 0.3)),
    "/": (("*", 0.6), ("//", 0.6), ("-", 0.4), ("+", 0.4), ("%", 0.4), ("**", 0.08)),
    "//": (("/", 0.6), ("*", 0.5), ("%", 0.5), ("-", 0.4), ("+", 0.4), ("**", 0.08)),
    "%": (("//", 0.5), ("*", 0.45), ("-", 0.45), ("/", 0.4), ("+", 0.4), ("**", 0.08)),
    "**": (("*", 0.7), ("-", 0.45), ("+", 0.45), ("//", 0.35), ("/", 0.3), ("%", 0.3)),
    "<<": ((">>", 0.8),),
    ">>": (("<<", 0.8),),
    "&": (("|", 0.8), ("^", 0.3)),
    "|": (("&", 0.8), ("^", 0.3)),
    "^": (("&", 0.5), ("|", 0.5)),
}
"""What each operator may have been before somebody mistook it, with how often."""
_ATOMS = ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant
_BOUNDARY = {("<", "<="), ("<=", "<"), (">", ">="), (">=", ">")}
_TRUTHS = ("is", "has", "can", "should", "startswith", "endswith", "any", "all", "contains", "isdigit", "isalpha")
_FOR_WORDS = ("+", "*", "%")
_RANK = {"**": 4, "*": 3, "/": 3, "//": 3, "%": 3, "+": 2, "-": 2, "<<": 1, ">>": 1, "&": 0, "^": 0, "|": 0}


def comparison(node: ast.Compare, place: NodePlace) -> Iterator[Repair]:
    """Each comparison operator by the others of its family, nearest first."""
    for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
        token = _TOKENS[type(operator)]
        span = place.between(left, right, token)
        if span is None:
            continue
        for new, prior in INSTEAD[token]:
            if new in ("in", "not in") and isinstance(right, ast.Constant) and not isinstance(right.value, str):
                continue
            tags = ("boundary",) if (token, new) in _BOUNDARY else ("condition",)
            yield Repair("comparison", *span, _spaced(place, span, new), prior, tags)


def boolean(node: ast.BoolOp, place: NodePlace) -> Iterator[Repair]:
    """`and` by `or` and the other way round; and each operand left out."""
    token, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for left, right in pairwise(node.values):
        if span := place.between(left, right, token):
            yield Repair("boolean", *span, _spaced(place, span, new), 0.85, ("condition",))
    if len(node.values) == 2:
        for value in node.values:
            text = place.text(value) if isinstance(value, _ATOMS) else f"({place.text(value)})"
            yield from place.replace("boolean", node, text, 0.12, ("condition",))


def negation(node: ast.expr, place: NodePlace) -> Iterator[Repair]:
    """`not x` by `x`, and a condition by its opposite."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        start, end = place.source.span(node)[0], place.source.span(node.operand)[0]
        if place.find(start, end, "not"):
            bare = place.source.text[start:end].strip() == "not"
            yield Repair("not", start, end if bare else start + 3, "", 0.85, ("condition",))
    elif prior := _wants_not(node, place):
        text = place.text(node)
        new = f"not {text}" if isinstance(node, _ATOMS) else f"not ({text})"
        bare = place.parent is None or isinstance(place.parent, ast.BoolOp | ast.IfExp | ast.comprehension)
        new = new if bare else f"({new})"
        yield from place.replace("not", node, new, prior, ("condition",))


def _wants_not(node: ast.expr, place: NodePlace) -> float:
    """How likely a `not` is missing here; 0 where a condition is not expected or an operator covers it already."""
    if (isinstance(node, ast.Compare) and len(node.ops) == 1) or isinstance(node, ast.Constant | ast.JoinedStr):
        return 0.0
    parent = place.parent
    if _tested(node, place):
        return 0.25 if isinstance(node, ast.BoolOp) else 0.6
    if isinstance(parent, ast.BoolOp):
        return 0.2
    returned = parent is None and isinstance(place.statement.node, ast.Return)
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
    if not new[0].isalpha():
        return new
    left, right = place.source.text[span[0] - 1 : span[0]], place.source.text[span[1] : span[1] + 1]
    blanks = [" " if side.isalnum() or side in "_'\"" else "" for side in (left, right)]
    return new.join(blanks)


def binary(node: ast.BinOp, place: NodePlace) -> Iterator[Repair]:
    """Each arithmetic or bit operator by the others."""
    token = _TOKENS.get(type(node.op), "")
    span = place.between(node.left, node.right, token) if token else None
    if span is None:
        return
    words = any(_wordy(side) for side in (node.left, node.right))
    for new, prior in INSTEAD[token]:
        if words and new not in _FOR_WORDS:
            continue
        if words and token not in _FOR_WORDS:
            prior = 0.9  # no such operator exists for texts and lists
        yield Repair("arithmetic", *span, new, prior, ("arithmetic",))
        if _RANK[new] < _RANK[token] and isinstance(place.parent, ast.BinOp):
            start, end = place.source.span(node)
            text = place.source.text
            whole = f"({text[start : span[0]]}{new}{text[span[1] : end]})"
            yield Repair("arithmetic", start, end, whole, prior * 0.4, ("arithmetic",))


def sign(node: ast.expr, place: NodePlace) -> Iterator[Repair]:
    """`-x` by `x`, and `x` by `-x` where a number is likely."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd | ast.Invert):
        start, end = place.source.span(node)[0], place.source.span(node.operand)[0]
        if len(place.source.text[start:end].strip()) == 1:
            yield Repair("sign", start, end, "", 0.6, ("sign",))
            if isinstance(node.op, ast.UAdd):
                yield Repair("sign", start, start + 1, "-", 0.5, ("sign",))
    elif _numeric_spot(node, place) and not isinstance(getattr(node, "ctx", None), ast.Store):
        yield from place.replace("sign", node, f"-{place.text(node)}", 0.14, ("sign",))


def operands(node: ast.BinOp, place: NodePlace) -> Iterator[Repair]:
    """`a - b` by `b - a`, where the order matters; and each operand alone where the other is a small number."""
    token = _TOKENS.get(type(node.op))
    span = place.between(node.left, node.right, token) if token else None
    if span is None:
        return
    start, end = place.source.span(node.left)[1], place.source.span(node)[1]
    if token in ("-", "/", "//", "%", "**") and isinstance(node.left, _ATOMS) and isinstance(node.right, _ATOMS):
        gap = place.source.text[start : place.source.span(node.right)[0]]
        if gap.strip() == token:
            swapped = place.text(node.right) + gap + place.text(node.left)
            yield from place.replace("operands", node, swapped, 0.25, ("arithmetic", "sign"))
    if token in ("+", "-") and isinstance(node.right, ast.Constant) and node.right.value == 1:
        if place.source.text[start : span[0]].strip():  # a bracket, which has to stay
            yield from place.replace("off-by-one", node.right, "0", 0.35, ("one",))
        else:
            yield Repair("off-by-one", start, end, "", 0.35, ("one",))


def bounds(node: ast.expr | ast.Slice, place: NodePlace) -> Iterator[Repair]:
    """Bounds of `range`, slices, indexes and comparisons by one more and one less; a slice without one bound."""
    if isinstance(node, ast.Slice):
        yield from _slice(node, place)
    elif prior := _bound_prior(node, place.parent):
        for sign in "+-":
            new = f"{place.text(node)} {sign} 1"
            new = f"({new})" if isinstance(place.parent, ast.BinOp) else new
            yield from place.replace("off-by-one", node, new, prior, ("one",))


def _bound_prior(node: ast.expr, parent: ast.AST | None) -> float:
    """How likely this expression is a bound that is one off."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.right, ast.Constant) or not isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
            return 0.0
    elif not isinstance(node, ast.Name | ast.Attribute | ast.Call):
        return 0.0
    if isinstance(parent, ast.Slice):
        return 0.3
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and node in parent.args:
        return 0.35 if parent.func.id == "range" else 0.0
    if isinstance(parent, ast.Subscript) and parent.slice is node:
        return 0.1
    length = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"
    if isinstance(parent, ast.Compare):
        return 0.2 if length else 0.08
    return 0.12 if length else 0.0


def _slice(node: ast.Slice, place: NodePlace) -> Iterator[Repair]:
    for bound in (node.lower, node.upper):
        if bound is not None:
            yield from place.replace("slice", bound, "", 0.15, ("one",))
    start, end = place.source.span(node)
    text = place.source.text[start:end]
    if text == ":":
        names = sorted(place.statement.scope.names, key=lambda name: -place.statement.scope.names[name])
        near = [name for name in names if place.statement.scope.names[name] <= place.statement.first][:5]
        known = [(f":{name}", 0.12) for name in near] + [(f"{name}:", 0.12) for name in near]
        for new, prior in (("1:", 0.2), (":-1", 0.2), ("::-1", 0.15), *known):
            yield Repair("slice", start, end, new, prior, ("one", "name"))
    elif node.lower is None and text.startswith(":"):
        yield Repair("slice", start, start, "1", 0.1, ("one",))
    elif node.upper is None and text.endswith(":") and node.step is None:
        yield Repair("slice", end, end, "-1", 0.08, ("one",))


def _wordy(node: ast.expr) -> bool:
    """Whether an operand is certainly a text or a list, for which most arithmetic is no sense."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes)
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp | ast.Dict)


def _numeric_spot(node: ast.expr, place: NodePlace) -> bool:
    parent = place.parent
    if not isinstance(node, ast.Name | ast.Call | ast.Attribute):
        return False
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.Mult | ast.Div) or parent.left is node
    if parent is None:
        return isinstance(place.statement.node, ast.Return | ast.AugAssign) and not isinstance(node, ast.Call)
    return False
