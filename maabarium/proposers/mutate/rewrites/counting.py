"""Operators on dictionaries that are filled by hand: `counter` and `setdefault`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit
from maabarium.proposers.mutate.rewrites.comprehension import initial_value, loop_names_stay_inside
from maabarium.proposers.mutate.rewrites.knowledge import literal_value
from maabarium.proposers.mutate.rewrites.preamble import add_import
from maabarium.proposers.mutate.rewrites.rewrite import Rewrite, loop_operator, operator
from maabarium.proposers.mutate.rewrites.shapes import assignment, compared, index, method, single

__all__ = ["count_by_counter", "group_by_setdefault"]

Item = tuple[str, str]
"""Dictionary and key of `d[k]`, as text."""


def _item(source: ConcreteFile, node: cst.CSTNode | None) -> Item | None:
    """The item that an expression names, for a plain name d and a key without calls."""
    container, key = index(node) or (None, None)
    if not isinstance(container, cst.Name) or key is None:
        return None
    return (
        None if any(isinstance(part, cst.Call) for part in source.within(key)) else (container.value, source.code(key))
    )


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


@loop_operator("counter", 0.35)
def count_by_counter(source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
    """A loop that only counts into an empty dictionary becomes `dict(Counter(...))`.

    Pays because Counter counts in C. The result stays a plain dict in order of first occurrence. Refused when the loop
    does anything else, when its names are read after it, when the dictionary does not start empty right above, or when
    it is shared with another scope.
    """
    item = _counted(source, loop)
    if item is None or not loop_names_stay_inside(source, (loop,)) or source.comments(*source.span(loop)):
        return
    name, key = item
    holder = next(node for node in source.within(loop.body) if isinstance(node, cst.Name) and node.value == name)
    variable = source.names[holder]
    start = initial_value(source, loop, variable)
    if start is None or variable.shared or variable.scope is not source.function(loop):
        return
    _, value = assignment(start.body[0]) or (None, None)
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

    Saves two of three lookups; the same for sets with `add`. Refused when the key contains a call, when there is an
    `else`, or when the two statements do not speak of the same dictionary and key.
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
