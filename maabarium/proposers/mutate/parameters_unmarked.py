"""Numbers that nobody marked: constants of modules and classes, keyword arguments and defaults.

Used only when a blueprint asks for it (`unmarked = true`). Left alone are zeros, booleans, what marks already
declare, annotations, enumerations and names that are versions or identifiers rather than quantities. Numbers
inside expressions (indexes, comparisons) are the business of other arms.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

from maabarium.proposers.mutate.parameters_domains import Scaled, canonical, number
from maabarium.proposers.mutate.parameters_markers import Factor, Text, spots, with_sites

__all__ = ["unmarked_factors"]

NOT_A_QUANTITY = re.compile(r"version|^__|(^|_)(id|port|errno|code|year|copyright|flag|mask|magic|seed)s?$", re.I)


def unmarked_factors(text: Text, marked: Collection[str]) -> tuple[Factor, ...]:
    """All unmarked numbers of a file that have a name; `marked` are sites that are taken."""
    factors = []
    left_alone = _enumerations(text.module)
    for spot, site in with_sites(text.path, spots(text.module)):
        node = spot.node
        last = spot.name.rsplit(".", 1)[-1]
        if site in marked or not _is_number(node) or NOT_A_QUANTITY.search(last) or id(node) in left_alone:
            continue
        present = canonical(ast.unparse(node))
        if number(present) == 0 or abs(number(present)) > 1e12:
            continue
        start = text.offset(node.lineno, node.col_offset)
        end = text.offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        rule = "an unmarked constant" if spot.kind == "constant" else "an unmarked default"
        factors.append(Factor(text.path, site, spot.kind, start, end, present, Scaled(), rule, node.lineno))
    return tuple(factors)


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return False
    return isinstance(node.value, int | float) and abs(node.value) <= 1e12


def _enumerations(module: ast.Module) -> set[int]:
    """Values inside enumerations and annotations: changing them changes meanings, not quantities."""
    return {id(inner) for node in ast.walk(module) for part in _meanings(node) for inner in ast.walk(part)}


def _meanings(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.ClassDef(bases=bases) if any("Enum" in ast.unparse(b) or "Flag" in ast.unparse(b) for b in bases):
            yield node
        case ast.AnnAssign(annotation=annotation):
            yield annotation
        case ast.arg(annotation=ast.expr() as annotation):
            yield annotation
        case ast.FunctionDef(returns=ast.expr() as returns) | ast.AsyncFunctionDef(returns=ast.expr() as returns):
            yield returns
        case _:
            return
