"""What an operator of the rewrites is, and where its edits put a new module constant or import. Knows no request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.edits import Edit
from maabarium.proposers.mutate.rewrites.knowledge import opaque

__all__ = ["Operator", "Rewrite", "add_constant", "add_import", "before_definition", "operator"]

Node = TypeVar("Node", bound=cst.CSTNode)
Finder = Callable[[ConcreteFile, Node], Iterator["Rewrite"]]


@dataclass(frozen=True)
class Rewrite:
    """One place that an operator can rewrite. `what` and `why` make the summary; `factor` scales the prior."""

    anchor: cst.CSTNode
    what: str
    why: str
    edits: tuple[Edit, ...]
    factor: float = 1.0


@dataclass(frozen=True)
class Operator:
    """A named codemod. It refuses in silence: what it is not sure of it does not offer."""

    name: str
    prior: float
    """Chance, before anything was measured, that one of its rewrites in hot code pays."""
    kind: type[cst.CSTNode]
    find: Callable[[ConcreteFile, Any], Iterator[Rewrite]]
    """The rewrites of one node of that kind; each is independent of the others."""

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        """All places in the file, in the order of the nodes; one place may come more than once.

        Loops are looked at in functions only whose names can be told from their text.
        """
        for node in source.of(self.kind):
            function = source.function(node) if self.kind is cst.For else None
            if self.kind is not cst.For or (function is not None and not opaque(source, function)):
                yield from self.find(source, node)


def operator(name: str, prior: float, kind: type[Node]) -> Callable[[Finder[Node]], Operator]:
    """Make an operator of the function that finds the rewrites of one node."""
    return lambda find: Operator(name, prior, kind, find)


def add_constant(source: ConcreteFile, node: cst.CSTNode, text: str) -> Edit:
    """Insert a line of module code above the definition that holds `node`, below the imports."""
    return _insert(source, node, text, is_import=False)


def add_import(source: ConcreteFile, node: cst.CSTNode, module: str, name: str) -> tuple[str, tuple[Edit, ...]] | None:
    """The text that names `module.name` at `node`, and the import to add for it; None when a name is taken."""
    for candidate, text in ((name, name), (module.partition(".")[0], f"{module}.{name}")):
        variable = source.names.module_variable(candidate)
        if variable is not None and _imports(source, variable.stores, candidate, module, name, node):
            return text, ()
    if name in source.names.identifiers:
        return None
    return name, (_insert(source, node, f"from {module} import {name}", is_import=True),)


def before_definition(source: ConcreteFile, node: cst.CSTNode, text: str) -> Edit | None:
    """Insert code before the top-level function or class that holds `node`, above its decorators; no comments there."""
    top = _top_level(source, node)
    if not isinstance(top, (cst.FunctionDef, cst.ClassDef)):
        return None
    if any(line.comment is not None for line in (*top.leading_lines, *top.lines_after_decorators)):
        return None
    start = _start(source, top)
    return Edit(start, start, text + source.newline * 3)


def _imports(
    source: ConcreteFile, stores: list[cst.Name], candidate: str, module: str, name: str, node: cst.CSTNode
) -> bool:
    """Whether the only binding of `candidate` is the import of exactly that, above `node`."""
    if len(stores) != 1 or source.order(stores[0]) > source.order(node):
        return False
    alias = source.parent[stores[0]]
    if not isinstance(alias, cst.ImportAlias) or len(list(source.ancestors(alias))) != 3:
        return False
    named = [other for other in source.of(cst.Name) if other.value == candidate and other in source.names]
    if any(source.names[other].scope is not source.module for other in named):
        return False
    statement = source.parent[alias]
    if isinstance(statement, cst.ImportFrom):
        path = source.code(statement.module) if statement.module is not None and not statement.relative else ""
        return candidate == name and path == module
    return candidate == module and isinstance(alias.name, cst.Name)


def _top_level(source: ConcreteFile, node: cst.CSTNode) -> cst.CSTNode:
    return [node, *source.ancestors(node)][-2]


def _is_import(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and all(
        isinstance(part, (cst.Import, cst.ImportFrom)) for part in statement.body
    )


def _anchor(source: ConcreteFile, node: cst.CSTNode) -> cst.CSTNode | None:
    """The last import above the top-level statement of `node`, else the docstring."""
    top = _top_level(source, node)
    above = [statement for statement in source.module.body if source.order(statement) < source.order(top)]
    imports = [statement for statement in above if _is_import(statement)]
    if imports:
        return imports[-1]
    first = source.module.body[0]
    return first if above and source.module.get_docstring() is not None else None


def _start(source: ConcreteFile, statement: cst.CSTNode) -> int:
    """Where a statement starts, its decorators included."""
    decorators = statement.decorators if isinstance(statement, (cst.FunctionDef, cst.ClassDef)) else ()
    return source.span(decorators[0] if decorators else statement)[0]


def _insert(source: ConcreteFile, node: cst.CSTNode, text: str, *, is_import: bool) -> Edit:
    anchor, line = _anchor(source, node), source.newline
    if anchor is None:
        start = _start(source, source.module.body[0])
        return Edit(start, start, text + line * (2 if is_import else 3))
    stop = source.end_of_line(source.span(anchor)[1])
    return Edit(stop, stop, line * (1 if is_import and _is_import(anchor) else 2) + text)
