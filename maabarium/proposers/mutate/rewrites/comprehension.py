"""Operator `comprehension`, and what others ask about loops: plain form, where a variable starts, names left behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.edits import Edit
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.knowledge import arguments, assignment, guarded, index, method
from maabarium.proposers.mutate.rewrites.rewrite import Rewrite, operator

__all__ = ["Filling", "comprehension", "initial_value", "layout", "loop_names_stay_inside", "plain_loop"]

LINE_LENGTH = 88
FORBIDDEN = (cst.Yield, cst.Await, cst.NamedExpr, cst.Lambda)
NEED_FRAME = ("super", "__class__")
"""`super()` without arguments works in the frame of the method only."""
EMPTY = {"append": ("[]", "list()"), "add": ("set()",), "item": ("{}", "dict()")}
KINDS = {"append": "list", "add": "set", "item": "dict"}


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
    while isinstance(body, (cst.For, cst.If)) and body.orelse is None:
        if isinstance(body, cst.If):
            clauses.append(f"if {_unambiguous(source, body.test)}")
        elif body.asynchronous is None:
            loops.append(body)
            clauses.append(f"for {source.code(body.target)} in {_unambiguous(source, body.iter)}")
        else:
            return None
        if not isinstance(body.body, cst.IndentedBlock) or len(body.body.body) != 1:
            return None
        body = body.body.body[0]
    if not isinstance(body, cst.SimpleStatementLine) or len(body.body) != 1:
        return None
    for node in source.within(loop):
        if isinstance(node, FORBIDDEN) or (isinstance(node, cst.Name) and node.value in NEED_FRAME):
            return None
    return Filling(tuple(loops), tuple(clauses), body.body[0])


def _unambiguous(source: ConcreteFile, node: cst.BaseExpression) -> str:
    bare = isinstance(node, (cst.Tuple, cst.IfExp)) and not node.lpar
    return f"({source.code(node)})" if bare else source.code(node)


def loop_names_stay_inside(source: ConcreteFile, loops: Sequence[cst.For]) -> bool:
    """Whether no name that the loops bind is read elsewhere as the loop left it, nor bound by anything else there."""
    for loop in loops:
        for node in source.within(loop.target):
            if isinstance(node, (cst.Attribute, cst.Subscript)):
                return False
            variable = source.names.get(node)
            if variable is None:
                continue
            if variable.shared or variable.scope is not source.function(loop):
                return False
            for name in variable.loads:
                if source.names.scope(name) is not variable.scope:
                    return False
                if not source.holds(loops[0], name) and not _rebound(source, name, variable):
                    return False
    return True


def _rebound(source: ConcreteFile, name: cst.CSTNode, variable: Variable) -> bool:
    """Whether a loop around this use, by its own header, binds the name first."""
    return any(
        isinstance(parent, cst.For)
        and source.holds(parent.body, name)
        and any(isinstance(node, cst.Name) and node.value == variable.name for node in source.within(parent.target))
        for parent in source.ancestors(name)
    )


def initial_value(
    source: ConcreteFile, loop: cst.For, variable: Variable
) -> tuple[cst.SimpleStatementLine | None, cst.BaseExpression | None]:
    """The line above a loop (only others that do not touch the variable between) that starts it, and its value.

    Annotated assignments have no value here.
    """
    block = source.parent[loop]
    above = block.body[: list(block.body).index(loop)] if isinstance(block, cst.IndentedBlock) else ()
    for statement in reversed(above):
        if any(source.names.get(node) is variable for node in source.within(statement)):
            match statement:
                case cst.SimpleStatementLine(body=[cst.Assign() | cst.AnnAssign() as start]):
                    return statement, (assignment(start) or (None, None))[1]
            break
    return None, None


def layout(source: ConcreteFile, statement: cst.CSTNode, head: str, parts: Sequence[str], tail: str) -> str:
    """A comprehension on one line if it fits, else one line for each clause."""
    indent = source.indent(statement) or ""
    line = f"{head}{' '.join(parts)}{tail}"
    if len(indent) + len(line) <= LINE_LENGTH and "\n" not in line:
        return line
    inner = source.newline + indent + source.module.default_indent
    return f"{head}{inner}{inner.join(parts)}{source.newline}{indent}{tail}"


@operator("comprehension", 0.3, cst.For)
def comprehension(source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
    """`out = []` and a loop that only does `out.append(value)` become `out = [value for ...]`; sets and dicts alike.

    Refused with `else`, `break`, `await`, `yield`, `:=` or lambdas in the loop; when the loop's names are read after
    it, are captured, global or attributes; when the container is read in the loop or shared with another scope; when
    an exception handler could see the half-filled container; and at module or class level. (Ruff's PERF401 does lists
    from one loop, PERF403 dicts.)
    """
    filling = plain_loop(source, loop)
    stored = _stored(source, filling.last) if filling is not None else None
    if filling is None or stored is None:
        return
    container, how, value = stored
    variable = source.names[container]
    inside = [name for name in variable.loads if source.holds(loop, name)]
    if variable.scope is not source.function(loop) or variable.shared or len(inside) != 1 or guarded(source, loop):
        return
    if not loop_names_stay_inside(source, filling.loops):
        return
    parts = (value, *filling.clauses)
    start, _ = initial_value(source, loop, variable)
    edits = _from_start(source, loop, start, how, parts) if start is not None else None
    if edits is None and how == "append":
        edits = (Edit(*source.span(loop), layout(source, loop, f"{variable.name}.extend([", parts, "])")),)
    if edits is None:
        return
    comments = source.comments(*source.span(loop))
    if comments and (head := source.before(loop, comments)) is not None:
        edits = (head, *edits)
    what = f"fill {variable.name} by a {KINDS[how]} comprehension"
    yield Rewrite(loop, what, "a loop filled it one by one", edits)


def _from_start(
    source: ConcreteFile, loop: cst.For, start: cst.SimpleStatementLine, how: str, parts: Sequence[str]
) -> tuple[Edit, ...] | None:
    """The comprehension in place of the loop, and the empty start above it removed."""
    assign = start.body[0]
    if not isinstance(assign, (cst.Assign, cst.AnnAssign)) or assign.value is None:
        return None
    removal = source.delete_line(start)
    if source.code(assign.value) not in EMPTY[how] or removal is None:
        return None
    if isinstance(assign, cst.Assign) and len(assign.targets) != 1:
        return None
    head = source.raw[source.span(assign)[0] : source.outer(assign.value)[0]].decode()
    left, right = "[]" if how == "append" else "{}"
    return removal, Edit(*source.span(loop), layout(source, loop, head + left, parts, right))


def _stored(source: ConcreteFile, last: cst.BaseSmallStatement) -> tuple[cst.Name, str, str] | None:
    """Container, way of storing, and the element's text of the one statement in a loop."""
    if isinstance(last, cst.Expr) and isinstance(last.value, cst.Call):
        holder, name, _ = method(last.value) or (None, "", ())
        values = arguments(last.value) or []
        if name in ("append", "add") and len(values) == 1 and isinstance(holder, cst.Name) and holder in source.names:
            return holder, name, source.code(values[0])
    target, value = assignment(last) or (None, None)
    container, key = index(target) or (None, None)
    if value is None or key is None or not isinstance(container, cst.Name) or container not in source.names:
        return None
    bare = isinstance(value, cst.Tuple) and not value.lpar
    text = f"({source.code(value)})" if bare else source.code(value)
    return container, "item", f"{source.code(key)}: {text}"
