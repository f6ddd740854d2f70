"""Repairs of arithmetic: operators, signs, swapped operands, and bounds that are one off."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from maabarium.proposers.mutate.repairs.place import NodePlace, Repair

__all__ = ["INSTEAD", "binary", "bounds", "operands", "sign"]

_TOKENS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
}  # fmt: skip

INSTEAD: dict[str, tuple[tuple[str, float], ...]] = {
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
_FOR_WORDS = ("+", "*", "%")
_RANK = {"**": 4, "*": 3, "/": 3, "//": 3, "%": 3, "+": 2, "-": 2, "<<": 1, ">>": 1, "&": 0, "^": 0, "|": 0}


def binary(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """Each arithmetic or bit operator by the others."""
    if not isinstance(node, ast.BinOp):
        return
    token = _TOKENS.get(type(node.op), "")
    span = place.between(node.left, node.right, token) if token in INSTEAD else None
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


def sign(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """`-x` by `x`, and `x` by `-x` where a number is likely."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd | ast.Invert):
        start, end = place.source.span(node)[0], place.source.span(node.operand)[0]
        if len(place.source.text[start:end].strip()) == 1:
            yield Repair("sign", start, end, "", 0.6, ("sign",))
            if isinstance(node.op, ast.UAdd):
                yield Repair("sign", start, start + 1, "-", 0.5, ("sign",))
    elif isinstance(node, ast.Name | ast.Call | ast.Attribute) and _numeric_spot(node, place):
        if isinstance(getattr(node, "ctx", None), ast.Store):
            return
        yield from place.replace("sign", node, f"-{place.text(node)}", 0.14, ("sign",))


def operands(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """`a - b` by `b - a`, where the order matters; and each operand alone where the other is a small number."""
    if not isinstance(node, ast.BinOp):
        return
    left, right = place.text(node.left), place.text(node.right)
    token = _TOKENS.get(type(node.op), "")
    span = place.between(node.left, node.right, token) if token else None
    if span is None:
        return
    if token in ("-", "/", "//", "%", "**"):
        start, middle = place.source.span(node.left)[1], place.source.span(node.right)[0]
        gap = place.source.text[start:middle]
        atoms = ast.Name | ast.Attribute | ast.Call | ast.Constant | ast.Subscript
        if isinstance(node.left, atoms) and isinstance(node.right, atoms) and gap.strip() == token:
            yield from place.replace("operands", node, right + gap + left, 0.25, ("arithmetic", "sign"))
    if token in ("+", "-") and isinstance(node.right, ast.Constant) and node.right.value == 1:
        start, end = place.source.span(node.left)[1], place.source.span(node)[1]
        if place.source.text[start : span[0]].strip():  # a bracket, which has to stay
            yield from place.replace("off-by-one", node.right, "0", 0.35, ("one",))
        else:
            yield Repair("off-by-one", start, end, "", 0.35, ("one",))


def bounds(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """Bounds of `range`, slices, indexes and comparisons by one more and one less; a slice without one bound."""
    parent = place.parent
    if isinstance(node, ast.Slice):
        yield from _slice(node, place)
    if not isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.BinOp):
        return
    prior = _bound_prior(node, parent)
    if not prior or (isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Add | ast.Sub | ast.Mult)):
        return
    text = place.text(node)
    for new in (f"{text} + 1", f"{text} - 1"):
        whole = f"({new})" if isinstance(parent, ast.BinOp) else new
        yield from place.replace("off-by-one", node, whole, prior, ("one",))


def _bound_prior(node: ast.expr, parent: ast.AST | None) -> float:
    """How likely this expression is a bound that is one off."""
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant):
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
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.Mult | ast.Div) or parent.left is node
    if parent is None:
        return isinstance(place.statement.node, ast.Return | ast.AugAssign) and not isinstance(node, ast.Call)
    return False
