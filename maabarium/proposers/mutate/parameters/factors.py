"""Named values in the text of one Python file: where they stand, what they may become, and how to write them.

A value belongs to an assignment, a default, a keyword argument or a dictionary item. `unmarked_factors` finds
the numbers among them that nobody marked. Only the value's own characters are ever replaced. Knows no history.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from maabarium.code.python_file import PythonFile
from maabarium.proposers.mutate.parameters.values import Choice, Scaled, ValueDomain, canonical, is_number, number

__all__ = ["Factor", "Spot", "rewritten", "spots", "unmarked_factors"]

LARGEST = 1e12
NOT_A_QUANTITY = re.compile(r"version|^__|(^|_)(id|port|errno|code|year|copyright|flag|mask|magic|seed)s?$", re.I)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Spot:
    """One value in a file: its place and the name of what it is the value of."""

    name: str
    site: str
    """`path::qualified.name::n-th of that name`."""
    node: ast.expr
    kind: str
    """`constant` (assignment, item, keyword argument) or `default` (of an argument)."""


@dataclass(frozen=True)
class Factor:
    """One parameter: a value in a file and what it may become."""

    path: str
    file: PythonFile
    spot: Spot
    operator: str
    domain: ValueDomain
    rule: str
    """What the user wrote, or why it is a parameter."""

    @property
    def site(self) -> str:
        """Where it stands, by names."""
        return self.spot.site

    @property
    def name(self) -> str:
        """The qualified name without the path."""
        return self.spot.name

    @functools.cached_property
    def present(self) -> str:
        """The present value in its one spelling."""
        return canonical(ast.unparse(self.spot.node))

    def written(self, value: str) -> str:
        """The value as it is written into the file: an option as the user spelled it."""
        if isinstance(self.domain, Choice) and value in self.domain.options:
            return self.domain.spelled[self.domain.options.index(value)]
        return value


def rewritten(factors: Sequence[Factor], values: Mapping[str, str]) -> bytes:
    """The file of these factors with new values (by site) in place, every other byte as it was."""
    file = factors[0].file
    text = file.text
    for factor in sorted(factors, key=lambda each: each.file.span(each.spot.node), reverse=True):
        start, end = file.span(factor.spot.node)
        text = text[:start] + factor.written(values[factor.site]) + text[end:]
    return text.encode(file.encoding)


def spots(path: str, file: PythonFile) -> Iterator[Spot]:
    """All named values in the order of the text, with qualified names. Raises RecursionError and ValueError."""
    count: Counter[str] = Counter()
    for name, node, kind in _named(file.tree, "", set()):
        yield Spot(name, f"{path}::{name}::{count[name]}", node, kind)
        count[name] += 1


def _named(node: ast.AST, scope: str, seen: set[int]) -> Iterator[tuple[str, ast.expr, str]]:
    if isinstance(node, ast.JoinedStr):
        return  # Python 3.11 does not know where the parts of an f-string stand
    for name, value, kind in _values(node):
        yield f"{scope}{name}", value, kind
        if isinstance(value, ast.Dict | ast.Call):  # the items of CONFIG = {...} are named after it
            seen.add(id(value))
            yield from _named(value, f"{scope}{name}.", seen)
    inner = f"{scope}{node.name}." if isinstance(node, Function | ast.ClassDef) else scope
    for child in ast.iter_child_nodes(node):
        if id(child) not in seen:
            yield from _named(child, inner, seen)


def _values(node: ast.AST) -> Iterator[tuple[str, ast.expr, str]]:
    """The values that this very node gives a name to."""
    match node:
        case ast.Assign(targets=[target, *_], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
            yield re.sub(r"[^\w.\[\]]", "", ast.unparse(target))[:60], value, "constant"
        case ast.NamedExpr(target=target, value=value):
            yield target.id, value, "constant"
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is not None:
                    shown = str(key.value) if isinstance(key, ast.Constant) else ast.unparse(key)
                    yield re.sub(r"[^\w.-]", "", shown)[:60], value, "constant"
        case ast.Call(keywords=keywords):
            yield from ((word.arg, word.value, "constant") for word in keywords if word.arg is not None)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            name = "lambda" if isinstance(node, ast.Lambda) else node.name
            positional, defaults = [*node.args.posonlyargs, *node.args.args], node.args.defaults
            arguments = [*positional[len(positional) - len(defaults) :], *node.args.kwonlyargs]
            for argument, default in zip(arguments, [*defaults, *node.args.kw_defaults], strict=True):
                if default is not None:
                    yield f"{name}.{argument.arg}", default, "default"
        case _:
            return


def unmarked_factors(path: str, file: PythonFile, marked: Collection[str]) -> Iterator[Factor]:
    """Constants and defaults that nobody marked; `marked` are sites that are taken. Raises as `spots` does.

    Left alone are zeros, booleans, annotations, enumerations and names that are versions or identifiers rather than
    quantities. Numbers inside expressions (indexes, comparisons) are the business of other arms.
    """
    left_alone = {id(inner) for node in ast.walk(file.tree) for part in _meanings(node) for inner in ast.walk(part)}
    for spot in spots(path, file):
        if spot.site in marked or id(spot.node) in left_alone or NOT_A_QUANTITY.search(spot.name.rpartition(".")[2]):
            continue
        if not isinstance(spot.node, ast.Constant | ast.UnaryOp) or not is_number(ast.unparse(spot.node)):
            continue
        if 0 < abs(number(ast.unparse(spot.node))) <= LARGEST:
            yield Factor(path, file, spot, spot.kind, Scaled(), f"an unmarked {spot.kind}")


def _meanings(node: ast.AST) -> Iterator[ast.AST]:
    """Enumerations and annotations: changing a number in them changes a meaning, not a quantity."""
    match node:
        case ast.ClassDef(bases=bases) if any("Enum" in ast.unparse(b) or "Flag" in ast.unparse(b) for b in bases):
            yield node
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.expr() as annotation):
            yield annotation
        case ast.FunctionDef(returns=ast.expr() as returns) | ast.AsyncFunctionDef(returns=ast.expr() as returns):
            yield returns
        case _:
            return
