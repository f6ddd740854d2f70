"""Operators on how loops walk and what is asked: `enumerate`, `iterate-file`, `dict-keys`, `length-test` and others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.edits import Edit
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.knowledge import (
    assignment,
    called,
    compared,
    index,
    is_constant,
    kind,
    literal_value,
    method,
    single,
    unchanged,
)
from maabarium.proposers.mutate.rewrites.rewrite import Rewrite, operator

__all__ = ["dict_keys", "enumerate_loop", "get_with_default", "iterate_file", "length_test"]

EAGER = ("list", "sorted", "set", "tuple", "len", "min", "max")
CONTAINERS = ("list", "dict", "set", "tuple", "str")
SIMPLE_KEYS = (cst.Name, cst.Attribute, cst.SimpleString, cst.Integer)


@operator("enumerate", 0.4, cst.For)
def enumerate_loop(source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
    """`for i in range(len(rows))` with `rows[i]` becomes enumerate, zip, or a plain loop when `i` is not needed.

    Refused when the sequence is anything but a name that the loop only reads by `[i]` or measures, when `i` is stored
    in the loop or read after it, and when a zip could hide that one sequence is shorter and `i` is used elsewhere.
    """
    number, sequence = source.names.get(loop.target), _measured(source, _argument(source, loop.iter, "range"))
    if number is None or sequence is None or number.shared or number.scope is not source.function(loop):
        return
    inside = [name for name in number.loads if source.holds(loop, name)]
    outside = [name for name in number.loads if name not in inside]
    looped = any(isinstance(parent, (cst.For, cst.While)) for parent in _same_function(source, loop))
    if sum(source.holds(loop, store) for store in number.stores) != 1 or (looped and outside):
        return
    if any(source.order(name) > source.order(loop) for name in outside):
        return
    indexed: dict[Variable, list[cst.Subscript]] = {}
    for name in inside:
        found = _indexed(source, name, loop)
        if found is not None:
            indexed.setdefault(found[0], []).append(found[1])
    if sequence not in indexed or not all(unchanged(source, item, loop) for item in indexed):
        return
    bare = sum(map(len, indexed.values())) == len(inside)
    walked = sorted(indexed, key=lambda item: item is not sequence) if bare else [sequence]
    names = [source.names.fresh(_element(item.name)) for item in walked]
    targets, sources = ", ".join(names), ", ".join(item.name for item in walked)
    over = f"zip({sources})" if len(walked) > 1 else sources
    head, how = (targets, over) if bare else (f"{number.name}, {names[0]}", f"enumerate({sequence.name})")
    edits = [source.replace(loop.target, head), source.replace(loop.iter, how)]
    for item, element in zip(walked, names, strict=True):
        edits += [source.replace(use, element) for use in indexed[item]]
    yield Rewrite(loop, f"walk over {sources}", "every element was looked up by its number", tuple(edits))


def _same_function(source: ConcreteFile, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    return itertools.takewhile(lambda parent: not isinstance(parent, cst.FunctionDef), source.ancestors(node))


def _argument(source: ConcreteFile, node: cst.CSTNode | None, function: str) -> cst.BaseExpression | None:
    """The only argument of a call of that builtin."""
    if not isinstance(node, cst.Call) or called(source, node) != function or len(node.args) != 1:
        return None
    return node.args[0].value


def _measured(source: ConcreteFile, node: cst.CSTNode | None) -> Variable | None:
    """The variable of `len(variable)`."""
    measured = _argument(source, node, "len")
    return source.names.get(measured) if measured is not None else None


def _indexed(source: ConcreteFile, name: cst.CSTNode, loop: cst.For) -> tuple[Variable, cst.Subscript] | None:
    item = source.parent[source.parent[source.parent[name]]]
    container, number = index(item) or (None, None)
    if not isinstance(item, cst.Subscript) or number is not name or container is None:
        return None
    variable = source.names.get(container)
    deferred = source.names.scope(item) is not source.names.scope(loop)
    late = any(isinstance(parent, (cst.Lambda, cst.GeneratorExp)) for parent in _same_function(source, item))
    if variable is None or item in source.names.targets or (deferred and late):
        return None
    return variable, item


def _element(name: str) -> str:
    if name.endswith("ies") and len(name) > 4:
        return f"{name[:-3]}y"
    if name.endswith("s") and not name.endswith("ss") and len(name) > 2:
        return name[:-1]
    return f"{name}_item"


@operator("iterate-file", 0.3, cst.Call)
def iterate_file(source: ConcreteFile, call: cst.Call) -> Iterator[Rewrite]:
    """`for line in file.readlines()` becomes `for line in file`; a file is its own iterator of lines.

    Refused when readlines is given a size and when the file is read in the loop. (FURB129: where a file is opened.)
    """
    walk = source.parent[call]
    file, name, given = method(call) or (None, "", ())
    variable = source.names.get(file) if file is not None else None
    if not isinstance(walk, (cst.For, cst.CompFor)) or walk.iter is not call or variable is None:
        return
    if name == "readlines" and not given and sum(source.holds(walk, load) for load in variable.loads) == 1:
        edit = source.replace(call, variable.name)
        yield Rewrite(walk, f"iterate over {variable.name}", "all lines were kept in a list first", (edit,))


@operator("dict-keys", 0.2, cst.Call)
def dict_keys(source: ConcreteFile, call: cst.Call) -> Iterator[Rewrite]:
    """`list(d.keys())` becomes `list(d)`, and so for `sorted`, `set`, `len` and their like.

    A mapping whose iteration differs from its keys is for the tests to notice. (Ruff's SIM118: loops and `in`.)
    """
    holder, name, given = method(call) or (None, "", ())
    argument = source.parent[call]
    if holder is None or name != "keys" or given or not isinstance(argument, cst.Arg):
        return
    if called(source, source.parent[argument]) in EAGER:
        edit = source.replace(call, source.code(holder))
        yield Rewrite(call, "ask the dictionary itself", "a view of its keys was made first", (edit,))


@operator("length-test", 0.15, cst.Comparison)
def length_test(source: ConcreteFile, node: cst.Comparison) -> Iterator[Rewrite]:
    """`len(x) == 0` in a condition becomes `not x`; `len(x) > 0` and `!= 0` become `x`.

    Refused outside `if`, `while`, conditional expressions and filters of comprehensions, where the number itself could
    be meant, and when nothing says that x is a builtin container or text.
    """
    parent, found = source.parent[node], compared(node)
    tested = isinstance(parent, (cst.If, cst.While, cst.CompIf)) or (
        isinstance(parent, cst.IfExp) and parent.test is node
    )
    if found is None or not tested or literal_value(found[2]) != 0:
        return
    variable = _measured(source, found[0])
    if variable is None or kind(source, variable) not in CONTAINERS:
        return
    if isinstance(found[1], (cst.Equal, cst.GreaterThan, cst.NotEqual)):
        text = f"not {variable.name}" if isinstance(found[1], cst.Equal) else variable.name
        why = "its length was measured to compare it with 0"
        yield Rewrite(node, f"ask {variable.name} itself", why, (Edit(*source.span(node), text),))


@operator("get-with-default", 0.25, cst.Try)
def get_with_default(source: ConcreteFile, node: cst.Try) -> Iterator[Rewrite]:
    """`try: x = d[k]` with `except KeyError: x = default` becomes `x = d.get(k, default)`.

    Refused when the default is more than a constant, when dictionary or key are more than names and constants, and when
    nothing says that it is a dict (another mapping may compute what is missing). (Ruff's SIM401 does it for `if`.)
    """
    handler = node.handlers[0] if len(node.handlers) == 1 else None
    if handler is None or handler.name is not None or handler.type is None or source.code(handler.type) != "KeyError":
        return
    first, second = assignment(single(node.body)), assignment(single(handler.body))
    if first is None or second is None or node.orelse is not None or node.finalbody is not None:
        return
    (target, value), (other, default) = first, second
    holder, key = index(value) or (None, None)
    variable = source.names.get(holder) if holder is not None else None
    if not isinstance(target, cst.Name) or source.code(target) != source.code(other) or variable is None:
        return
    if kind(source, variable) != "dict" or not isinstance(key, SIMPLE_KEYS) or not is_constant(default):
        return
    if not source.comments(*source.span(node)):
        text = f"{target.value} = {variable.name}.get({source.code(key)}, {source.code(default)})"
        yield Rewrite(node, "look up once with get()", "the key was looked up twice", (source.replace(node, text),))
