"""Which name means which variable: scopes of one module, and every load and store of each variable in it.

Follows the language's rules for functions, lambdas, comprehensions, classes, `global` and `nonlocal`. Knows
nothing of text or operators.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import libcst as cst

__all__ = ["Comprehension", "Variable", "Variables"]

Comprehension = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
Scoped = (cst.Module, cst.FunctionDef, cst.Lambda, cst.ClassDef, *Comprehension)


@dataclass(eq=False)
class Variable:
    """One variable. `scope` is the node that owns it; None for names that the module never binds (builtins)."""

    name: str
    scope: cst.CSTNode | None
    loads: list[cst.Name] = field(default_factory=list)
    stores: list[cst.Name] = field(default_factory=list)
    shared: bool = False
    """Also reached through `global` or `nonlocal`."""

    @property
    def builtin(self) -> bool:
        """Whether this is the builtin of that name."""
        return self.scope is None and hasattr(builtins, self.name)

    @property
    def is_global(self) -> bool:
        """Whether the module owns it."""
        return isinstance(self.scope, cst.Module)


class Variables:
    """All variables of one module."""

    def __init__(self, nodes: Sequence[cst.CSTNode], parent: Mapping[cst.CSTNode, cst.CSTNode]) -> None:
        self._parent = parent
        self._module = nodes[0]
        self._declared: dict[cst.CSTNode, dict[str, str]] = {}
        self._bound: dict[cst.CSTNode, dict[str, Variable]] = {}
        self._free: dict[str, Variable] = {}
        self._of: dict[cst.Name, Variable] = {}
        self.identifiers = {node.value for node in nodes if isinstance(node, cst.Name)}
        self.targets: set[cst.CSTNode] = set()
        stores: list[cst.Name] = []
        ignored: set[cst.CSTNode] = set()
        for node in nodes:
            for target in _targets(node):
                self._take(target, stores)
            ignored.update(_not_variables(node))
            if isinstance(node, (cst.Global, cst.Nonlocal)):
                kind = "global" if isinstance(node, cst.Global) else "nonlocal"
                declared = self._declared.setdefault(self.scope(node), {})
                declared.update({item.name.value: kind for item in node.names})
        self._bind(stores)
        stored = set(stores)
        for node in nodes:
            if isinstance(node, cst.Name) and node not in stored and node not in ignored:
                variable = self._resolve(node)
                variable.loads.append(node)
                self._of[node] = variable

    def __getitem__(self, name: cst.Name) -> Variable:
        return self._of[name]

    def __contains__(self, node: object) -> bool:
        return node in self._of

    def get(self, node: cst.CSTNode) -> Variable | None:
        """The variable that a node names; None when it is no plain name of one."""
        return self._of.get(node) if isinstance(node, cst.Name) else None

    def scope(self, node: cst.CSTNode) -> cst.CSTNode:
        """The scope in which a node stands. Decorators, defaults and annotations stand outside their function."""
        child = node
        parent = self._parent.get(node)
        while parent is not None:
            inside = not isinstance(parent, (cst.FunctionDef, cst.ClassDef, cst.Lambda)) or child is parent.body
            if isinstance(parent, Scoped) and inside:
                return parent
            child, parent = parent, self._parent.get(parent)
        return self._module

    def module_variable(self, name: str) -> Variable | None:
        """The module's own variable of that name."""
        return self._bound.get(self._module, {}).get(name)

    def fresh(self, base: str) -> str:
        """A name that occurs nowhere in the module, builtins included."""
        name, number = base, 2
        while name in self.identifiers or hasattr(builtins, name):
            name, number = f"{base}_{number}", number + 1
        return name

    def _take(self, target: cst.CSTNode, stores: list[cst.Name]) -> None:
        self.targets.add(target)
        if isinstance(target, cst.Name):
            stores.append(target)
        elif isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._take(element.value, stores)

    def _bind(self, stores: Sequence[cst.Name]) -> None:
        for name in stores:
            scope = self._owner(name)
            kind = self._declared.get(scope, {}).get(name.value)
            if kind == "global":
                scope = self._module
            elif kind == "nonlocal":
                scope = self._outer_function(scope, name.value)
            variable = self._bound.setdefault(scope, {}).setdefault(name.value, Variable(name.value, scope))
            variable.stores.append(name)
            variable.shared = variable.shared or kind is not None
            self._of[name] = variable

    def _owner(self, name: cst.Name) -> cst.CSTNode:
        parent = self._parent[name]
        if isinstance(parent, cst.Param):
            node: cst.CSTNode = parent
            while not isinstance(node, (cst.FunctionDef, cst.Lambda)):
                node = self._parent[node]
            return node
        scope = self.scope(name)
        if isinstance(parent, cst.NamedExpr):
            while isinstance(scope, Comprehension):
                scope = self.scope(scope)
        return scope

    def _outer_function(self, scope: cst.CSTNode, name: str) -> cst.CSTNode:
        while not isinstance(scope, cst.Module):
            scope = self.scope(scope)
            if isinstance(scope, cst.FunctionDef) and self._declared.get(scope, {}).get(name) != "nonlocal":
                return scope
        return scope

    def _resolve(self, name: cst.Name) -> Variable:
        scope = self.scope(name)
        first = True
        while True:
            kind = self._declared.get(scope, {}).get(name.value)
            if kind == "global":
                scope = self._module
            variable = self._bound.get(scope, {}).get(name.value)
            if variable is not None and (first or not isinstance(scope, cst.ClassDef)):
                variable.shared = variable.shared or kind is not None
                return variable
            if isinstance(scope, cst.Module):
                return self._free.setdefault(name.value, Variable(name.value, None))
            scope, first = self.scope(scope), False


def _targets(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Expressions that the node itself stores to or deletes."""
    if isinstance(node, (cst.AssignTarget, cst.AnnAssign, cst.AugAssign, cst.For, cst.CompFor, cst.NamedExpr, cst.Del)):
        yield node.target
    elif isinstance(node, (cst.FunctionDef, cst.ClassDef, cst.Param, cst.AsName)):
        yield node.name
    elif isinstance(node, cst.ImportAlias) and node.asname is None:
        yield _root(node.name)
    elif isinstance(node, (cst.MatchAs, cst.MatchStar)) and node.name is not None:
        yield node.name
    elif isinstance(node, cst.MatchMapping) and node.rest is not None:
        yield node.rest
    elif isinstance(node, (cst.TypeAlias, cst.TypeVar, cst.TypeVarTuple, cst.ParamSpec)):
        yield node.name


def _not_variables(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Names below the node that are no variables: attributes, keywords, parts of import paths."""
    if isinstance(node, cst.Attribute):
        yield node.attr
    elif isinstance(node, cst.Arg) and node.keyword is not None:
        yield node.keyword
    elif isinstance(node, cst.MatchKeywordElement):
        yield node.key
    elif isinstance(node, (cst.Global, cst.Nonlocal)):
        yield from (item.name for item in node.names)
    elif isinstance(node, cst.ImportAlias) and node.asname is not None:
        yield _root(node.name)
    elif isinstance(node, cst.ImportFrom) and node.module is not None:
        yield _root(node.module)


def _root(node: cst.CSTNode) -> cst.CSTNode:
    while isinstance(node, cst.Attribute):
        node = node.value
    return node
