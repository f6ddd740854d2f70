"""What may be assumed about one file: shapes of syntax, which calls are pure, what a variable holds.

All answers are conservative guesses from the text: "do not know" counts as no. Finds no rewrites itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.variables import Comprehension, Variable

__all__ = [
    "PURE_BUILTINS", "TEXT_METHODS", "arguments", "assignment", "called", "compared", "dotted", "guarded", "index",
    "is_constant", "is_membership", "kind", "literal_value", "method", "method_on", "opaque", "read_only",
    "simple_arguments", "single", "unchanged",
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

READ_ONLY = (
    cst.ComparisonTarget, cst.Comparison, cst.UnaryOperation, cst.BinaryOperation, cst.If, cst.While, cst.IfExp,
    cst.FormattedStringExpression, cst.Index, cst.Return,
)  # fmt: skip
READING_METHODS = TEXT_METHODS | {"copy", "get", "index", "items", "keys", "values", "issubset", "issuperset", "union"}

_LITERALS: dict[type[cst.CSTNode], str] = {
    cst.List: "list", cst.ListComp: "list", cst.Dict: "dict", cst.DictComp: "dict", cst.Set: "set", cst.SetComp: "set",
    cst.Tuple: "tuple", cst.SimpleString: "str", cst.FormattedString: "str", cst.ConcatenatedString: "str",
    cst.Integer: "number", cst.Float: "number",
}  # fmt: skip
_ANNOTATIONS = {
    "str": "str", "bytes": "bytes", "int": "number", "float": "number", "bool": "number", "list": "list",
    "List": "list", "dict": "dict", "Dict": "dict", "set": "set", "Set": "set", "frozenset": "set", "tuple": "tuple",
    "Tuple": "tuple",
}  # fmt: skip
_RESULTS = {
    "list": "list", "sorted": "list", "dict": "dict", "set": "set", "frozenset": "set", "tuple": "tuple", "str": "str",
    "repr": "str", "int": "number", "float": "number", "len": "number", "sum": "unknown",
}  # fmt: skip
_COUNTING = frozenset({"count", "find", "rfind", "startswith", "endswith", "encode"})
_TEXT_RESULTS = {"split": "list", "rsplit": "list", "splitlines": "list", "partition": "tuple", "rpartition": "tuple"}


def assignment(node: cst.CSTNode | None) -> tuple[cst.BaseExpression, cst.BaseExpression] | None:
    """Target and value of an assignment to one target, without annotation."""
    if not isinstance(node, cst.Assign) or len(node.targets) != 1:
        return None
    return node.targets[0].target, node.value


def index(node: cst.CSTNode | None) -> tuple[cst.BaseExpression, cst.BaseExpression] | None:
    """Container and index of `container[index]`; no slice, and one index only."""
    if not isinstance(node, cst.Subscript) or len(node.slice) != 1:
        return None
    part = node.slice[0].slice
    return (node.value, part.value) if isinstance(part, cst.Index) else None


def compared(node: cst.CSTNode) -> tuple[cst.BaseExpression, cst.BaseCompOp, cst.BaseExpression] | None:
    """Left side, operator and right side of a comparison of two values."""
    if not isinstance(node, cst.Comparison) or len(node.comparisons) != 1:
        return None
    return node.left, node.comparisons[0].operator, node.comparisons[0].comparator


def method(node: cst.CSTNode | None) -> tuple[cst.BaseExpression, str, Sequence[cst.Arg]] | None:
    """Object, name and arguments of a call of a method."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    return node.func.value, node.func.attr.value, node.args


def method_on(source: ConcreteFile, node: cst.CSTNode) -> str | None:
    """Name of the method that is called on a node; None for any other use of it."""
    match source.parent[node]:
        case cst.Attribute(value=holder, attr=attribute) as parent if holder is node:
            outer = source.parent[parent]
            return attribute.value if isinstance(outer, cst.Call) and outer.func is parent else None
        case _:
            return None


def arguments(call: cst.Call) -> list[cst.BaseExpression] | None:
    """The arguments of a call that has positional ones only, none of them starred."""
    plain = all(not argument.star and argument.keyword is None for argument in call.args)
    return [argument.value for argument in call.args] if plain else None


def plain_parameters(function: cst.FunctionDef | cst.Lambda) -> Sequence[cst.Param]:
    """The parameters of a function; none if some are by position or keyword only, or starred."""
    given = function.params
    others = given.kwonly_params or given.posonly_params or given.star_kwarg or isinstance(given.star_arg, cst.Param)
    return () if others else given.params


def single(node: cst.CSTNode | None) -> cst.BaseSmallStatement | None:
    """The only small statement of a block or line."""
    if isinstance(node, cst.IndentedBlock) and len(node.body) == 1:
        node = node.body[0]
    return node.body[0] if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1 else None


def is_membership(source: ConcreteFile, node: cst.CSTNode) -> bool:
    """Whether the node is the right side of `in` or `not in`."""
    parent = source.parent[node]
    return isinstance(parent, cst.ComparisonTarget) and isinstance(parent.operator, (cst.In, cst.NotIn))


