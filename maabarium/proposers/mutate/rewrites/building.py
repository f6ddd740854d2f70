"""Operators on values that a function builds step by step: `join`, `append-in-place`, `deque`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.comprehension import initial_value
from maabarium.proposers.mutate.rewrites.knowledge import called, kind, literal_value
from maabarium.proposers.mutate.rewrites.loops import LoopOperator
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite
from maabarium.proposers.mutate.rewrites.preamble import add_import

__all__ = ["AppendInPlace", "Join", "UseDeque"]


class Join(LoopOperator):
    """`text += part` in a loop becomes `parts.append(part)` and one `"".join` after the loop.

    Pays when the text grows long and something else refers to it. Refused unless the text starts as a literal right
    above the loop, is only added to in it (never read, rebound or captured), and the loop has no `return` or `yield`.
    """

    name = "join"
    description = "collect the parts of a text and join them once"
    prior = 0.35

    def _of_loop(self, source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
        added = [node for node in source.within(loop) if isinstance(node, cst.AugAssign)]
        texts = {source.names[node.target] for node in added if isinstance(node.target, cst.Name)}
        leaves = (cst.Return, cst.Yield, cst.Await)
        if any(isinstance(node, leaves) for node in source.within(loop)):
            return
        for variable in sorted(texts, key=lambda item: item.name):
            found = self._site(source, loop, variable)
            if found is not None:
                yield found

    def _site(self, source: ConcreteFile, loop: cst.For, variable: Variable) -> Rewrite | None:
        start = initial_value(source, loop, variable)
        assign = start.body[0] if start is not None else None
        if not isinstance(assign, cst.Assign) or not isinstance(literal_value(assign.value), str):
            return None
        if variable.shared or variable.scope is not source.function(loop) or len(assign.targets) != 1:
            return None
        if any(source.holds(loop, name) for name in variable.loads) or not _unguarded(source, loop):
            return None
        if any(source.names.scope(name) is not variable.scope for name in (*variable.loads, *variable.stores)):
            return None
        name = source.names.fresh(f"{variable.name}_parts")
        empty = literal_value(assign.value) == ""
        edits = [Edit(*source.span(assign), f"{name} = [{'' if empty else source.code(assign.value)}]")]
        for store in variable.stores:
            if not source.holds(loop, store):
                continue
            addition = source.parent[store]
            if not isinstance(addition, cst.AugAssign) or not isinstance(addition.operator, cst.AddAssign):
                return None
            value = source.code(addition.value)
            edits.append(Edit(*source.span(addition), f"{name}.append({value})"))
        stop = source.span(loop)[1]
        stop = source.end_of_line(stop)
        indent = source.indent(loop)
        if indent is None:
            return None
        edits.append(Edit(stop, stop, f'{source.newline}{indent}{variable.name} = "".join({name})'))
        return Rewrite(loop, f"join {variable.name} once", "the text was copied as it grew", tuple(edits))


def _unguarded(source: ConcreteFile, loop: cst.CSTNode) -> bool:
    for parent in source.ancestors(loop):
        if isinstance(parent, cst.FunctionDef):
            return True
        if isinstance(parent, (cst.Try, cst.TryStar)):
            return False
    return True


class AppendInPlace(Operator):
    """`rows = rows + [x]` becomes `rows.append(x)`; several elements or a whole list become `extend`.

    Pays because the old form copies the list each time. Refused unless the list is made in the same function (nobody
    else may hold it) and is neither captured nor handed on before the loop; outside loops there is nothing to gain.
    """

    name = "append-in-place"
    description = "append to a list instead of copying it with `+`"
    prior = 0.8

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Assign):
            found = self._addition(source, node)
            if found is None or not any(isinstance(parent, (cst.For, cst.While)) for parent in source.ancestors(node)):
                continue
            name, added = found
            variable = source.names[name]
            if variable.scope is not source.function(node) or variable.shared or not self._owned(source, variable):
                continue
            if isinstance(added, cst.List) and len(added.elements) == 1 and isinstance(added.elements[0], cst.Element):
                text = f"{variable.name}.append({source.code(added.elements[0].value)})"
            else:
                text = f"{variable.name}.extend({source.code(added)})"
            edit = Edit(*source.span(node), text)
            yield Rewrite(node, f"append to {variable.name} in place", "the list was copied on every pass", (edit,))

    def _addition(self, source: ConcreteFile, node: cst.CSTNode) -> tuple[cst.Name, cst.BaseExpression] | None:
        if not isinstance(node, cst.Assign) or len(node.targets) != 1:
            return None
        target, value = node.targets[0].target, node.value
        if not isinstance(target, cst.Name) or not isinstance(value, cst.BinaryOperation):
            return None
        same = isinstance(value.left, cst.Name) and value.left.value == target.value
        if not same or not isinstance(value.operator, cst.Add) or not isinstance(value.right, cst.List):
            return None
        return target, value.right

    def _owned(self, source: ConcreteFile, variable: Variable) -> bool:
        for store in variable.stores:
            assign = source.parent[source.parent[store]]
            made = isinstance(assign, cst.Assign) and isinstance(assign.value, (cst.List, cst.ListComp))
            if not made and self._addition(source, assign) is None:
                return False
        escapes = (cst.AssignTarget, cst.Assign, cst.Element, cst.DictElement, cst.Yield, cst.NamedExpr)
        for load in variable.loads:
            parent = source.parent[load]
            if source.names.scope(load) is not variable.scope or isinstance(parent, escapes):
                return False
            if isinstance(parent, cst.Arg) and called(source, source.parent[parent]) is None:
                return False
        return True


class UseDeque(Operator):
    """A local list that is used as a queue (`pop(0)`, `insert(0, x)`) becomes a `collections.deque`.

    Pays because a list moves all its elements for each of them. Refused unless the list is made in the same function
    and every use is one that a deque has too: append, extend, pop, length, truth, iteration, `in`, item 0 and -1.
    """

    name = "deque"
    description = "use a deque for a list that is emptied or filled from the left"
    prior = 0.6

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Assign):
            if len(node.targets) != 1:
                continue
            variable = source.names.get(node.targets[0].target)
            function = source.function(node)
            if variable is None or variable.scope is not function or len(variable.stores) != 1 or variable.shared:
                continue
            if function is None or kind(source, variable) != "list":
                continue
            uses = [_queue_use(source, load) for load in variable.loads]
            edits = [edit for edit in uses if isinstance(edit, Edit)]
            if "refused" in uses or not edits:
                continue
            imported = add_import(source, node, "collections", "deque")
            if imported is None:
                continue
            name, added = imported
            value = source.code(node.value)
            first = source.replace(node.value, f"{name}()" if value in ("[]", "list()") else f"{name}({value})")
            what = f"use a deque for {variable.name}"
            yield Rewrite(node, what, "taking from the left moved the whole list", (*added, first, *edits))


def _queue_use(source: ConcreteFile, load: cst.CSTNode) -> Edit | str:
    """The edit for one use, `fine`, or `refused`."""
    parent = source.parent[load]
    if isinstance(parent, cst.Attribute):
        call = source.parent[parent]
        if not isinstance(call, cst.Call) or call.func is not parent:
            return "refused"
        method = parent.attr.value
        values = [source.code(item.value) for item in call.args]
        if method == "pop" and values == ["0"]:
            return source.replace(call, f"{source.code(load)}.popleft()")
        if method == "insert" and len(values) == 2 and values[0] == "0":
            return source.replace(call, f"{source.code(load)}.appendleft({values[1]})")
        plain = (method == "pop" and not values) or method in ("append", "extend", "clear", "remove", "count")
        return "fine" if plain else "refused"
    if isinstance(parent, cst.Subscript):
        index = parent.slice[0].slice
        ends = isinstance(index, cst.Index) and literal_value(index.value) in (0, -1)
        return "fine" if ends and parent.value is load and len(parent.slice) == 1 else "refused"
    if isinstance(parent, cst.Arg):
        reading = ("len", "sum", "min", "max", "sorted", "any", "all", "list", "tuple", "set", "enumerate")
        return "fine" if called(source, source.parent[parent]) in reading else "refused"
    if isinstance(parent, cst.ComparisonTarget):
        return "fine" if isinstance(parent.operator, (cst.In, cst.NotIn)) else "refused"
    if isinstance(parent, cst.BooleanOperation):
        outer = source.parent[parent]
        return "fine" if isinstance(outer, (cst.While, cst.If)) else "refused"
    walked = isinstance(parent, (cst.For, cst.CompFor)) and parent.iter is load
    tested = isinstance(parent, (cst.While, cst.If, cst.UnaryOperation))
    return "fine" if walked or tested else "refused"
