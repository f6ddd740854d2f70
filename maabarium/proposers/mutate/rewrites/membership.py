"""Operators on `in`: `constant-membership` for module constants, `membership-set` for lists in loops, `seen-set`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.knowledge import is_constant, kind, unchanged
from maabarium.proposers.mutate.rewrites.rewrite import Rewrite, operator
from maabarium.proposers.mutate.rewrites.shapes import assignment, is_membership, method_on

__all__ = ["constant_membership", "membership_set", "seen_set"]

Comprehension = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
HARMLESS = ("len", "sorted", "sum", "tuple")


@operator("constant-membership", 0.2, cst.Assign)
def constant_membership(source: ConcreteFile, assign: cst.Assign) -> Iterator[Rewrite]:
    """`NAMES = ["a", "b"]`, only asked with `in`, becomes a frozenset. (Ruff's PLR6201 does it for literals.)

    Pays because a set is asked by hash, a list item by item. Refused when an element is not a hashable literal, or when
    the module constant is used for anything but `in`, is rebound, or is listed in `__all__`. What is asked for must be
    hashable: the tests tell.
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

    Refused when nothing says that `names` is a list or tuple (annotation or assignment), when the loop may change or
    rebind it (also through a closure or an unknown call), and at module level.
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
    found = None
    child = node
    for parent in source.ancestors(node):
        if isinstance(parent, (cst.FunctionDef, cst.Lambda, cst.ClassDef)):
            break
        inside = isinstance(parent, cst.For) and child is parent.body
        if (inside or isinstance(parent, cst.While)) and source.indent(parent) is not None:
            if not unchanged(source, variable, parent):
                break
            found = parent
        child = parent
    return found


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

    `seen = []` ... `if x not in seen: seen.append(x)`: the search is linear in what was seen. Refused unless the list
    starts empty in the same function, is only asked, appended to (as a statement, of a plain name), measured, iterated
    or returned, and its appended values are hashable (the tests tell).
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
