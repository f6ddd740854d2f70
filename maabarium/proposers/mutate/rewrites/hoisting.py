"""Operators that compute once what a loop or block computes again: `invariant-call`, `local-name`, `repeated-call`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.knowledge import (
    TEXT_METHODS,
    called,
    dotted,
    is_constant,
    kind,
    opaque,
    read_only,
    simple_arguments,
    unchanged,
)
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite

__all__ = ["InvariantCall", "LocalName", "RepeatedCall"]

MEASURES = frozenset({"len", "sum", "min", "max", "sorted", "set", "frozenset", "tuple", "list", "dict", "abs", "round",
                      "str", "int", "float", "any", "all"})  # fmt: skip
"""Builtins whose result depends on the value of their arguments alone."""
SHARED_RESULTS = frozenset({"sorted", "set", "list", "dict"})
LIST_METHODS = frozenset({"split", "rsplit", "splitlines"})
CONDITIONAL = (cst.If, cst.IfExp, cst.BooleanOperation, cst.Try, cst.TryStar, cst.ExceptHandler, cst.Match, cst.Lambda,
               cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp, cst.FunctionDef, cst.ClassDef,
               cst.Assert)  # fmt: skip


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


def _loops(source: ConcreteFile, node: cst.CSTNode) -> list[cst.For | cst.While]:
    """Loops of the same function whose body (or `while` test) holds the node, from the inside out."""
    found: list[cst.For | cst.While] = []
    child = node
    for parent in source.ancestors(node):
        if isinstance(parent, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            break
        in_test = isinstance(parent, cst.While) and child is parent.test
        if isinstance(parent, (cst.For, cst.While)) and (child is parent.body or in_test):
            found.append(parent)
        child = parent
    return found


class InvariantCall(Operator):
    """A pure call in a loop, whose arguments the loop leaves alone, is computed once before the loop.

    `while i < len(rows)`, `name.lower()`, `sorted(names)`. Refused when the loop may rebind or change an argument
    (also by handing it to an unknown call or a closure), when the result is mutable and does more than being read,
    when the call stands under a condition, `try` or lambda in the loop (it could fail where it never ran), and outside
    functions.
    """

    name = "invariant-call"
    description = "compute before the loop what does not change in it"
    prior = 0.5

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        done: set[tuple[cst.CSTNode, str]] = set()
        for node in source.of(cst.Call):
            found = _pure_call(source, node)
            function = source.function(node) if found is not None else None
            if found is None or function is None or not _only_read(source, node):
                continue
            place = self._place(source, node, found[1])
            text = source.code(node)
            if place is None or (place, text) in done or "\n" in text or opaque(source, function):
                continue
            done.add((place, text))
            name = source.names.fresh(found[0])
            head = source.before(place, [f"{name} = {text}"])
            same = [
                other for other in source.within(place) if isinstance(other, cst.Call) and source.code(other) == text
            ]
            inside = [other for other in same if not isinstance(place, cst.For) or source.holds(place.body, other)]
            if head is not None and all(_only_read(source, other) for other in inside if isinstance(other, cst.Call)):
                edits = (head, *(source.replace(other, name) for other in inside))
                yield Rewrite(node, f"compute {_short(text)} before the loop", "it was the same on every pass", edits)

    def _place(self, source: ConcreteFile, call: cst.Call, read: Sequence[Variable]) -> cst.For | cst.While | None:
        place: cst.For | cst.While | None = None
        for loop in _loops(source, call):
            between = (parent for parent in source.ancestors(call) if source.holds(loop, parent) and parent is not loop)
            if any(isinstance(parent, CONDITIONAL) for parent in between) or source.indent(loop) is None:
                break
            if not all(unchanged(source, variable, loop) for variable in read):
                break
            place = loop
        return place


class LocalName(Operator):
    """A function of a module, or a bound method such as `out.append`, that a loop calls is looked up once before it.

    Pays a little in hot loops: one lookup of a local instead of one or two of globals and attributes. Refused when the
    module or object is rebound in the loop, when nothing says that the object is a list, set, dict or str, when
    the call stands in a nested function, and outside functions.
    """

    name = "local-name"
    description = "look up a function or bound method once before a hot loop"
    prior = 0.1

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        done: set[tuple[cst.CSTNode, str]] = set()
        for node in source.of(cst.Call):
            if not isinstance(node.func, cst.Attribute):
                continue
            text = source.code(node.func)
            function, loops = source.function(node), _loops(source, node)
            if function is None or not loops or opaque(source, function) or "\n" in text:
                continue
            if source.names.scope(node) is not function:
                continue
            place = self._place(source, node.func, loops)
            if place is None or (place, text) in done:
                continue
            done.add((place, text))
            name = source.names.fresh(f"{text.replace('.', '_').strip('_')}")
            head = source.before(place, [f"{name} = {text}"])
            uses = [
                other.func for other in source.within(place)
                if isinstance(other, cst.Call) and source.code(other.func) == text
            ]  # fmt: skip
            if head is not None:
                edits = (head, *(source.replace(use, name) for use in uses))
                yield Rewrite(node, f"look up {text} before the loop", "it was looked up on every pass", edits)

    def _place(
        self, source: ConcreteFile, func: cst.Attribute, loops: Sequence[cst.For | cst.While]
    ) -> cst.For | cst.While | None:
        path = dotted(source, func)
        place: cst.For | cst.While | None = None
        for loop in loops:
            if source.indent(loop) is None:
                break
            if path is None and not self._bound_method(source, func, loop):
                break
            place = loop
        return place

    def _bound_method(self, source: ConcreteFile, func: cst.Attribute, loop: cst.CSTNode) -> bool:
        variable = source.names.get(func.value)
        if variable is None or variable.shared or variable.scope is not source.function(loop):
            return False
        rebound = any(source.holds(loop, store) for store in variable.stores)
        started = any(source.order(store) < source.order(loop) for store in variable.stores)
        return not rebound and started and kind(source, variable) in ("list", "set", "dict", "str")


class RepeatedCall(Operator):
    """The same pure text method, called several times on one name in one block, is called once.

    `line.split(",")[0]` ... `line.split(",")[3]`: the line was split for every field. Refused when the name is rebound
    between, when the block has anything but simple statements between the calls, when a result that could be
    changed is handed on, and for calls under a condition.
    """

    name = "repeated-call"
    description = "keep the result of a text method that a block calls again"
    prior = 0.5

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for block in source.of(cst.IndentedBlock):
            if source.function(block.body[0]) is None:
                continue
            run: list[cst.CSTNode] = []
            for statement in [*block.body, None]:
                if isinstance(statement, cst.SimpleStatementLine):
                    run.append(statement)
                    continue
                yield from self._of_run(source, run)
                run = []

    def _of_run(self, source: ConcreteFile, run: Sequence[cst.CSTNode]) -> Iterator[Rewrite]:
        groups: dict[str, list[cst.Call]] = {}
        for statement in run:
            for node in source.within(statement):
                found = _pure_call(source, node)
                if found is None or not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
                    continue
                between = (parent for parent in source.ancestors(node) if source.holds(statement, parent))
                if not any(isinstance(parent, CONDITIONAL) for parent in between) and _only_read(source, node):
                    groups.setdefault(source.code(node), []).append(node)
        for text, calls in groups.items():
            if len(calls) < 2 or "\n" in text:
                continue
            place = next(statement for statement in run if source.holds(statement, calls[0]))
            label, read = _pure_call(source, calls[0]) or ("", [])
            last = calls[-1]
            stores = [store for variable in read for store in variable.stores]
            moved = any(source.order(place) <= source.order(store) < source.order(last) for store in stores)
            rebinds_late = any(variable.shared or variable.is_global for variable in read)
            name = source.names.fresh(label)
            head = source.before(place, [f"{name} = {text}"])
            if head is not None and not moved and not rebinds_late:
                edits = (head, *(source.replace(call, name) for call in calls))
                yield Rewrite(calls[0], f"call {_short(text)} once", "the same text was taken apart again", edits)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
