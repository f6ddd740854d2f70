"""Where a rewrite puts a new module constant or import: after the imports that stand above its place."""

from __future__ import annotations

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit

__all__ = ["add_constant", "add_import", "before_definition"]


def add_constant(source: ConcreteFile, node: cst.CSTNode, text: str) -> Edit:
    """Insert a line of module code above the definition that holds `node`, below the imports."""
    anchor = _anchor(source, node)
    line = source.newline
    if anchor is None:
        return _at_top(source, f"{text}{line}{line}{line}")
    stop = source.end_of_line(source.span(anchor)[1])
    return Edit(stop, stop, f"{line}{line}{text}")


def add_import(source: ConcreteFile, node: cst.CSTNode, module: str, name: str) -> tuple[str, tuple[Edit, ...]] | None:
    """The text that names `module.name` at `node`, and the import to add for it; None when a name is taken."""
    for candidate, text in ((name, name), (module.partition(".")[0], f"{module}.{name}")):
        variable = source.names.module_variable(candidate)
        if variable is not None and _imports(source, variable.stores, candidate, module, name, node):
            return text, ()
    if name in source.names.identifiers:
        return None
    anchor = _anchor(source, node)
    line = source.newline
    statement = f"from {module} import {name}"
    if anchor is None:
        return name, (_at_top(source, f"{statement}{line}{line}"),)
    stop = source.end_of_line(source.span(anchor)[1])
    gap = line if _is_import(anchor) else line + line
    return name, (Edit(stop, stop, f"{gap}{statement}"),)


def before_definition(source: ConcreteFile, node: cst.CSTNode, text: str) -> Edit | None:
    """Insert code before the top-level function or class that holds `node`, above its decorators and comments."""
    top = _top_level(source, node)
    if not isinstance(top, (cst.FunctionDef, cst.ClassDef)):
        return None
    start = source.span(top.decorators[0])[0] if top.decorators else source.span(top)[0]
    comment = [line for line in (*top.leading_lines, *top.lines_after_decorators) if line.comment is not None]
    if comment:
        return None
    gap = source.newline * 3
    return Edit(start, start, f"{text}{gap}")


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
    top = node
    for parent in source.ancestors(node):
        if isinstance(parent, cst.Module):
            break
        top = parent
    return top


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


def _at_top(source: ConcreteFile, text: str) -> Edit:
    first = source.module.body[0]
    start = source.span(first)[0]
    if isinstance(first, (cst.FunctionDef, cst.ClassDef)) and first.decorators:
        start = source.span(first.decorators[0])[0]
    return Edit(start, start, text)