def loops_around(source: ConcreteFile, node: cst.CSTNode) -> Iterator[cst.For | cst.While]:
    """Loops of the same function whose body (or `while` test) holds the node, from the inside out."""
    for parent in source.ancestors(node):
        if isinstance(parent, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            return
        in_test = isinstance(parent, cst.While) and source.holds(parent.test, node)
        if isinstance(parent, (cst.For, cst.While)) and (source.holds(parent.body, node) or in_test):
            yield parent


def guarded(source: ConcreteFile, node: cst.CSTNode) -> bool:
    """Whether a `try` of the same function stands around the node: its handler could see what was done so far."""
    for parent in source.ancestors(node):
        if isinstance(parent, (cst.FunctionDef, cst.Try, cst.TryStar)):
            return not isinstance(parent, cst.FunctionDef)
    return False


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
    root = variable.name if variable.builtin else _import_path(source, variable)
    return ".".join([root, *reversed(parts)]) if root else None


def _import_path(source: ConcreteFile, variable: Variable) -> str | None:
    if not variable.is_global or len(variable.stores) != 1 or variable.shared:
        return None
    chain = list(source.ancestors(variable.stores[0]))
    alias = next((node for node in chain[:2] if isinstance(node, cst.ImportAlias)), None)
    if alias is None or len(chain) - chain.index(alias) != 4:  # alias, import, statement line, module
        return None
    path = source.code(alias.name)
    match source.parent[alias]:
        case cst.ImportFrom(module=module, relative=relative):
            return f"{source.code(module)}.{path}" if module is not None and not relative else None
        case _:
            return path if alias.asname is not None else path.partition(".")[0]


def called(source: ConcreteFile, node: cst.CSTNode) -> str | None:
    """Full path of the function that a call names; see `dotted`."""
    return dotted(source, node.func) if isinstance(node, cst.Call) else None


def simple_arguments(call: cst.Call) -> bool:
    """Whether a call has no starred arguments."""
    return all(not argument.star for argument in call.args)


def is_constant(node: cst.CSTNode) -> bool:
    """Whether the expression is a literal that can be hashed: string, number, None, True, tuple of such."""
    match node:
        case cst.Integer() | cst.Float() | cst.Imaginary() | cst.SimpleString() | cst.Ellipsis():
            return True
        case cst.Name(value="None" | "True" | "False"):
            return True
        case cst.ConcatenatedString(left=left, right=right):
            return is_constant(left) and is_constant(right)
        case cst.UnaryOperation(operator=cst.Minus() | cst.Plus(), expression=number):
            return is_constant(number)
        case cst.Tuple(elements=elements):
            return all(isinstance(item, cst.Element) and is_constant(item.value) for item in elements)
        case _:
            return False


def literal_value(node: cst.CSTNode | None) -> object:
    """Value of a string or integer literal; None for everything else."""
    match node:
        case cst.SimpleString() | cst.ConcatenatedString() | cst.Integer():
            return node.evaluated_value
        case cst.UnaryOperation(operator=cst.Minus(), expression=cst.Integer() as number):
            return -number.evaluated_value
        case _:
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
        elif not isinstance(parent, cst.AugAssign):
            found.add(None)
    return found.pop() if len(found) == 1 else None


def _annotated(node: cst.CSTNode) -> str | None:
    while isinstance(node, cst.Subscript):
        node = node.value
    if isinstance(node, cst.SimpleString):
        return _ANNOTATIONS.get(node.raw_value.partition("[")[0])
    return _ANNOTATIONS.get(node.value) if isinstance(node, cst.Name) else None


def _value_kind(source: ConcreteFile, node: cst.CSTNode) -> str | None:
    _, name, _ = method(node) or (None, "", ())
    if name in TEXT_METHODS:
        return _TEXT_RESULTS.get(name, "number" if name.startswith("is") or name in _COUNTING else "str")
    return _LITERALS.get(type(node)) or _RESULTS.get(called(source, node) or "")


def read_only(source: ConcreteFile, name: cst.CSTNode) -> bool:
    """Whether this use of a value can neither change it nor hand it on."""
    parent = source.parent[name]
    if isinstance(parent, cst.Attribute):
        used = method_on(source, name)
        return used in READING_METHODS if used is not None else parent not in source.names.targets
    if isinstance(parent, cst.Subscript):
        return parent.value is not name or parent not in source.names.targets
    if isinstance(parent, cst.Arg):
        return called(source, source.parent[parent]) in PURE_BUILTINS
    if isinstance(parent, (cst.For, cst.CompFor)):
        return parent.iter is name
    return isinstance(parent, READ_ONLY)


def unchanged(source: ConcreteFile, variable: Variable, region: cst.CSTNode) -> bool:
    """Whether a variable holds an equal value throughout a region, as far as this file can change it."""
    if variable.shared or (variable.scope is None and not variable.builtin):
        return False
    stores = variable.stores[1:] if variable.is_global else variable.stores
    if any(variable.is_global or source.holds(region, store) for store in stores):
        return False  # rebound
    if kind(source, variable) in ("str", "number", "bytes"):
        return True
    exposed = (
        name
        for name in variable.loads
        if variable.is_global or source.holds(region, name) or _is_captured(source, variable, name)
    )
    return all(read_only(source, name) for name in exposed)


def _is_captured(source: ConcreteFile, variable: Variable, name: cst.Name) -> bool:
    scope = source.names.scope(name)
    while isinstance(scope, Comprehension):
        scope = source.names.scope(scope)
    return scope is not variable.scope and not isinstance(variable.scope, (cst.Module, cst.ListComp))


def opaque(source: ConcreteFile, function: cst.CSTNode) -> bool:
    """Whether a function looks at its own names: `locals()`, `eval`, `exec`, `vars`, `dir`, or a star import."""
    looks = {"locals", "eval", "exec", "vars", "dir"}
    return any(isinstance(node, cst.Name) and node.value in looks for node in source.within(function))
