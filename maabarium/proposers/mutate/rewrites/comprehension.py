"""Operator `comprehension`: a loop that only fills a list, set or dict becomes a comprehension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.knowledge import opaque
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite

__all__ = ["Comprehension", "Filling", "initial_value", "layout", "loop_names_stay_inside", "plain_loop"]

LINE_LENGTH = 88
FORBIDDEN = (cst.Yield, cst.Await, cst.NamedExpr, cst.Lambda)


@dataclass(frozen=True)
class Filling:
    """`for target in iter: if test: <last>`, with the headers from the outside in."""

    loops: tuple[cst.For, ...]
    clauses: tuple[str, ...]
    last: cst.BaseSmallStatement


def plain_loop(source: ConcreteFile, loop: cst.For) -> Filling | None:
    """Read a loop that holds nothing but further loops and ifs around one statement."""
    loops, clauses = [], []
    body: cst.CSTNode = loop
    while True:
        if isinstance(body, cst.For) and body.orelse is None and body.asynchronous is None:
            loops.append(body)
            target, values = source.code(body.target), source.code(body.iter)
            clauses.append(f"for {target} in {_unambiguous(body.iter, values)}")
        elif isinstance(body, cst.If) and body.orelse is None:
            clauses.append(f"if {_unambiguous(body.test, source.code(body.test))}")
        else:
            break
        if not isinstance(body.body, cst.IndentedBlock) or len(body.body.body) != 1:
            return None
        body = body.body.body[0]
    if not isinstance(body, cst.SimpleStatementLine) or len(body.body) != 1:
        return None
    if any(isinstance(node, FORBIDDEN) or _needs_frame(node) for node in source.within(loop)):
        return None
    return Filling(tuple(loops), tuple(clauses), body.body[0])


def _needs_frame(node: cst.CSTNode) -> bool:
    """`super()` without arguments works in the frame of the method only."""
    return isinstance(node, cst.Name) and node.value in ("super", "__class__")


def _unambiguous(node: cst.CSTNode, text: str) -> str:
    bare_tuple = isinstance(node, cst.Tuple) and not node.lpar
    return f"({text})" if bare_tuple or (isinstance(node, cst.IfExp) and not node.lpar) else text


def loop_names_stay_inside(source: ConcreteFile, loops: Sequence[cst.For]) -> bool:
    """Whether no name that the loops bind is read elsewhere as the loop left it, nor bound by anything else there."""
    first = loops[0]
    for loop in loops:
        for node in source.within(loop.target):
            if isinstance(node, (cst.Attribute, cst.Subscript)):
                return False
            variable = source.names.get(node)
            if variable is None:
                continue
            if variable.shared or variable.scope is not source.function(loop):
                return False
            if not all(source.holds(first, name) or _rebound(source, name, variable) for name in variable.loads):
                return False
            if any(source.names.scope(name) is not variable.scope for name in variable.loads):
                return False
    return True


def _rebound(source: ConcreteFile, name: cst.CSTNode, variable: Variable) -> bool:
    """Whether a loop around this use, by its own header, binds the name first."""
    child = name
    for parent in source.ancestors(name):
        if isinstance(parent, cst.For) and child is parent.body:
            bound = {node.value for node in source.within(parent.target) if isinstance(node, cst.Name)}
            if variable.name in bound:
                return True
        child = parent
    return False


def initial_value(source: ConcreteFile, loop: cst.For, variable: Variable) -> cst.SimpleStatementLine | None:
    """The statement right above a loop (only others that do not touch the variable between) that starts it."""
    block = source.parent[loop]
    if not isinstance(block, cst.IndentedBlock):
        return None
    above = list(block.body)[: list(block.body).index(loop)]
    for statement in reversed(above):
        touched = any(source.names.get(node) is variable for node in source.within(statement))
        if touched:
            if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
                return None
            return statement if isinstance(statement.body[0], (cst.Assign, cst.AnnAssign)) else None
    return None


class Comprehension(Operator):
    """`out = []` and a loop that only does `out.append(value)` become `out = [value for ...]`; sets and dicts alike.

    Pays because the comprehension needs no method call and no name lookup per element. Refused with `else`, `break`,
    `await`, `yield`, `:=` or lambdas in the loop; when the loop's names are read after it, are captured, global or
    attributes; when the container is read in the loop or shared with another scope; when an exception handler could
    see the half-filled container; and at module or class level.
    """

    name = "comprehension"
    description = "fill a list, set or dict by a comprehension instead of a loop"
    prior = 0.3

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.For):
            if source.function(node) is not None:
                filling = plain_loop(source, node)
                found = self._site(source, node, filling) if filling is not None else None
                if found is not None:
                    yield found

    def _site(self, source: ConcreteFile, loop: cst.For, filling: Filling) -> Rewrite | None:
        stored = _stored(source, filling.last)
        function = source.function(loop)
        if stored is None or function is None or opaque(source, function):
            return None
        container, method, value = stored
        variable = source.names[container]
        inside = [name for name in variable.loads if source.holds(loop, name)]
        if variable.scope is not function or variable.shared or len(inside) != 1 or not _unguarded(source, loop):
            return None
        if not loop_names_stay_inside(source, filling.loops):
            return None
        parts = (value, *filling.clauses)
        start = initial_value(source, loop, variable)
        edits = self._from_start(source, loop, start, method, parts) if start is not None else None
        if edits is None:
            if method != "append":
                return None
            text = layout(source, loop, f"{variable.name}.extend([", parts, "])")
            edits = (Edit(*source.span(loop), text),)
        comments = source.comments(*source.span(loop))
        if comments and (head := source.before(loop, comments)) is not None:
            edits = (head, *edits)
        kind = {"append": "list", "add": "set", "item": "dict"}[method]
        return Rewrite(loop, f"fill {variable.name} by a {kind} comprehension", "a loop filled it one by one", edits)

    def _from_start(
        self, source: ConcreteFile, loop: cst.For, start: cst.SimpleStatementLine, method: str, parts: Sequence[str]
    ) -> tuple[Edit, ...] | None:
        assign = start.body[0]
        if not isinstance(assign, (cst.Assign, cst.AnnAssign)) or assign.value is None:
            return None
        empty = {"append": ("[]", "list()"), "add": ("set()",), "item": ("{}", "dict()")}[method]
        removal = source.delete_line(start)
        if source.code(assign.value) not in empty or removal is None:
            return None
        if isinstance(assign, cst.Assign) and len(assign.targets) != 1:
            return None
        head = source.raw[source.span(assign)[0] : source.outer(assign.value)[0]].decode()
        left, right = ("[", "]") if method == "append" else ("{", "}")
        return removal, Edit(*source.span(loop), layout(source, loop, head + left, parts, right))


def layout(source: ConcreteFile, statement: cst.CSTNode, head: str, parts: Sequence[str], tail: str) -> str:
    """A comprehension on one line if it fits, else one line for each clause."""
    indent = source.indent(statement) or ""
    line = f"{head}{' '.join(parts)}{tail}"
    if len(indent) + len(line) <= LINE_LENGTH and "\n" not in line:
        return line
    inner = source.newline + indent + source.module.default_indent
    return f"{head}{inner}{inner.join(parts)}{source.newline}{indent}{tail}"


def _unguarded(source: ConcreteFile, loop: cst.For) -> bool:
    """No `try` of the same function around the loop: its handler could see what was filled so far."""
    for parent in source.ancestors(loop):
        if isinstance(parent, cst.FunctionDef):
            return True
        if isinstance(parent, (cst.Try, cst.TryStar)):
            return False
    return True


def _stored(source: ConcreteFile, last: cst.BaseSmallStatement) -> tuple[cst.Name, str, str] | None:
    """Container, way of storing, and the element's text of the one statement in a loop."""
    if isinstance(last, cst.Expr) and isinstance(last.value, cst.Call):
        call = last.value
        method = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
        if method not in ("append", "add") or len(call.args) != 1 or call.args[0].star or call.args[0].keyword:
            return None
        holder = call.func.value if isinstance(call.func, cst.Attribute) else None
        if isinstance(holder, cst.Name) and holder in source.names:
            return holder, method, source.code(call.args[0].value)
    if isinstance(last, cst.Assign) and len(last.targets) == 1:
        target = last.targets[0].target
        if isinstance(target, cst.Subscript) and isinstance(target.value, cst.Name) and len(target.slice) == 1:
            index = target.slice[0].slice
            if isinstance(index, cst.Index) and target.value in source.names:
                value = source.code(last.value)
                bare = isinstance(last.value, cst.Tuple) and not last.value.lpar
                return target.value, "item", f"{source.code(index.value)}: {f'({value})' if bare else value}"
    return None
