"""The statements of one file: where each lies, which scope it is in, and which names can be had there.

A compound statement stands for its header only; its body's statements
stand for themselves, so that every line belongs to the smallest statement that a tracer would report.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Scope", "Statement", "statements_of"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_HEADER: dict[type[ast.AST], str] = {
    ast.If: "test", ast.While: "test", ast.For: "iter", ast.AsyncFor: "iter", ast.Match: "subject",
    ast.ExceptHandler: "type", ast.AnnAssign: "value",
}  # fmt: skip
"""The one expression of a statement that may be edited."""


@dataclass(slots=True)
class Scope:
    """A function, class or module body. `names` maps a name that holds a value to the line that first binds it."""

    qualname: str
    kind: str
    names: dict[str, int] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    """Attributes of `self` that the enclosing class uses."""
    reads: Counter[str] = field(default_factory=Counter)
    """How often each name is read in this body, inner functions included."""
    count: int = 0


@dataclass(slots=True)
class Statement:
    """One simple statement, or the header of a compound one. `parts` are the expressions that may be edited."""

    node: ast.AST
    parts: tuple[ast.AST, ...]
    first: int
    last: int
    scope: Scope
    number: int
    in_loop: bool
    siblings: int
    """How many statements the block has: the only one cannot be dropped."""
    deferred: bool
    """Whether it runs when the file is imported, so that no test seems to cover it."""
    body: tuple[int, int] | None = None
    """Lines of the function whose header this is."""
    binds: tuple[str, ...] = ()


def statements_of(tree: ast.Module) -> list[Statement]:
    """All statements in the order of the text, without imports, docstrings and annotations."""
    return list(_block(tree.body, Scope("", "module", _bound(tree.body, {})), in_loop=False))


def _bound(body: list[ast.stmt], names: dict[str, int]) -> dict[str, int]:
    """Names that statements of a body bind, without those of inner functions, classes and comprehensions."""
    pending: list[ast.AST] = list(reversed(body))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                names[node.id] = min(names.get(node.id, node.lineno), node.lineno)
        elif isinstance(node, ast.ExceptHandler):
            pending.extend(reversed(node.body))
        elif not isinstance(
            node, _Function | ast.ClassDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
        ):
            pending.extend(reversed(list(ast.iter_child_nodes(node))))
    return names


def _parameters(node: _Function) -> dict[str, int]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
    return {argument.arg: node.lineno for argument in every}


def _self_attributes(node: ast.ClassDef) -> tuple[str, ...]:
    attributes = (child for child in ast.walk(node) if isinstance(child, ast.Attribute))
    return tuple(dict.fromkeys(a.attr for a in attributes if isinstance(a.value, ast.Name) and a.value.id == "self"))


def _header(node: ast.AST) -> tuple[ast.AST, ...]:
    """The editable expressions of a statement, annotations left out."""
    if type(node) in _HEADER:
        part = getattr(node, _HEADER[type(node)])
        return (part,) if part is not None else ()
    match node:
        case ast.With() | ast.AsyncWith():
            return tuple(item.context_expr for item in node.items)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            defaults = [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
            return (*node.decorator_list, *defaults)
        case ast.ClassDef():
            return (*node.decorator_list,)
        case ast.Assign():
            targets = tuple(target for target in node.targets if not isinstance(target, ast.Name))
            return (*targets, node.value)
        case _:
            return tuple(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))


def _block(body: list[ast.stmt], scope: Scope, *, in_loop: bool) -> Iterator[Statement]:
    for node in body:
        yield from _statement(node, scope, in_loop=in_loop, siblings=len(body))
        yield from _inside(node, scope, in_loop=in_loop)


def _statement(node: ast.AST, scope: Scope, *, in_loop: bool, siblings: int) -> Iterator[Statement]:
    """The statement of a node, or nothing for what cannot be at fault."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal | ast.Try | ast.Pass):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    parts = _header(node)
    first = getattr(node, "lineno")  # noqa: B009
    simple = not isinstance(node, ast.ExceptHandler) and not hasattr(node, "body") and not hasattr(node, "cases")
    last = getattr(node, "end_lineno") if simple else first  # noqa: B009
    for part in parts:
        first, last = min(first, getattr(part, "lineno")), max(last, getattr(part, "end_lineno"))  # noqa: B009
    scope.count += 1
    yield Statement(
        node=node, parts=parts, first=first, last=last, scope=scope, number=scope.count, in_loop=in_loop,
        siblings=siblings, deferred=isinstance(node, _Function | ast.ClassDef) or scope.kind != "function",
        body=(node.body[0].lineno, node.end_lineno or last) if isinstance(node, _Function) else None,
        binds=tuple(_targets(node)),
    )  # fmt: skip


def _inside(node: ast.stmt, scope: Scope, *, in_loop: bool) -> Iterator[Statement]:
    """The statements of the blocks below a node, in the order of the text."""
    if isinstance(node, _Function | ast.ClassDef):
        yield from _block(node.body, _scope(node, scope), in_loop=False)
        return
    looped = isinstance(node, ast.For | ast.AsyncFor | ast.While)
    yield from _block(getattr(node, "body", []), scope, in_loop=in_loop or looped)
    for below in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        if isinstance(below, ast.ExceptHandler):
            yield from _statement(below, scope, in_loop=in_loop, siblings=1)
        yield from _block(below.body, scope, in_loop=in_loop)
    for name in ("orelse", "finalbody"):
        yield from _block(getattr(node, name, []), scope, in_loop=in_loop)


def _scope(node: _Function | ast.ClassDef, outer: Scope) -> Scope:
    qualname = f"{outer.qualname}.{node.name}" if outer.qualname else node.name
    if isinstance(node, ast.ClassDef):
        return Scope(qualname, "class", _bound(node.body, {}), _self_attributes(node))
    reads = Counter(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return Scope(qualname, "function", _bound(node.body, _parameters(node)), outer.attributes, reads)


def _targets(node: ast.AST) -> Iterator[str]:
    if isinstance(node, _Function | ast.ClassDef):
        yield node.name
        return
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        for child in ast.walk(target) if isinstance(target, ast.AST) else ():
            if isinstance(child, ast.Name):
                yield child.id
