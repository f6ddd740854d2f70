"""Repairs of constants: numbers that are one off or quite wrong, truth values, None, and pieces of text."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from maabarium.proposers.mutate.repairs.place import NodePlace, Repair

__all__ = ["number", "text", "truth"]


def number(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """A number by its neighbours, by 0, 1 and -1, and by what failing tests expected."""
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return
    if place.text(node)[:1] not in "0123456789." or _inside_text(place):
        return
    value = node.value
    negative = isinstance(place.parent, ast.UnaryOp) and isinstance(place.parent.op, ast.USub)
    ends = isinstance(place.parents[-2] if negative and len(place.parents) > 1 else place.parent, ast.Subscript)
    for new, operator, prior, tag in _numbers(value, place):
        if isinstance(value, int) and ends and new in (0, -1) and value in (0, 1):
            prior, tag = 0.6, "one"
        if new < 0 and isinstance(place.parent, ast.BinOp | ast.UnaryOp | ast.Attribute):
            continue
        yield from place.replace(operator, node, repr(new), prior, (tag,))


def _numbers(value: float, place: NodePlace) -> Iterator[tuple[int | float, str, float, str]]:
    """New values with operator, prior and tag, each value once."""
    seen = {value}
    near: list[tuple[int | float, str, float, str]] = []
    if isinstance(value, int):
        near += [(value + 1, "off-by-one", 0.7, "one"), (value - 1, "off-by-one", 0.7, "one")]
    else:
        near += [(value + 1, "constant", 0.35, "constant"), (value - 1, "constant", 0.3, "constant")]
    near += [(0, "constant", 0.3, "constant"), (1, "constant", 0.35, "constant"), (-1, "constant", 0.1, "constant")]
    near += [(-value, "constant", 0.12, "sign")]
    near += [(value * 2, "constant", 0.08, "constant"), (value * 10, "constant", 0.05, "constant")]
    if isinstance(value, int) and value % 2 == 0:
        near.append((value // 2, "constant", 0.08, "constant"))
    near += [(other, "constant", prior, "constant") for other, prior in _seen(place)]
    near += [(expected, "constant", 0.25, "constant") for expected in place.words.numbers]
    for entry in near:
        if entry[0] not in seen and abs(entry[0]) < 10**15:
            seen.add(entry[0])
            yield entry


def _seen(place: NodePlace) -> Iterator[tuple[int | float, float]]:
    """Other numbers of the same list or tuple, then those that the file says most often."""
    beside = place.parent.elts if isinstance(place.parent, ast.Tuple | ast.List | ast.Set) else []
    for node in beside[:12]:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield node.value, 0.25
    for other, count in sorted(place.source.numbers.items(), key=lambda entry: (-entry[1], entry[0]))[:8]:
        if count > 1:
            yield other, 0.18


def truth(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """True by False, and None by the empty values that code usually starts from."""
    if not isinstance(node, ast.Constant) or (node.value is not None and not isinstance(node.value, bool)):
        return
    compared = isinstance(place.parent, ast.Compare)
    if isinstance(node.value, bool):
        yield from place.replace("truth", node, str(not node.value), 0.85, ("condition",))
        if not compared:
            yield from place.replace("truth", node, "None", 0.1, ("none",))
    elif not compared:
        for new, prior in (("0", 0.15), ("True", 0.15), ("False", 0.15), ("[]", 0.12), ('""', 0.12), ("{}", 0.05)):
            yield from place.replace("truth", node, new, prior, ("none",))


def text(node: ast.AST, place: NodePlace) -> Iterator[Repair]:
    """A text with the piece put right that failing tests show to be wrong; the empty one filled, others emptied."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or _inside_text(place):
        return
    written = place.text(node)
    if "\n" in written or len(written) > 200 or written[:1] not in "\"'":
        return
    quote = written[0]
    for wrong, right in place.words.texts:
        if wrong in node.value if wrong else not node.value:
            new = node.value.replace(wrong, right, 1) if wrong else right
            yield from place.replace("text", node, _quoted(new, quote), 0.6, ("text",))
        elif wrong:
            continue
        elif right.strip(node.value) == "" and node.value:
            yield from place.replace("text", node, _quoted(right + node.value, quote), 0.2, ("text",))
    if not node.value:
        yield from place.replace("text", node, _quoted(" ", quote), 0.3, ("text",))
    elif len(node.value) <= 3:
        yield from place.replace("text", node, quote * 2, 0.1, ("text",))
        if node.value.strip() != node.value and node.value.strip():
            yield from place.replace("text", node, _quoted(node.value.strip(), quote), 0.15, ("text",))


def _inside_text(place: NodePlace) -> bool:
    return isinstance(place.parent, ast.JoinedStr)


def _quoted(value: str, quote: str) -> str:
    plain = value.isprintable() and quote not in value and "\\" not in value
    return f"{quote}{value}{quote}" if plain else repr(value)
