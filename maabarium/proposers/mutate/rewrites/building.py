"""Operators on values that a function builds step by step: `join`, `sum-loop`, `append-in-place`, `deque`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.edits import Edit
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.comprehension import initial_value, layout, loop_names_stay_inside, plain_loop
from maabarium.proposers.mutate.rewrites.knowledge import (
    assignment,
    called,
    guarded,
    index,
    is_membership,
    kind,
    literal_value,
    method_on,
)
from maabarium.proposers.mutate.rewrites.rewrite import Rewrite, add_import, operator

__all__ = ["append_in_place", "join", "sum_loop", "use_deque"]

ESCAPES = (cst.AssignTarget, cst.Assign, cst.Element, cst.DictElement, cst.Yield, cst.NamedExpr)
READING = ("len", "sum", "min", "max", "sorted", "any", "all", "list", "tuple", "set", "enumerate")
QUEUE_METHODS = ("append", "extend", "clear", "remove", "count")


def _is_local(source: ConcreteFile, variable: Variable, node: cst.CSTNode) -> bool:
    """Whether the function around a node owns the variable alone: no closure or other scope reaches it."""
    if variable.shared or variable.scope is not source.function(node):
        return False
    return all(source.names.scope(name) is variable.scope for name in (*variable.loads, *variable.stores))


@operator("join", 0.35, cst.For)
def join(source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
    """`text += part` in a loop becomes `parts.append(part)` and one `"".join` after the loop.

    Refused unless the text starts as a literal right above the loop, is only added to in it (never read, rebound or
    captured), and the loop has no `return` or `yield`.
    """
    inside = source.within(loop)
    if any(isinstance(node, (cst.Return, cst.Yield, cst.Await)) for node in inside) or guarded(source, loop):
        return
    targets = [node.target for node in inside if isinstance(node, cst.AugAssign)]
    texts = {source.names[target] for target in targets if isinstance(target, cst.Name)}
    for variable in sorted(texts, key=lambda item: item.name):
        edits = _join_edits(source, loop, variable)
        if edits is not None:
            yield Rewrite(loop, f"join {variable.name} once", "the text was copied as it grew", edits)


def _join_edits(source: ConcreteFile, loop: cst.For, variable: Variable) -> tuple[Edit, ...] | None:
    start, first = initial_value(source, loop, variable)
    text, indent = literal_value(first), source.indent(loop)
    if start is None or first is None or not isinstance(text, str) or indent is None:
        return None
    if not _is_local(source, variable, loop) or any(source.holds(loop, name) for name in variable.loads):
        return None
    name = source.names.fresh(f"{variable.name}_parts")
    edits = [Edit(*source.span(start.body[0]), f"{name} = [{source.code(first) if text else ''}]")]
    for store in variable.stores:
        addition = source.parent[store]
        if not source.holds(loop, store):
            continue
        if not isinstance(addition, cst.AugAssign) or not isinstance(addition.operator, cst.AddAssign):
            return None
        edits.append(Edit(*source.span(addition), f"{name}.append({source.code(addition.value)})"))
    stop = source.end_of_line(source.span(loop)[1])
    return (*edits, Edit(stop, stop, f'{source.newline}{indent}{variable.name} = "".join({name})'))


@operator("sum-loop", 0.35, cst.For)
def sum_loop(source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
    """`total = 0` and `for x in xs: total += value` become `total = sum([value for x in xs])`.

    Refused unless the total starts as 0 right above, is only added to in the loop, and the loop has nothing else but
    ifs. Sums of floats may differ in the last digit where sum() compensates (Python 3.12).
    """
    filling = plain_loop(source, loop)
    last = filling.last if filling is not None else None
    if filling is None or not isinstance(last, cst.AugAssign) or not isinstance(last.operator, cst.AddAssign):
        return
    variable = source.names.get(last.target)
    if variable is None or not _is_local(source, variable, loop):
        return
    start, value = initial_value(source, loop, variable)
    removal = source.delete_line(start) if start is not None else None
    if value is None or source.code(value) != "0" or removal is None:
        return
    if any(source.holds(loop, name) for name in variable.loads) or source.comments(*source.span(loop)):
        return
    if not loop_names_stay_inside(source, filling.loops) or guarded(source, loop):
        return
    text = layout(source, loop, f"{variable.name} = sum([", (source.code(last.value), *filling.clauses), "])")
    edits = (removal, Edit(*source.span(loop), text))
    yield Rewrite(loop, f"add up {variable.name} with sum()", "a loop added one by one", edits)


@operator("append-in-place", 0.8, cst.Assign)
def append_in_place(source: ConcreteFile, node: cst.Assign) -> Iterator[Rewrite]:
    """`rows = rows + [x]` becomes `rows.append(x)`; several elements become `extend`.

    Refused outside loops, and unless the list is made in the same function and neither captured nor handed on.
    """
    name, added = _addition(node) or (None, None)
    looped = any(isinstance(parent, (cst.For, cst.While)) for parent in source.ancestors(node))
    if name is None or added is None or not looped or not _is_owned(source, source.names[name], node):
        return
    match added.elements:
        case [cst.Element(value=only)]:
            text = f"{name.value}.append({source.code(only)})"
        case _:
            text = f"{name.value}.extend({source.code(added)})"
    edit = Edit(*source.span(node), text)
    yield Rewrite(node, f"append to {name.value} in place", "the list was copied on every pass", (edit,))


def _addition(node: cst.CSTNode) -> tuple[cst.Name, cst.List] | None:
    """Name and added list of `name = name + [...]`."""
    match assignment(node):
        case cst.Name(value=name) as target, cst.BinaryOperation(
            left=cst.Name(value=same), operator=cst.Add(), right=cst.List() as added
        ) if name == same:
            return target, added
        case _:
            return None


def _is_owned(source: ConcreteFile, variable: Variable, node: cst.CSTNode) -> bool:
    """Whether the function around a node makes the list and hands it to nobody."""
    if not _is_local(source, variable, node):
        return False
    for store in variable.stores:
        assign = source.parent[source.parent[store]]
        made = isinstance(assign, cst.Assign) and isinstance(assign.value, (cst.List, cst.ListComp))
        if not made and _addition(assign) is None:
            return False
    for load in variable.loads:
        parent = source.parent[load]
        if isinstance(parent, ESCAPES) or (
            isinstance(parent, cst.Arg) and called(source, source.parent[parent]) is None
        ):
            return False
    return True


@operator("deque", 0.6, cst.Assign)
def use_deque(source: ConcreteFile, node: cst.Assign) -> Iterator[Rewrite]:
    """A local list that is used as a queue (`pop(0)`, `insert(0, x)`) becomes a `collections.deque`.

    Refused unless the list is made in the same function and every use is one that a deque has too.
    """
    target, value = assignment(node) or (None, None)
    variable = source.names.get(target) if target is not None else None
    function = source.function(node)
    if value is None or variable is None or function is None or variable.scope is not function or variable.shared:
        return
    if len(variable.stores) != 1 or kind(source, variable) != "list":
        return
    uses = [_queue_use(source, load) for load in variable.loads]
    edits = [edit for edit in uses if isinstance(edit, Edit)]
    imported = add_import(source, node, "collections", "deque") if edits and None not in uses else None
    if imported is not None:
        name, added = imported
        text = source.code(value)
        first = source.replace(value, f"{name}()" if text in ("[]", "list()") else f"{name}({text})")
        what = f"use a deque for {variable.name}"
        yield Rewrite(node, what, "taking from the left moved the whole list", (*added, first, *edits))


def _queue_use(source: ConcreteFile, load: cst.CSTNode) -> Edit | bool | None:
    """The edit for one use; True if it can stay, None if a deque does not have it."""
    parent = source.parent[load]
    outer = source.parent[parent]
    fine = is_membership(source, load)
    if isinstance(parent, cst.Attribute):
        name = method_on(source, load)
        values = [source.code(item.value) for item in outer.args] if isinstance(outer, cst.Call) else []
        if name == "pop" and values == ["0"]:
            return source.replace(outer, f"{source.code(load)}.popleft()")
        if name == "insert" and len(values) == 2 and values[0] == "0":
            return source.replace(outer, f"{source.code(load)}.appendleft({values[1]})")
        fine = (name == "pop" and not values) or name in QUEUE_METHODS
    elif isinstance(parent, cst.Subscript):
        container, place = index(parent) or (None, None)
        fine = container is load and place is not None and literal_value(place) in (0, -1)
    elif isinstance(parent, cst.Arg):
        fine = called(source, outer) in READING
    elif isinstance(parent, cst.BooleanOperation):
        fine = isinstance(outer, (cst.While, cst.If))
    elif isinstance(parent, (cst.For, cst.CompFor)):
        fine = parent.iter is load
    elif isinstance(parent, (cst.While, cst.If, cst.UnaryOperation)):
        fine = True
    return fine or None
