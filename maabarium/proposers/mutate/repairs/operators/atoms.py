"""Repairs of constants, names and attributes, and of arguments that were swapped."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from maabarium.code.edits import common_ends
from maabarium.proposers.mutate.repairs.place import NodePlace, Repair

__all__ = ["arguments", "attribute", "neighbour", "number", "text", "truth", "variable"]

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


def number(node: ast.Constant, place: NodePlace) -> Iterator[Repair]:
    """A number by its neighbours, by 0, 1 and -1, and by what failing tests expected."""
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return
    if place.text(node)[:1] not in "0123456789." or isinstance(place.parent, ast.JoinedStr):
        return
    value = node.value
    negative = isinstance(place.parent, ast.UnaryOp) and isinstance(place.parent.op, ast.USub)
    ends = isinstance(place.parents[-2] if negative and len(place.parents) > 1 else place.parent, ast.Subscript)
    for new, prior, tag in _numbers(value, place):
        operator = "off-by-one" if tag == "one" else "constant"
        if isinstance(value, int) and ends and new in (0, -1) and value in (0, 1):
            prior, tag = 0.6, "one"
        if new < 0 and isinstance(place.parent, ast.BinOp | ast.UnaryOp | ast.Attribute):
            continue
        yield from place.replace(operator, node, repr(new), prior, (tag,))


def _numbers(value: float, place: NodePlace) -> Iterator[tuple[int | float, float, str]]:
    """New values with prior and tag, each value once."""
    seen = {value}
    more, less, tag = (0.7, 0.7, "one") if isinstance(value, int) else (0.35, 0.3, "constant")
    near = [(value + 1, more, tag), (value - 1, less, tag)]
    near += [(other, prior, "constant") for other, prior in ((0, 0.3), (1, 0.35), (-1, 0.1))]
    near += [(-value, 0.12, "sign"), (value * 2, 0.08, "constant"), (value * 10, 0.05, "constant")]
    if isinstance(value, int) and value % 2 == 0:
        near.append((value // 2, 0.08, "constant"))
    near += [(other, prior, "constant") for other, prior in _seen(place)]
    near += [(expected, 0.25, "constant") for expected in place.words.numbers]
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


def truth(node: ast.Constant, place: NodePlace) -> Iterator[Repair]:
    """True by False, and None by the empty values that code usually starts from."""
    compared = isinstance(place.parent, ast.Compare)
    if isinstance(node.value, bool):
        yield from place.replace("truth", node, str(not node.value), 0.85, ("condition",))
        if not compared:
            yield from place.replace("truth", node, "None", 0.1, ("none",))
    elif node.value is None and not compared:
        for new, prior in (("0", 0.15), ("True", 0.15), ("False", 0.15), ("[]", 0.12), ('""', 0.12), ("{}", 0.05)):
            yield from place.replace("truth", node, new, prior, ("none",))


def text(node: ast.Constant, place: NodePlace) -> Iterator[Repair]:
    """A text with the piece put right that failing tests show to be wrong; the empty one filled, others emptied."""
    if not isinstance(node.value, str) or isinstance(place.parent, ast.JoinedStr):
        return
    written = place.text(node)
    if "\n" in written or len(written) > 200 or written[:1] not in "\"'":
        return
    quote = written[0]
    for wrong, right in place.words.texts:
        if wrong in node.value if wrong else not node.value:
            new = node.value.replace(wrong, right, 1) if wrong else right
            yield from place.replace("text", node, _quoted(new, quote), 0.6, ("text",))
        elif not wrong and right.strip(node.value) == "":
            yield from place.replace("text", node, _quoted(right + node.value, quote), 0.2, ("text",))
    if not node.value:
        yield from place.replace("text", node, _quoted(" ", quote), 0.3, ("text",))
    elif len(node.value) <= 3:
        yield from place.replace("text", node, quote * 2, 0.1, ("text",))
        if node.value.strip() != node.value and node.value.strip():
            yield from place.replace("text", node, _quoted(node.value.strip(), quote), 0.15, ("text",))


def _quoted(value: str, quote: str) -> str:
    plain = value.isprintable() and quote not in value and "\\" not in value
    return f"{quote}{value}{quote}" if plain else repr(value)


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


def arguments(node: ast.Call | ast.Tuple, place: NodePlace) -> Iterator[Repair]:
    """Two arguments of a call, or two elements of a short tuple, exchanged."""
    if isinstance(node, ast.Tuple) and (not isinstance(node.ctx, ast.Load) or len(node.elts) > 4):
        return
    elements, prior = (node.args, 0.4) if isinstance(node, ast.Call) else (node.elts, 0.2)
    given = [element for element in elements if not isinstance(element, ast.Starred)]
    if not 2 <= len(given) <= 6:
        return
    for (one, first), (two, second) in combinations(enumerate(given), 2):
        yield from _exchange(first, second, place, prior if two == one + 1 else prior * 0.7)
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


def neighbour(node: ast.expr, place: NodePlace) -> Iterator[Repair]:
    """A function or method by one that is easily taken for it; `popitem`/`pop` from the other end."""
    if isinstance(node, ast.Call):
        yield from _ends(node, place)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        called = isinstance(place.parent, ast.Call) and place.parent.func is node
        passed = isinstance(place.parent, ast.Call | ast.keyword)
        for rank, word in enumerate(_NEAR_FUNCTIONS.get(node.id, ())) if called or passed else ():
            yield from place.replace("neighbour", node, word, 0.6 - 0.12 * rank, ("call",))
    elif isinstance(node, ast.Attribute) and (span := _attribute_span(node, place)):
        tags = _TAGS.get(node.attr, ("call",))
        for rank, word in enumerate(_NEAR_METHODS.get(node.attr) or _NEAR_FUNCTIONS.get(node.attr, ())):
            yield Repair("neighbour", *span, word, 0.6 - 0.12 * rank, tags)


def _attribute_span(node: ast.Attribute, place: NodePlace) -> tuple[int, int] | None:
    """Where the attribute's own name stands, if it is the end of the node's text."""
    end = place.source.span(node)[1]
    start = end - len(node.attr)
    return (start, end) if place.source.text[start:end] == node.attr else None


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


def variable(node: ast.Name, place: NodePlace) -> Iterator[Repair]:
    """A variable that is read by others of the same scope that hold a value by then, likeliest first."""
    scope, names = place.statement.scope, place.statement.scope.names
    called = isinstance(place.parent, ast.Call) and place.parent.func is node
    if called or not isinstance(node.ctx, ast.Load) or scope.kind != "function":
        return
    local = _comprehended(place)
    if node.id not in names and node.id not in local and (node.id in _BUILTIN or node.id[:1].isupper()):
        return
    known = {name: line for name, line in names.items() if line <= node.lineno and name not in ("self", "cls", "_")}
    others = {**known, **dict.fromkeys(local, node.lineno)}
    bound = set(place.statement.binds) if isinstance(place.statement.node, ast.Assign) else set()
    ranked = _ranked(node, others, bound, names)
    unread = [name for name in known if not scope.reads[name] and name not in bound]
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


def attribute(node: ast.Attribute, place: NodePlace) -> Iterator[Repair]:
    """An attribute of `self`, or of a local object, by one that the class or the same function also uses."""
    span, known = _attribute_span(node, place), place.statement.scope.attributes
    called = isinstance(place.parent, ast.Call) and place.parent.func is node
    if span is None or called or node.attr not in known:
        return
    if not isinstance(node.value, ast.Name) or isinstance(place.statement.node, ast.Delete):
        return
    dunder = node.attr.startswith("__")
    others = sorted(
        (name for name in known if name != node.attr and name.startswith("__") == dunder),
        key=lambda name: (-_alike(name, node.attr), name),
    )
    for rank, other in enumerate(others[:_MOST]):
        prior = max(0.3 - 0.06 * rank, 0.05) * (1.0 if isinstance(node.ctx, ast.Load) else 0.4)
        yield Repair("attribute", *span, other, prior, ("name",))
