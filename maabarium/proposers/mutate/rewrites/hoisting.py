"""Operators that compute once what a loop or block computes again: `invariant-call`, `local-name`, `repeated-call`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.edits import Edit
from maabarium.code.variables import Comprehension, Variable
from maabarium.proposers.mutate.rewrites.knowledge import (
    TEXT_METHODS,
    called,
    dotted,
    is_constant,
    kind,
    loops_around,
    method,
    opaque,
    read_only,
    simple_arguments,
    unchanged,
)
from maabarium.proposers.mutate.rewrites.rewrite import Rewrite, operator

__all__ = ["invariant_call", "local_name", "repeated_call"]

MEASURES = frozenset({"len", "sum", "min", "max", "sorted", "set", "frozenset", "tuple", "list", "dict", "abs", "round",
                      "str", "int", "float", "any", "all"})  # fmt: skip
"""Builtins whose result depends on the value of their arguments alone."""
WALKS = frozenset({"sum", "min", "max", "sorted", "set", "frozenset", "tuple", "list", "dict", "any", "all"})
"""Those of them that walk over a container: repeated in a loop, they make it quadratic."""
SHARED_RESULTS = frozenset({"sorted", "set", "list", "dict"})
LIST_METHODS = frozenset({"split", "rsplit", "splitlines"})
CONDITIONAL = (cst.If, cst.IfExp, cst.BooleanOperation, cst.Try, cst.TryStar, cst.ExceptHandler, cst.Match, cst.Lambda,
               *Comprehension, cst.FunctionDef, cst.ClassDef, cst.Assert)  # fmt: skip


def _pure_call(source: ConcreteFile, node: cst.CSTNode) -> tuple[str, list[Variable]] | None:
    """Name for the result and the variables of a call that reads nothing but plain names and constants."""
    if not isinstance(node, cst.Call) or not simple_arguments(node):
        return None
    read: list[Variable] = []
    if isinstance(node.func, cst.Attribute):
        holder, method = source.names.get(node.func.value), node.func.attr.value
        if holder is None or method not in TEXT_METHODS or method == "join":
            return None
        read.append(holder)
        label = f"{holder.name}_{method}"
    else:
        path = called(source, node)
        if path not in MEASURES or not node.args:
            return None
        label = f"{path}_of"
    for argument in node.args:
        variable = source.names.get(argument.value)
        if variable is not None and variable.scope is not None:
            read.append(variable)
            label = f"{label}_{variable.name}" if label.endswith("_of") else label
        elif not is_constant(argument.value):
            return None
    return (re.sub(r"\W|_{2,}", "_", label).strip("_") or "value", read) if read else None


def _only_read(source: ConcreteFile, call: cst.Call) -> bool:
    """Whether sharing the result is safe: it is immutable, or only read where it stands."""
    mutable = (called(source, call) or "") in SHARED_RESULTS or (
        isinstance(call.func, cst.Attribute) and call.func.attr.value in LIST_METHODS
    )
    return not mutable or (read_only(source, call) and not isinstance(source.parent[call], cst.Return))


@operator("invariant-call", 0.5, cst.Call)
def invariant_call(source: ConcreteFile, node: cst.Call) -> Iterator[Rewrite]:
    """A pure call in a loop, whose arguments the loop leaves alone, is computed once before the loop.

    Refused when the loop may rebind or change an argument, when the result is mutable and does more than being read,
    when the call stands under a condition, `try` or lambda in the loop (it could fail where it never ran), and outside
    functions.
    """
    label, read = _pure_call(source, node) or ("", [])
    function = source.function(node) if label else None
    if function is None or not _only_read(source, node):
        return
    place: cst.For | cst.While | None = None
    for loop in loops_around(source, node):
        between = (parent for parent in source.ancestors(node) if source.holds(loop, parent) and parent is not loop)
        if any(isinstance(parent, CONDITIONAL) for parent in between) or source.indent(loop) is None:
            break
        if not all(unchanged(source, variable, loop) for variable in read):
            break
        place = loop
    text = source.code(node)
    if place is None or "\n" in text or opaque(source, function):
        return
    within = source.within(place.body if isinstance(place, cst.For) else place)
    same = [other for other in within if isinstance(other, cst.Call) and source.code(other) == text]
    if all(_only_read(source, other) for other in same):
        edits = _named_before(source, place, same, label)
        factor = 1.6 if called(source, node) in WALKS else 0.6
        yield Rewrite(node, f"compute {_short(text)} before the loop", "it was the same on every pass", edits, factor)


@operator("local-name", 0.1, cst.Call)
def local_name(source: ConcreteFile, node: cst.Call) -> Iterator[Rewrite]:
    """A function of a module, or a bound method such as `out.append`, that a loop calls is looked up once before it.

    Refused when the module or object is rebound in the loop, when nothing says that the object is a list, set, dict or
    str, when the call stands in a nested function, and outside functions.
    """
    text, function = source.code(node.func), source.function(node)
    if not isinstance(node.func, cst.Attribute) or function is None or "\n" in text:
        return
    place: cst.For | cst.While | None = None
    for loop in loops_around(source, node):
        bound = dotted(source, node.func) is not None or _is_bound_method(source, node.func, loop)
        if source.indent(loop) is None or not bound:
            break
        place = loop
    if place is None or opaque(source, function) or source.names.scope(node) is not function:
        return
    uses = [other.func for other in source.within(place) if isinstance(other, cst.Call)]
    uses = [use for use in uses if source.code(use) == text]
    label = text.replace(".", "_").strip("_")
    edits = _named_before(source, place, uses, label)
    yield Rewrite(node, f"look up {text} before the loop", "it was looked up on every pass", edits)


def _is_bound_method(source: ConcreteFile, func: cst.Attribute, loop: cst.CSTNode) -> bool:
    variable = source.names.get(func.value)
    if variable is None or variable.shared or variable.scope is not source.function(loop):
        return False
    rebound = any(source.holds(loop, store) for store in variable.stores)
    started = any(source.order(store) < source.order(loop) for store in variable.stores)
    return not rebound and started and kind(source, variable) in ("list", "set", "dict", "str")


@operator("repeated-call", 0.5, cst.IndentedBlock)
def repeated_call(source: ConcreteFile, block: cst.IndentedBlock) -> Iterator[Rewrite]:
    """The same pure text method, called several times on one name in one block, is called once.

    Refused when the name is rebound between, when the block has anything but simple statements between the calls, when
    a result that could be changed is handed on, and for calls under a condition.
    """
    if source.function(block.body[0]) is None:
        return
    for statement, run in itertools.groupby(block.body, type):
        if statement is cst.SimpleStatementLine:
            yield from _repeated_in(source, list(run))


def _repeated_in(source: ConcreteFile, run: Sequence[cst.CSTNode]) -> Iterator[Rewrite]:
    groups: dict[str, list[cst.Call]] = {}
    for statement in run:
        for node in source.within(statement):
            if _pure_call(source, node) is None or not isinstance(node, cst.Call) or method(node) is None:
                continue
            between = (parent for parent in source.ancestors(node) if source.holds(statement, parent))
            if not any(isinstance(parent, CONDITIONAL) for parent in between) and _only_read(source, node):
                groups.setdefault(source.code(node), []).append(node)
    for text, calls in groups.items():
        if len(calls) < 2 or "\n" in text:
            continue
        place = next(statement for statement in run if source.holds(statement, calls[0]))
        label, read = _pure_call(source, calls[0]) or ("", [])
        stores = [store for variable in read for store in variable.stores]
        moved = any(source.order(place) <= source.order(store) < source.order(calls[-1]) for store in stores)
        if not moved and not any(variable.shared or variable.is_global for variable in read):
            edits = _named_before(source, place, calls, label)
            yield Rewrite(calls[0], f"call {_short(text)} once", "the same text was taken apart again", edits)


def _named_before(
    source: ConcreteFile, place: cst.CSTNode, uses: Sequence[cst.BaseExpression], label: str
) -> tuple[Edit, ...]:
    """Give the value that is used a name before a statement; nothing when there is no room for that."""
    name = source.names.fresh(label)
    head = source.before(place, [f"{name} = {source.code(uses[0])}"])
    return (head, *(source.replace(use, name) for use in uses)) if head is not None else ()


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
