"""The repair operators: each takes one node and its place and drafts edits that would undo a usual fault."""

from __future__ import annotations

import ast
from types import UnionType

from maabarium.proposers.mutate.repairs.operators import atoms, expressions, statements
from maabarium.proposers.mutate.repairs.place import Operator

__all__ = ["OPERATORS"]

OPERATORS: tuple[tuple[type[ast.AST] | UnionType, Operator], ...] = (
    (ast.Compare, expressions.comparison),
    (ast.BoolOp, expressions.boolean),
    (ast.expr, expressions.negation),
    (ast.BinOp, expressions.binary),
    (ast.expr, expressions.sign),
    (ast.BinOp, expressions.operands),
    (ast.expr | ast.Slice, expressions.bounds),
    (ast.Constant, atoms.number),
    (ast.Constant, atoms.truth),
    (ast.Constant, atoms.text),
    (ast.Call | ast.Tuple, atoms.arguments),
    (ast.expr, atoms.neighbour),
    (ast.Name, atoms.variable),
    (ast.Attribute, atoms.attribute),
    (ast.Break | ast.Continue | ast.Return, statements.loop_exit),
    (ast.AugAssign | ast.Assign, statements.augmented),
    (ast.Return, statements.returned),
    (ast.Name, statements.exception),
    (ast.Expr | ast.AugAssign | ast.Continue | ast.Break, statements.dropped),
)
"""With the nodes that each looks at."""
