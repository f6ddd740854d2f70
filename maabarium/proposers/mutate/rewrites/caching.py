"""Operator `cache-pure`: module-level functions whose result depends on their arguments alone are cached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.edits import Edit
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.knowledge import (
    PURE_BUILTINS,
    TEXT_METHODS,
    called,
    kind,
    method,
    method_on,
    plain_parameters,
)
from maabarium.proposers.mutate.rewrites.rewrite import Rewrite, add_import, operator

__all__ = ["cache_pure", "is_pure"]

IMPURE_PARTS = (
    cst.Yield, cst.Await, cst.Global, cst.Nonlocal, cst.With, cst.Lambda, cst.Import, cst.ImportFrom, cst.ClassDef,
    cst.Del,
)  # fmt: skip
PURE_PATHS = frozenset({
    "re.compile", "re.escape", "re.findall", "re.fullmatch", "re.match", "re.search", "re.split", "re.sub",
    "datetime.datetime.strptime", "datetime.datetime.fromisoformat", "datetime.date.fromisoformat",
    "datetime.timedelta", "os.path.basename", "os.path.dirname", "os.path.join", "os.path.normpath",
    "os.path.splitext", "urllib.parse.quote", "urllib.parse.unquote", "urllib.parse.urlsplit", "html.escape",
    "html.unescape", "ipaddress.ip_address", "unicodedata.normalize", "fnmatch.fnmatch", "textwrap.dedent",
})  # fmt: skip
PURE_METHODS = TEXT_METHODS | {
    "match", "search", "fullmatch", "findall", "sub", "group", "groups", "get", "items", "keys", "values", "start",
    "end", "span", "isoformat", "date", "timestamp", "total_seconds", "format", "append", "add",
}  # fmt: skip
FRESH_METHODS = frozenset({"append", "add"})
MUTABLE_RESULTS = frozenset({"list", "dict", "set", "sorted", "reversed", "zip", "enumerate"})
MUTABLE_METHODS = frozenset({"split", "rsplit", "splitlines", "findall", "items", "keys", "values", "get"})
MUTABLE = (cst.List, cst.Dict, cst.Set, cst.ListComp, cst.DictComp, cst.SetComp, cst.GeneratorExp)
COLLECTING = ("len", "sorted", "sum", "list", "dict", "set", "enumerate", "zip", "reversed", "any", "all")
HASHABLE = ("str", "number", "bytes", "tuple")


def is_pure(source: ConcreteFile, function: cst.FunctionDef, busy: frozenset[cst.CSTNode] = frozenset()) -> bool:
    """Whether nothing but the arguments decides the result and nothing but the result comes of a call.

    Functions of the same module may be called if they are pure themselves.
    """
    if function in busy:
        return True
    for node in source.within(function.body):
        if isinstance(node, (*IMPURE_PARTS, cst.FunctionDef)):
            return False
        if isinstance(node, cst.Call) and not _pure_call(source, node, function, busy | {function}):
            return False
        if isinstance(node, (cst.Attribute, cst.Subscript)) and node in source.names.targets:
            return False
        if isinstance(node, cst.Name) and node in source.names and not _settled(source, source.names[node], function):
            return False
    return True


def _pure_call(source: ConcreteFile, call: cst.Call, function: cst.FunctionDef, busy: frozenset[cst.CSTNode]) -> bool:
    path = called(source, call)
    if path is not None:
        exceptions = path.endswith(("Error", "Exception")) and "." not in path
        return path in PURE_BUILTINS or path in PURE_PATHS or path.startswith("math.") or exceptions
    if isinstance(call.func, cst.Name):
        variable = source.names[call.func]
        definition = source.parent.get(variable.stores[0]) if len(variable.stores) == 1 else None
        return variable.is_global and isinstance(definition, cst.FunctionDef) and is_pure(source, definition, busy)
    held, name, _ = method(call) or (None, "", ())
    if held is None or name not in FRESH_METHODS:
        return name in PURE_METHODS
    holder = source.names.get(held)  # made here and nobody else's
    if holder is None or holder.scope is not function or kind(source, holder) not in ("list", "set"):
        return False
    return not any(isinstance(source.parent[store], cst.Param) for store in holder.stores)


def _settled(source: ConcreteFile, variable: Variable, function: cst.FunctionDef) -> bool:
    """A local of the function, a builtin, an import, or a module constant that nothing in the file changes."""
    if variable.builtin:
        return variable.name not in ("input", "open", "print", "id", "globals", "locals", "vars", "exec", "eval")
    if not variable.is_global:
        return variable.scope is not None and source.holds(function, variable.scope)
    if len(variable.stores) != 1 or variable.shared:
        return False
    match source.parent[variable.stores[0]]:
        case cst.FunctionDef() | cst.ImportAlias() | cst.AsName():
            return True
        case cst.ClassDef():
            return variable.name.endswith(("Error", "Exception"))
        case cst.AssignTarget():
            return all(_reads(source, name) for name in variable.loads)
        case _:
            return False


def _reads(source: ConcreteFile, name: cst.CSTNode) -> bool:
    parent = source.parent[name]
    if isinstance(parent, cst.Attribute):
        return method_on(source, name) in PURE_METHODS - FRESH_METHODS
    if isinstance(parent, cst.Subscript):
        return parent not in source.names.targets
    return not isinstance(parent, (cst.AugAssign, cst.Del))


@operator("cache-pure", 0.8, cst.FunctionDef)
def cache_pure(source: ConcreteFile, function: cst.FunctionDef) -> Iterator[Rewrite]:
    """A pure module-level function gets `@functools.cache`.

    Refused for generators, coroutines, decorated functions, methods, functions without parameters or with star or
    keyword-only ones; when the body writes or reads module state that changes, stores to attributes or items, does I/O
    or calls anything that is not known to be pure; when an argument looks unhashable (annotation, iterated, asked by
    item, changed) or the result is a fresh mutable object, which callers would then share. The cache has no bound.
    """
    parameters = plain_parameters(function)
    if not parameters:
        return
    # More work than the cache's own lookup: a loop, or at least two calls.
    nodes = source.within(function.body)
    loops = any(isinstance(node, (cst.For, cst.While, cst.CompFor)) for node in nodes)
    worth_it = loops or sum(isinstance(node, cst.Call) for node in nodes) >= 2
    if function.decorators or function.asynchronous or not isinstance(source.parent[function], cst.Module):
        return
    if not isinstance(function.body, cst.IndentedBlock) or not worth_it:
        return
    if not all(_is_hashable(source, source.names[item.name]) for item in parameters):
        return
    values = [node.value for node in nodes if isinstance(node, cst.Return) and node.value is not None]
    if not values or not all(_is_immutable(source, value) for value in values) or not is_pure(source, function):
        return
    imported = add_import(source, function, "functools", "cache")
    if imported is not None and source.indent(function) is not None:
        name, edits = imported
        start = source.span(function)[0]
        head = Edit(start, start, f"@{name}{source.newline}")
        why = "it was computed anew for arguments it had seen"
        yield Rewrite(function, "cache the pure function", why, (*edits, head))


def _is_hashable(source: ConcreteFile, variable: Variable) -> bool:
    """By the annotation of a parameter, else by how it is used."""
    first = [name for name in variable.stores if isinstance(source.parent[name], cst.Param)]
    if any(getattr(source.parent[name], "annotation", None) is not None for name in first):
        return kind(source, Variable(variable.name, variable.scope, stores=first)) in HASHABLE
    return all(_is_like_text(source, name) for name in variable.loads)


def _is_like_text(source: ConcreteFile, name: cst.CSTNode) -> bool:
    """No use that only a list, dict or object would allow."""
    match source.parent[name]:
        case cst.Attribute():
            return method_on(source, name) in TEXT_METHODS
        case cst.Arg() as argument:
            return called(source, source.parent[argument]) not in COLLECTING
        case parent:
            return not isinstance(parent, (cst.For, cst.CompFor, cst.Subscript, cst.StarredElement, cst.AugAssign))


def _is_immutable(source: ConcreteFile, node: cst.CSTNode, busy: frozenset[Variable] = frozenset()) -> bool:
    """Whether callers may share the value; `busy` are variables that are being looked at."""
    parts: Sequence[cst.CSTNode] = ()
    match node:
        case cst.Call():
            return called(source, node) not in MUTABLE_RESULTS and (method(node) or ("", ""))[1] not in MUTABLE_METHODS
        case cst.Name() if node in source.names and source.names[node] not in busy:
            variable = source.names[node]
            if kind(source, variable) in ("list", "dict", "set"):
                return False
            targets = [source.parent[name] for name in variable.stores]
            assigned = [source.parent[target] for target in targets if isinstance(target, cst.AssignTarget)]
            parts, busy = [each.value for each in assigned if isinstance(each, cst.Assign)], busy | {variable}
        case cst.IfExp(body=one, orelse=other) | cst.BooleanOperation(left=one, right=other):
            parts = (one, other)
        case cst.Tuple(elements=elements):
            parts = [element.value for element in elements]
        case _:
            return not isinstance(node, MUTABLE)
    return all(_is_immutable(source, part, busy) for part in parts)
