"""Operators on single calls: of regular expressions, `strptime` and `sorted`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.knowledge import (
    arguments,
    called,
    dotted,
    is_constant,
    literal_value,
    plain_parameters,
    simple_arguments,
)
from maabarium.proposers.mutate.rewrites.rewrite import Rewrite, add_constant, add_import, before_definition, operator

__all__ = ["cache_timestamps", "compile_pattern", "iso_timestamps", "key_getter", "sorted_to_heap"]

FLAGS_AT = {
    "match": 2, "search": 2, "fullmatch": 2, "findall": 2, "finditer": 2, "split": 3, "sub": 4, "subn": 4, "compile": 1,
}  # fmt: skip
CACHE_SIZE = 8192
ISO_FORMATS = frozenset({"%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z",
                         "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f%z"})  # fmt: skip


@operator("compile-pattern", 0.35, cst.Call)
def compile_pattern(source: ConcreteFile, call: cst.Call) -> Iterator[Rewrite]:
    """`re.match(r"...", text)` in a function becomes `_PATTERN.match(text)` with `_PATTERN` a module constant.

    Refused when the pattern is not a string literal, when `re` is not the module imported at the top, with starred or
    `pattern=` arguments, and when the flags are not constants of `re`.
    """
    path = called(source, call) or ""
    method = path.removeprefix("re.")
    if not path.startswith("re.") or method not in FLAGS_AT or source.function(call) is None:
        return
    module = source.code(call.func).rpartition(".")[0]  # empty for `from re import match`
    if not module or not call.args or not simple_arguments(call) or call.args[0].keyword is not None:
        return
    pattern, rest = call.args[0].value, list(call.args[1:])
    if not isinstance(pattern, (cst.SimpleString, cst.ConcatenatedString)) or not is_constant(pattern):
        return
    flags = next((item for item in rest if item.keyword is not None and item.keyword.value == "flags"), None)
    if flags is None and len(rest) >= FLAGS_AT[method] and call.args[FLAGS_AT[method]].keyword is None:
        flags = call.args[FLAGS_AT[method]]
    if flags is not None:
        rest.remove(flags)
        if not _are_flags(source, flags.value):
            return
    function = source.qualified_name(call).rpartition(".")[2].strip("_").upper() or "TEXT"
    name = source.names.fresh(f"_{function}_PATTERN")
    options = f", {source.code(flags.value)}" if flags is not None else ""
    values = ", ".join(
        source.code(item.value) if item.keyword is None else f"{item.keyword.value}={source.code(item.value)}"
        for item in rest
    )
    constant = add_constant(source, call, f"{name} = {module}.compile({source.code(pattern)}{options})")
    use = source.replace(call, name if method == "compile" else f"{name}.{method}({values})")
    why = "the regular expression was compiled or looked up on every call"
    yield Rewrite(call, "compile the pattern once", why, (constant, use))


def _are_flags(source: ConcreteFile, node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.BinaryOperation):
        joined = isinstance(node.operator, cst.BitOr)
        return joined and _are_flags(source, node.left) and _are_flags(source, node.right)
    path = dotted(source, node) or ""
    return path.startswith("re.") and path.removeprefix("re.").isupper()


def _parsed(source: ConcreteFile, call: cst.Call) -> tuple[str, str, str] | None:
    """Text and format as they are written in a call of strptime in a function, and what the format says."""
    if called(source, call) != "datetime.datetime.strptime":
        return None
    values, function = arguments(call) or [], source.function(call)
    form = literal_value(values[1]) if len(values) == 2 else None
    if not isinstance(form, str) or function is None:
        return None
    cached = any("cache" in source.code(decorator.decorator) for decorator in function.decorators)
    return None if cached else (source.code(values[0]), source.code(values[1]), form)


@operator("cache-timestamps", 0.9, cst.Call)
def cache_timestamps(source: ConcreteFile, call: cst.Call) -> Iterator[Rewrite]:
    """`datetime.strptime(text, "<constant>")` in a function goes through a small function with `functools.lru_cache`.

    Refused when the format is not a literal, or when `datetime` is not the class imported at the top.
    """
    found = _parsed(source, call)
    imported = add_import(source, call, "functools", "lru_cache") if found is not None else None
    if found is None or imported is None:
        return
    text, form, _ = found
    cache, edits = imported
    name, line = source.names.fresh("_parse_timestamp"), source.newline
    body = f"{source.module.default_indent}return {source.code(call.func)}(text, {form})"
    head = f"@{cache}(maxsize={CACHE_SIZE}){line}def {name}(text):{line}{body}"
    definition = before_definition(source, call, head)
    if definition is not None:
        why = "equal timestamps were parsed again and again"
        use = source.replace(call, f"{name}({text})")
        yield Rewrite(call, "parse each timestamp once", why, (*edits, definition, use))


@operator("iso-timestamps", 0.85, cst.Call)
def iso_timestamps(source: ConcreteFile, call: cst.Call) -> Iterator[Rewrite]:
    """`datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")` and its like become `datetime.fromisoformat(text)`.

    It accepts more than the one format: a suite that tests refused timestamps tells. Refused for others than ISO 8601.
    """
    found = _parsed(source, call)
    if found is not None and found[2] in ISO_FORMATS and isinstance(call.func, cst.Attribute):
        edit = source.replace(call, f"{source.code(call.func.value)}.fromisoformat({found[0]})")
        yield Rewrite(call, "read the ISO timestamp directly", "strptime interpreted the format on every call", (edit,))


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


@operator("sorted-to-heap", 0.2, cst.Subscript)
def sorted_to_heap(source: ConcreteFile, node: cst.Subscript) -> Iterator[Rewrite]:
    """`sorted(x)[:n]` becomes `heapq.nsmallest(n, x)`, or `nlargest` when the order is reversed.

    Equal to the sorted slice, ties included. Refused for other slices, and for negative or missing bounds.
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


@operator("key-getter", 0.2, cst.Lambda)
def key_getter(source: ConcreteFile, node: cst.Lambda) -> Iterator[Rewrite]:
    """`key=lambda r: r.x` becomes `key=attrgetter("x")`. (Ruff's FURB118 does it for items.)

    Also for several attributes in a tuple. Refused for lambdas with defaults or more than one parameter.
    """
    argument, parameters = source.parent[node], plain_parameters(node)
    if not isinstance(argument, cst.Arg) or argument.keyword is None or argument.keyword.value != "key":
        return
    if len(parameters) != 1 or parameters[0].default is not None:
        return
    name = parameters[0].name.value
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
