"""The repair operators: each takes one node and its place and drafts edits that would undo a usual fault."""

from __future__ import annotations

from maabarium.proposers.mutate.repairs.operators import arithmetic, conditions, constants, names, statements
from maabarium.proposers.mutate.repairs.place import Operator

__all__ = ["OPERATORS"]

OPERATORS: tuple[Operator, ...] = (
    conditions.comparison,
    conditions.boolean,
    conditions.negation,
    arithmetic.binary,
    arithmetic.sign,
    arithmetic.operands,
    arithmetic.bounds,
    constants.number,
    constants.truth,
    constants.text,
    names.arguments,
    names.neighbour,
    names.variable,
    names.attribute,
    statements.loop_exit,
    statements.augmented,
    statements.returned,
    statements.exception,
    statements.dropped,
)
