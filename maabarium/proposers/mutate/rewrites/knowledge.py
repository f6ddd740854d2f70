"""What may be assumed about values in one file: which calls are pure, what a variable holds, what leaves it alone.

All answers are conservative guesses from the text: "do not know" counts as no. Finds no rewrites itself.
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.variables import Variable

__all__ = [
    "PURE_BUILTINS", "TEXT_METHODS", "called", "dotted", "is_constant", "kind", "literal_value", "opaque",
    "read_only", "simple_arguments", "steady", "unchanged",
]  # fmt: skip

PURE_BUILTINS = frozenset({
    "abs", "all", "any", "bool", "chr", "dict", "divmod", "enumerate", "float", "frozenset", "hash", "int",
    "isinstance", "issubclass", "len", "list", "max", "min", "ord", "range", "repr", "reversed", "round", "set",
    "sorted", "str", "sum", "tuple", "type", "zip",
})  # fmt: skip
"""Builtins that change none of their arguments (iterators excepted)."""

TEXT_METHODS = frozenset({
    "capitalize", "casefold", "count", "encode", "endswith", "expandtabs", "find", "isalnum", "isalpha", "isascii",
    "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isspace", "istitle", "isupper", "join",
    "ljust", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rjust",
    "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper",
    "zfill",
})  # fmt: skip
"""Methods of `str` that no mutable builtin type uses for a change."""

READING_METHODS = TEXT_METHODS | {"copy", "get", "index", "items", "keys", "values", "issubset", "issuperset", "union"}

_ANNOTATIONS = {
    "str": "str", "bytes": "bytes", "int": "number", "float": "number", "bool": "number", "list": "list",
    "List": "list", "dict": "dict", "Dict": "dict", "set": "set", "Set": "set", "frozenset": "set", "tuple": "tuple",
    "Tuple": "tuple",
}  # fmt: skip
_RESULTS = {
    "list": "list", "sorted": "list", "dict": "dict", "set": "set", "frozenset": "set", "tuple": "tuple", "str": "str",
    "repr": "str", "int": "number", "float": "number", "len": "number", "sum": "unknown",
}  # fmt: skip
_TEXT_RESULTS = {"split": "list", "rsplit": "list", "splitlines": "list", "partition": "tuple", "rpartition": "tuple"}


def dotted(source: ConcreteFile, node: cst.CSTNode) -> str | None:
    """Full path of what an expression names: `len`, `re.match`, `datetime.datetime.strptime`.

    None unless the name is a builtin or bound exactly once in the module, by an import at its top level.
    """
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    variable = source.names.get(node)
    if variable is None:
        return None
    if variable.builtin:
        root: str | None = variable.name
    else:
        root = _import_path(source, variable)
    return ".".join([root, *reversed(parts)]) if root else None


def _import_path(source: ConcreteFile, variable: Variable) -> str | None:
    if not variable.is_global or len(variable.stores) != 1 or variable.shared:
        return None
    chain = list(source.ancestors(variable.stores[0]))
    alias = next((node for node in chain[:2] if isinstance(node, cst.ImportAlias)), None)
    if alias is None or len(chain) - chain.index(alias) != 4:  # alias, import, statement line, module
        return None
    statement = source.parent[alias]
    path = source.code(alias.name)
    if isinstance(statement, cst.ImportFrom):
        if statement.module is None or statement.relative:
            return None
        return f"{source.code(statement.module)}.{path}"
    return path if alias.asname is not None else path.partition(".")[0]


def called(source: ConcreteFile, node: cst.CSTNode) -> str | None:
    """Full path of the function that a call names; see `dotted`."""
    return dotted(source, node.func) if isinstance(node, cst.Call) else None


def simple_arguments(call: cst.Call) -> bool:
    """Whether a call has no starred arguments."""
    return all(not argument.star for argument in call.args)


def is_constant(node: cst.CSTNode) -> bool:
    """Whether the expression is a literal that can be hashed: string, number, None, True, tuple of such."""
    if isinstance(node, (cst.Integer, cst.Float, cst.Imaginary, cst.SimpleString, cst.Ellipsis)):
        return True
    if isinstance(node, cst.ConcatenatedString):
        return is_constant(node.left) and is_constant(node.right)
    if isinstance(node, cst.Name):
        return node.value in ("None", "True", "False")
    if isinstance(node, cst.UnaryOperation):
        return isinstance(node.operator, (cst.Minus, cst.Plus)) and is_constant(node.expression)
    if isinstance(node, cst.Tuple):
        return all(isinstance(item, cst.Element) and is_constant(item.value) for item in node.elements)
    return False


def literal_value(node: cst.CSTNode) -> object:
    """Value of a string or integer literal; None for everything else."""
    if isinstance(node, (cst.SimpleString, cst.ConcatenatedString)):
        return node.evaluated_value
    if isinstance(node, cst.Integer):
        return node.evaluated_value
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        value = literal_value(node.expression)
        return -value if isinstance(value, int) else None
    return None


def kind(source: ConcreteFile, variable: Variable) -> str | None:
    """What a variable holds as far as its annotation or all its assignments say: list, dict, set, str, ..."""
    found: set[str | None] = set()
    for name in variable.stores:
        parent = source.parent[name]
        if isinstance(parent, (cst.Param, cst.AnnAssign)) and parent.annotation is not None:
            found.add(_annotated(parent.annotation.annotation))
        elif isinstance(parent, cst.AssignTarget):
            assign = source.parent[parent]
            found.add(_value_kind(source, assign.value) if isinstance(assign, cst.Assign) else None)
        elif isinstance(parent, cst.AugAssign):
            continue
        else:
            found.add(None)
    return found.pop() if len(found) == 1 else None


def _annotated(node: cst.CSTNode) -> str | None:
    while isinstance(node, cst.Subscript):
        node = node.value
    if isinstance(node, cst.SimpleString):
        return _ANNOTATIONS.get(node.raw_value.partition("[")[0])
    return _ANNOTATIONS.get(node.value) if isinstance(node, cst.Name) else None


def _value_kind(source: ConcreteFile, node: cst.CSTNode) -> str | None:
    if isinstance(node, (cst.List, cst.ListComp)):
        return "list"
    if isinstance(node, (cst.Dict, cst.DictComp)):
        return "dict"
    if isinstance(node, (cst.Set, cst.SetComp)):
        return "set"
    if isinstance(node, cst.Tuple):
        return "tuple"
    if isinstance(node, (cst.SimpleString, cst.FormattedString, cst.ConcatenatedString)):
        return "str"
    if isinstance(node, (cst.Integer, cst.Float)):
        return "number"
    if isinstance(node, cst.Call):
        if isinstance(node.func, cst.Attribute) and node.func.attr.value in TEXT_METHODS:
            return _TEXT_RESULTS.get(node.func.attr.value, "str" if not _counts(node.func.attr.value) else "number")
        return _RESULTS.get(called(source, node) or "")
    return None


def _counts(method: str) -> bool:
    return method.startswith("is") or method in {"count", "find", "rfind", "startswith", "endswith", "encode"}


def read_only(source: ConcreteFile, name: cst.CSTNode) -> bool:
    """Whether this use of a value can neither change it nor hand it on."""
    parent = source.parent[name]
    if isinstance(parent, cst.Attribute):
        outer = source.parent[parent]
        if isinstance(outer, cst.Call) and outer.func is parent:
            return parent.attr.value in READING_METHODS
        return parent not in source.names.targets
    if isinstance(parent, cst.Subscript):
        return parent.value is not name or parent not in source.names.targets
    if isinstance(parent, cst.Arg):
        call = source.parent[parent]
        return called(source, call) in PURE_BUILTINS
    if isinstance(parent, (cst.For, cst.CompFor)):
        return parent.iter is name
    return isinstance(
        parent,
        (cst.ComparisonTarget, cst.Comparison, cst.UnaryOperation, cst.BinaryOperation, cst.If, cst.While, cst.IfExp,
         cst.FormattedStringExpression, cst.Index, cst.Return),
    )  # fmt: skip


def steady(source: ConcreteFile, variable: Variable, region: cst.CSTNode) -> bool:
    """Whether a variable names the same object throughout a region: nothing there, nor a closure, rebinds it."""
    if variable.builtin:
        return True
    if variable.shared or variable.scope is None:
        return False
    if variable.is_global:
        return len(variable.stores) == 1
    return not any(source.holds(region, store) for store in variable.stores)


def unchanged(source: ConcreteFile, variable: Variable, region: cst.CSTNode) -> bool:
    """Whether a variable holds an equal value throughout a region, as far as this file can change it."""
    if not steady(source, variable, region):
        return False
    if kind(source, variable) in ("str", "number", "bytes"):
        return True
    inside = [name for name in variable.loads if source.holds(region, name)]
    captured = [name for name in variable.loads if _captured(source, variable, name)]
    everywhere = variable.loads if variable.is_global else []
    return all(read_only(source, name) for name in (*inside, *captured, *everywhere))


def _captured(source: ConcreteFile, variable: Variable, name: cst.Name) -> bool:
    scope = source.names.scope(name)
    while isinstance(scope, (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)):
        scope = source.names.scope(scope)
    return scope is not variable.scope and not isinstance(variable.scope, (cst.Module, cst.ListComp))


def opaque(source: ConcreteFile, function: cst.CSTNode) -> bool:
    """Whether a function looks at its own names: `locals()`, `eval`, `exec`, `vars`, `dir`, or a star import."""
    looks = {"locals", "eval", "exec", "vars", "dir"}
    return any(isinstance(node, cst.Name) and node.value in looks for node in source.within(function))


def any_of(nodes: Iterable[cst.CSTNode], *kinds: type[cst.CSTNode]) -> bool:
    """Whether one of the nodes is of one of the kinds."""
    return any(isinstance(node, kinds) for node in nodes)
