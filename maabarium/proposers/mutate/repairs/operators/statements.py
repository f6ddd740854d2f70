"""Repairs of whole statements: loop exits, augmented assignment, returned values, exceptions, superfluous lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from maabarium.proposers.mutate.repairs.operators.expressions import INSTEAD
from maabarium.proposers.mutate.repairs.place import NodePlace, Repair

__all__ = ["augmented", "dropped", "exception", "loop_exit", "returned"]

_AUGMENTED = re.compile(r"(?:[\s()\\]|#[^\r\n]*)*((?:\*\*|//|<<|>>|[-+*/%&|^])?=)(?!=)")
_EXITS: dict[type[ast.AST], tuple[tuple[str, float], ...]] = {
    ast.Break: (("continue", 0.85), ("pass", 0.1)),
    ast.Continue: (("break", 0.85), ("pass", 0.1)),
    ast.Return: (("break", 0.25), ("continue", 0.25)),
}
_NEAR = {
    "ValueError": ("TypeError", "KeyError", "IndexError"),
    "TypeError": ("ValueError", "AttributeError", "KeyError"),
    "KeyError": ("IndexError", "ValueError", "LookupError", "AttributeError"),
    "IndexError": ("KeyError", "ValueError", "LookupError", "StopIteration"),
    "LookupError": ("KeyError", "IndexError", "ValueError"),
    "AttributeError": ("KeyError", "TypeError"),
    "ZeroDivisionError": ("ValueError", "ArithmeticError", "OverflowError"),
    "OverflowError": ("ValueError", "ZeroDivisionError"),
    "RuntimeError": ("ValueError", "TypeError", "NotImplementedError"),
    "NotImplementedError": ("ValueError", "TypeError"),
    "StopIteration": ("IndexError", "ValueError"),
    "OSError": ("ValueError", "FileNotFoundError"),
    "Exception": ("ValueError", "TypeError", "KeyError"),
}


def loop_exit(node: ast.Break | ast.Continue | ast.Return, place: NodePlace) -> Iterator[Repair]:
    """`break` by `continue` and the other way round; `return` without a value inside a loop by both."""
    if isinstance(node, ast.Return) and (node.value is not None or not place.statement.in_loop):
        return
    for new, prior in _EXITS[type(node)]:
        yield from place.replace("loop-exit", node, new, prior, ("loop",))


def augmented(node: ast.AugAssign | ast.Assign, place: NodePlace) -> Iterator[Repair]:
    """`+=` by `-=`, `=` and so on; `=` by `+=` where the name holds a value already."""
    target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
    found = _AUGMENTED.match(place.source.text, place.source.span(target)[1])
    if found is None:
        return
    repairs: list[tuple[str, float]] = []
    if isinstance(node, ast.AugAssign):
        repairs = [*((f"{new}=", prior) for new, prior in INSTEAD[found.group(1)[:-1]]), ("=", 0.4)]
    elif found.group(1) == "=" and len(node.targets) == 1 and _accumulates(node, place):
        repairs = [("+=", 0.4), ("-=", 0.12), ("|=", 0.05)]
    for new, prior in repairs:
        yield Repair("augmented", *found.span(1), new, prior, ("arithmetic",))


def _accumulates(node: ast.Assign, place: NodePlace) -> bool:
    """Whether a plain assignment may have been an augmented one: the target holds a value, the value reads it not."""
    target = node.targets[0]
    if isinstance(target, ast.Name):
        before = place.statement.scope.names.get(target.id, node.lineno) < node.lineno
    else:
        before = isinstance(target, ast.Attribute | ast.Subscript) and place.statement.scope.kind == "function"
        before = before and not place.statement.scope.qualname.endswith("__init__")
    if not before or isinstance(node.value, ast.Dict | ast.Set | ast.Lambda | ast.Compare | ast.BoolOp):
        return False
    if isinstance(node.value, ast.Constant) and not isinstance(node.value.value, int | float | str):
        return False
    text = ast.dump(target).replace("Store()", "Load()")
    return text not in ast.dump(node.value)


def returned(node: ast.Return, place: NodePlace) -> Iterator[Repair]:
    """A returned value by another variable of the scope where none, or only a constant, is returned."""
    if place.statement.scope.kind != "function":
        return
    names = place.statement.scope.names
    last = sorted((name for name in names if names[name] < node.lineno and name != "self"), key=lambda n: -names[n])
    for name in last[:3]:
        if node.value is None:
            yield from place.replace("return", node, f"return {name}", 0.15, ("none",))
        elif isinstance(node.value, ast.Constant):
            yield from place.replace("return", node.value, name, 0.12, ("none",))


def exception(node: ast.Name, place: NodePlace) -> Iterator[Repair]:
    """The class of a raised or caught exception by its neighbours and by those that failing tests name."""
    statement = place.statement.node
    caught = isinstance(statement, ast.ExceptHandler) and isinstance(place.parent, ast.Tuple | None)
    raised = isinstance(statement, ast.Raise) and (
        place.parent is None or (len(place.parents) == 1 and getattr(place.parent, "func", None) is node)
    )
    if (
        not (caught or raised)
        or not isinstance(node.ctx, ast.Load)
        or not (node.id in _NEAR or node.id.endswith(("Error", "Exception", "Exit")))
    ):
        return
    named = [name for name in place.words.exceptions if name != node.id]
    for name in named:
        yield from place.replace("exception", node, name, 0.75, ("exception",))
    for rank, name in enumerate(_NEAR.get(node.id, ("ValueError", "TypeError"))):
        if name not in named:
            yield from place.replace("exception", node, name, 0.4 - 0.06 * rank, ("exception",))


def dropped(node: ast.Expr | ast.AugAssign | ast.Continue | ast.Break, place: NodePlace) -> Iterator[Repair]:
    """A simple statement left out, where the block has others. Late: code is seldom wrong by being there."""
    if place.statement.siblings > 1 and place.statement.scope.kind == "function":
        yield from place.replace("dropped", node, "pass", 0.08, ("statement",))
