"""Operators on `in`: `constant-membership` for literals and module constants, `membership-set` for lists in loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.knowledge import is_constant, kind, unchanged
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite

__all__ = ["ConstantMembership", "MembershipSet", "SeenSet"]

Loop = (cst.For, cst.While)
Comprehension = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)


def is_membership(source: ConcreteFile, node: cst.CSTNode) -> bool:
    """Whether the node is the right side of `in` or `not in`."""
    parent = source.parent[node]
    return isinstance(parent, cst.ComparisonTarget) and isinstance(parent.operator, (cst.In, cst.NotIn))


def _constants(node: cst.CSTNode) -> Sequence[cst.BaseElement] | None:
    if not isinstance(node, (cst.List, cst.Tuple)) or len(node.elements) < 2:
        return None
    fixed = all(isinstance(item, cst.Element) and is_constant(item.value) for item in node.elements)
    return node.elements if fixed else None


class ConstantMembership(Operator):
    """`x in ["a", "b"]` becomes `x in {"a", "b"}`; `NAMES = ["a", "b"]`, only asked with `in`, a frozenset.

    Pays because a set is asked by hash, a list item by item; the compiler folds the set into a constant. Refused when
    an element is not a hashable literal, or when the module constant is used for anything but `in`, is rebound,
    or is listed in `__all__`. What is asked for must be hashable: the tests tell.
    """

    name = "constant-membership"
    description = "ask a set instead of a list or tuple of constants"
    prior = 0.2

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in (*source.of(cst.List), *source.of(cst.Tuple)):
            elements = _constants(node)
            if elements is None:
                continue
            if is_membership(source, node):
                text = "{" + ", ".join(source.code(item.value) for item in elements) + "}"
                edit = source.replace(node, text)
                factor = min(1.0, 0.3 + len(elements) / 12)
                yield Rewrite(node, "ask a set of constants", "`in` compared item by item", (edit,), factor)
            else:
                found = self._constant(source, node, len(elements))
                if found is not None:
                    yield found

    def _constant(self, source: ConcreteFile, node: cst.CSTNode, size: int) -> Rewrite | None:
        assign = source.parent[node]
        if not isinstance(assign, (cst.Assign, cst.AnnAssign)) or source.function(node) is not None:
            return None
        if isinstance(assign, cst.AnnAssign) or len(assign.targets) != 1:
            return None
        variable = source.names.get(assign.targets[0].target)
        if variable is None or not variable.is_global or len(variable.stores) != 1 or variable.shared:
            return None
        if not variable.loads or not all(is_membership(source, name) for name in variable.loads):
            return None
        start, end = source.outer(node)
        edits = (Edit(start, start, "frozenset("), Edit(end, end, ")"))
        if not source.raw[start:end].startswith((b"(", b"[")):
            edits = (Edit(start, start, "frozenset(("), Edit(end, end, "))"))
        anchor = variable.loads[0]
        what = f"frozenset for {variable.name}"
        return Rewrite(anchor, what, "`in` compared item by item", edits, min(1.6, 0.5 + size / 12))


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


class MembershipSet(Operator):
    """`x in names` in a loop, `names` a list or tuple left alone there, asks a set built once before the loop.

    Refused when nothing says that `names` is a list or tuple (annotation or assignment), when the loop may change or
    rebind it (also through a closure or an unknown call), and at module level.
    """

    name = "membership-set"
    description = "build a set once before a loop that asks a list with `in`"
    prior = 0.75

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        done: set[tuple[Variable, cst.CSTNode]] = set()
        for node in source.of(cst.Name):
            if not is_membership(source, node) or node not in source.names:
                continue
            variable = source.names[node]
            function = source.function(node)
            if variable.scope is not function or kind(source, variable) not in ("list", "tuple"):
                continue
            place = _outer_loop(source, node, variable) or self._comprehension(source, node, variable)
            if place is None or (variable, place) in done:
                continue
            done.add((variable, place))
            found = self._site(source, variable, place, node)
            if found is not None:
                yield found

    def _comprehension(self, source: ConcreteFile, node: cst.CSTNode, variable: Variable) -> cst.CSTNode | None:
        around = list(source.ancestors(node))
        if not any(isinstance(parent, Comprehension) for parent in around):
            return None
        line = next((parent for parent in around if isinstance(parent, cst.SimpleStatementLine)), None)
        bad = line is None or source.indent(line) is None or not unchanged(source, variable, line)
        lazy = any(isinstance(parent, (cst.Lambda, cst.IfExp, cst.BooleanOperation)) for parent in around)
        return None if bad or lazy else line

    def _site(self, source: ConcreteFile, variable: Variable, place: cst.CSTNode, node: cst.CSTNode) -> Rewrite | None:
        name = source.names.fresh(f"{variable.name}_set")
        head = source.before(place, [f"{name} = set({variable.name})"])
        if head is None:
            return None
        asked = [load for load in variable.loads if source.holds(place, load) and is_membership(source, load)]
        edits = (head, *(source.replace(load, name) for load in asked))
        return Rewrite(node, f"ask a set of {variable.name}", "`in` searched the list on every pass", edits)


class SeenSet(Operator):
    """A list that is both asked with `in` and appended to gets a set beside it that answers.

    `seen = []` ... `if x not in seen: seen.append(x)`: the search is linear in what was seen. Refused unless the list
    starts empty in the same function, is only asked, appended to (as a statement, of a plain name), measured, iterated
    or returned, and its appended values are hashable (the tests tell).
    """

    name = "seen-set"
    description = "keep a set beside a growing list that is asked with `in`"
    prior = 0.8

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Assign):
            if len(node.targets) != 1:
                continue
            if not isinstance(node.value, cst.List) or node.value.elements:
                continue
            variable = source.names.get(node.targets[0].target)
            if variable is None or variable.scope is not source.function(node) or len(variable.stores) != 1:
                continue
            found = self._site(source, node, variable)
            if found is not None:
                yield found

    def _site(self, source: ConcreteFile, assign: cst.Assign, variable: Variable) -> Rewrite | None:
        name = source.names.fresh(f"{variable.name}_set")
        line = source.parent[assign]
        if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
            return None
        head = source.before(line, [f"{name} = set()"])
        asked = [load for load in variable.loads if is_membership(source, load)]
        if head is None or not asked or variable.shared:
            return None
        edits = [head, *(source.replace(load, name) for load in asked)]
        grows = False
        for load in variable.loads:
            statement = _append(source, load)
            if statement is not None:
                indent = source.indent(statement[0])
                if indent is None:
                    return None
                start = source.span(statement[0])[0]
                edits.append(Edit(start, start, f"{name}.add({statement[1]}){source.newline}{indent}"))
                grows = True
            elif load not in asked and not _harmless(source, load):
                return None
        if not grows:
            return None
        return Rewrite(asked[0], f"ask a set beside {variable.name}", "`in` searched a growing list", tuple(edits))


def _append(source: ConcreteFile, load: cst.CSTNode) -> tuple[cst.CSTNode, str] | None:
    """The statement `load.append(name)` with the appended expression."""
    attribute = source.parent[load]
    call = source.parent.get(attribute)
    if not isinstance(attribute, cst.Attribute) or attribute.attr.value != "append" or not isinstance(call, cst.Call):
        return None
    line = source.parent.get(source.parent[call])
    alone = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 and len(call.args) == 1
    if not alone or line is None or not isinstance(call.args[0].value, (cst.Name, cst.Attribute)):
        return None
    return line, source.code(call.args[0].value)


def _harmless(source: ConcreteFile, load: cst.CSTNode) -> bool:
    parent = source.parent[load]
    if isinstance(parent, cst.Arg):
        call = source.parent[parent]
        return isinstance(call, cst.Call) and source.code(call.func) in ("len", "sorted", "sum", "tuple")
    return isinstance(parent, (cst.For, cst.CompFor, cst.Return))
