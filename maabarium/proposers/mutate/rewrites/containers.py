"""Operators on what is asked of lists and counted in dictionaries."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.edits import Edit
from maabarium.code.variables import Comprehension, Variable
from maabarium.proposers.mutate.rewrites.comprehension import initial_value, loop_names_stay_inside
from maabarium.proposers.mutate.rewrites.knowledge import (
    assignment,
    compared,
    index,
    is_constant,
    is_membership,
    kind,
    literal_value,
    loops_around,
    method,
    method_on,
    single,
    unchanged,
)
from maabarium.proposers.mutate.rewrites.rewrite import Rewrite, add_import, operator

__all__ = ["constant_membership", "count_by_counter", "group_by_setdefault", "membership_set", "seen_set"]

Item = tuple[str, str]
"""Dictionary and key of `d[k]`, as text."""

HARMLESS = ("len", "sorted", "sum", "tuple")


def _item(source: ConcreteFile, node: cst.CSTNode | None) -> Item | None:
    """The item that an expression names, for a plain name d and a key without calls."""
    container, key = index(node) or (None, None)
    if not isinstance(container, cst.Name) or key is None or any(isinstance(n, cst.Call) for n in source.within(key)):
        return None
    return container.value, source.code(key)


def _membership(source: ConcreteFile, test: cst.CSTNode) -> tuple[Item, bool] | None:
    """Dictionary and key of `k in d` or `k not in d`, and whether it is the former."""
    found = compared(test)
    if found is None or not isinstance(found[2], cst.Name) or not isinstance(found[1], (cst.In, cst.NotIn)):
        return None
    return (found[2].value, source.code(found[0])), isinstance(found[1], cst.In)


def _increment(source: ConcreteFile, node: cst.CSTNode | None) -> Item | None:
    """The item of `d[k] += 1`, or `d[k] = d.get(k, 0) + 1`."""
    if isinstance(node, cst.AugAssign) and isinstance(node.operator, cst.AddAssign) and literal_value(node.value) == 1:
        return _item(source, node.target)
    target, value = assignment(node) or (None, None)
    found = _item(source, target)
    if found is None or value is None:
        return None
    plain = "".join(source.code(value).split()) == f"{found[0]}.get({''.join(found[1].split())},0)+1"
    return found if plain else None


def _starts(source: ConcreteFile, node: cst.CSTNode | None, item: Item, start: str) -> bool:
    """Whether a statement sets the item to that start."""
    target, value = assignment(node) or (None, None)
    return value is not None and _item(source, target) == item and source.code(value) == start


def _counted(source: ConcreteFile, loop: cst.For) -> Item | None:
    """Dictionary and key of a loop that does nothing but count."""
    if not isinstance(loop.body, cst.IndentedBlock) or loop.orelse is not None or loop.asynchronous is not None:
        return None
    body, only = loop.body.body, single(loop.body)
    if only is not None:
        return None if isinstance(only, cst.AugAssign) else _increment(source, only)
    first = body[0]
    asked = _membership(source, first.test) if isinstance(first, cst.If) else None
    if not isinstance(first, cst.If) or asked is None:
        return None
    item, present = asked
    inner = single(first.body)
    if len(body) == 2 and first.orelse is None and not present:
        return item if _increment(source, single(body[1])) == item and _starts(source, inner, item, "0") else None
    if len(body) == 1 and isinstance(first.orelse, cst.Else):
        other = single(first.orelse.body)
        more, start = (inner, other) if present else (other, inner)
        return item if _increment(source, more) == item and _starts(source, start, item, "1") else None
    return None


@operator("counter", 0.35, cst.For)
def count_by_counter(source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
    """A loop that only counts into an empty dictionary becomes `dict(Counter(...))`.

    The result stays a plain dict in order of first occurrence. Refused when the loop does anything else, when its names
    are read after it, when the dictionary does not start empty right above, or when another scope shares it.
    """
    item = _counted(source, loop)
    if item is None or not loop_names_stay_inside(source, (loop,)) or source.comments(*source.span(loop)):
        return
    name, key = item
    holder = next(node for node in source.within(loop.body) if isinstance(node, cst.Name) and node.value == name)
    variable = source.names[holder]
    start, value = initial_value(source, loop, variable)
    if start is None or variable.shared or variable.scope is not source.function(loop):
        return
    removal = source.delete_line(start)
    if value is None or source.code(value) not in ("{}", "dict()") or removal is None:
        return
    imported = add_import(source, loop, "collections", "Counter")
    if imported is not None:
        counter, edits = imported
        target, values = source.code(loop.target), source.code(loop.iter)
        inner = values if target == key else f"[{key} for {target} in {values}]"
        edit = Edit(*source.span(loop), f"{name} = dict({counter}({inner}))")
        yield Rewrite(loop, f"count {name} with Counter", "a loop counted one by one", (*edits, removal, edit))


@operator("setdefault", 0.3, cst.IndentedBlock)
def group_by_setdefault(source: ConcreteFile, block: cst.IndentedBlock) -> Iterator[Rewrite]:
    """`if k not in d: d[k] = []` before `d[k].append(v)` becomes `d.setdefault(k, []).append(v)`.

    The same for sets with `add`. Refused when the key contains a call, and with an `else`.
    """
    for first, second in zip(block.body, block.body[1:], strict=False):
        if not isinstance(first, cst.If) or first.orelse is not None:
            continue
        item, present = _membership(source, first.test) or (None, True)
        stored, last = assignment(single(first.body)), single(second)
        called = method(last.value) if isinstance(last, cst.Expr) else None
        if item is None or present or stored is None or called is None:
            continue
        empty, (filled, name, _) = source.code(stored[1]), called
        if empty not in ("[]", "set()", "list()") or name not in ("append", "add", "extend", "update"):
            continue
        if _item(source, stored[0]) != item or _item(source, filled) != item:
            continue
        between = source.span(first)[0], source.span(second)[0]
        if not source.comments(*between):
            edit = source.replace(filled, f"{item[0]}.setdefault({item[1]}, {empty})")
            what = f"group {item[0]} with setdefault"
            yield Rewrite(first, what, "the key was looked up three times", (Edit(*between, ""), edit))


@operator("constant-membership", 0.2, cst.Assign)
def constant_membership(source: ConcreteFile, assign: cst.Assign) -> Iterator[Rewrite]:
    """`NAMES = ["a", "b"]`, only asked with `in`, becomes a frozenset. (Ruff's PLR6201 does it for literals.)

    Refused when an element is not a hashable literal, or when the module constant is used for anything but `in`, is
    rebound, or is listed in `__all__`. What is asked for must be hashable: the tests tell.
    """
    target, value = assignment(assign) or (None, None)
    if not isinstance(value, (cst.List, cst.Tuple)) or len(value.elements) < 2 or source.function(assign) is not None:
        return
    if not all(isinstance(item, cst.Element) and is_constant(item.value) for item in value.elements):
        return
    variable = source.names.get(target) if target is not None else None
    if variable is None or not variable.is_global or len(variable.stores) != 1 or variable.shared:
        return
    if not variable.loads or not all(is_membership(source, name) for name in variable.loads):
        return
    start, end = source.outer(value)
    left, right = ("", "") if source.raw[start:end].startswith((b"(", b"[")) else ("(", ")")
    edits = (Edit(start, start, f"frozenset({left}"), Edit(end, end, f"{right})"))
    what, factor = f"frozenset for {variable.name}", min(1.6, 0.5 + len(value.elements) / 12)
    yield Rewrite(variable.loads[0], what, "`in` compared item by item", edits, factor)


@operator("membership-set", 0.75, cst.Name)
def membership_set(source: ConcreteFile, node: cst.Name) -> Iterator[Rewrite]:
    """`x in names` in a loop, `names` a list or tuple left alone there, asks a set built once before the loop.

    Refused when nothing says that `names` is a list or tuple, when the loop may change it, and at module level.
    """
    variable = source.names.get(node)
    if variable is None or not is_membership(source, node) or variable.scope is not source.function(node):
        return
    if kind(source, variable) not in ("list", "tuple"):
        return
    place = _outer_loop(source, node, variable) or _comprehension_line(source, node, variable)
    name = source.names.fresh(f"{variable.name}_set")
    head = source.before(place, [f"{name} = set({variable.name})"]) if place is not None else None
    if place is None or head is None:
        return
    asked = [load for load in variable.loads if source.holds(place, load) and is_membership(source, load)]
    edits = (head, *(source.replace(load, name) for load in asked))
    yield Rewrite(node, f"ask a set of {variable.name}", "`in` searched the list on every pass", edits)


def _outer_loop(source: ConcreteFile, node: cst.CSTNode, variable: Variable) -> cst.CSTNode | None:
    """The outermost loop statement around `node` (within its function) in which `variable` keeps its value."""
    loops = [loop for loop in loops_around(source, node) if source.indent(loop) is not None]
    steady = list(itertools.takewhile(lambda loop: unchanged(source, variable, loop), loops))
    return steady[-1] if steady else None


def _comprehension_line(source: ConcreteFile, node: cst.CSTNode, variable: Variable) -> cst.CSTNode | None:
    """The line of a comprehension around `node` that always asks."""
    around = list(source.ancestors(node))
    if not any(isinstance(parent, Comprehension) for parent in around):
        return None
    line = next((parent for parent in around if isinstance(parent, cst.SimpleStatementLine)), None)
    bad = line is None or source.indent(line) is None or not unchanged(source, variable, line)
    lazy = any(isinstance(parent, (cst.Lambda, cst.IfExp, cst.BooleanOperation)) for parent in around)
    return None if bad or lazy else line


@operator("seen-set", 0.8, cst.Assign)
def seen_set(source: ConcreteFile, assign: cst.Assign) -> Iterator[Rewrite]:
    """A list that is both asked with `in` and appended to gets a set beside it that answers.

    `seen = []` ... `if x not in seen: seen.append(x)`. Refused unless the list starts empty in the same function and
    is only asked, appended to (as a statement, of a plain name), measured, iterated or returned.
    """
    target, value = assignment(assign) or (None, None)
    variable = source.names.get(target) if target is not None else None
    if not isinstance(value, cst.List) or value.elements or variable is None or variable.shared:
        return
    if variable.scope is not source.function(assign) or len(variable.stores) != 1:
        return
    name, line = source.names.fresh(f"{variable.name}_set"), source.parent[assign]
    asked = [load for load in variable.loads if is_membership(source, load)]
    alone = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
    head = source.before(line, [f"{name} = set()"]) if alone else None
    if head is None or not asked:
        return
    edits = [head, *(source.replace(load, name) for load in asked)]
    for load in variable.loads:
        if (appended := _appended(source, load)) is not None:
            statement, element = appended
            indent = source.indent(statement)
            if indent is None:
                return
            start = source.span(statement)[0]
            edits.append(Edit(start, start, f"{name}.add({element}){source.newline}{indent}"))
        elif load not in asked and not _harmless(source, load):
            return
    if len(edits) > 1 + len(asked):
        yield Rewrite(asked[0], f"ask a set beside {variable.name}", "`in` searched a growing list", tuple(edits))


def _appended(source: ConcreteFile, load: cst.CSTNode) -> tuple[cst.CSTNode, str] | None:
    """The statement `load.append(name)` with the appended expression."""
    if method_on(source, load) != "append":
        return None
    call = source.parent[source.parent[load]]
    line = source.parent[source.parent[call]]
    match call, line:
        case cst.Call(args=[cst.Arg(value=cst.Name() | cst.Attribute() as value)]), cst.SimpleStatementLine(body=[_]):
            return line, source.code(value)
        case _:
            return None


def _harmless(source: ConcreteFile, load: cst.CSTNode) -> bool:
    parent = source.parent[load]
    if isinstance(parent, cst.Arg):
        call = source.parent[parent]
        return isinstance(call, cst.Call) and source.code(call.func) in HARMLESS
    return isinstance(parent, (cst.For, cst.CompFor, cst.Return))
