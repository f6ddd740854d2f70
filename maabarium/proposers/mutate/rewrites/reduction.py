"""Operators on loops that compute one value: `any-all` and `sum-loop`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit
from maabarium.proposers.mutate.rewrites.comprehension import initial_value, layout, loop_names_stay_inside, plain_loop
from maabarium.proposers.mutate.rewrites.counting import single
from maabarium.proposers.mutate.rewrites.loops import LoopOperator
from maabarium.proposers.mutate.rewrites.operator import Rewrite

__all__ = ["AnyAll", "SumLoop"]


class AnyAll(LoopOperator):
    """`for x in xs: if test: return True`, then `return False`, become `return any(test for x in xs)`; or `not any`.

    Simpler; faster only sometimes. Refused when anything else stands in the loop or behind it, and with `else`,
    `await`, `yield`, `:=` or lambdas.
    """

    name = "any-all"
    description = "return any() or all() instead of a loop that returns True or False"
    prior = 0.15

    def _of_loop(self, source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
        found = self._site(source, loop)
        if found is not None:
            yield found

    def _site(self, source: ConcreteFile, loop: cst.For) -> Rewrite | None:
        filling = plain_loop(source, loop)
        block = source.parent[loop]
        if filling is None or not isinstance(block, cst.IndentedBlock) or not filling.clauses[-1].startswith("if "):
            return None
        below = list(block.body)[list(block.body).index(loop) + 1 :]
        last = single(below[0]) if below else None
        inner = _returned(source, filling.last)
        outer = _returned(source, last) if last is not None else None
        if {inner, outer} != {"True", "False"} or not loop_names_stay_inside(source, filling.loops):
            return None
        comments = source.comments(source.span(loop)[0], source.span(below[0])[0])
        if comments:
            return None
        parts = (filling.clauses[-1].removeprefix("if "), *filling.clauses[:-1])
        text = layout(source, loop, "return any(" if inner == "True" else "return not any(", parts, ")")
        edit = Edit(source.span(loop)[0], source.span(below[0])[1], text)
        return Rewrite(loop, "ask any()", "a loop returned True or False", (edit,))


def _returned(source: ConcreteFile, node: cst.CSTNode | None) -> str | None:
    if isinstance(node, cst.Return) and node.value is not None:
        return source.code(node.value)
    return None


class SumLoop(LoopOperator):
    """`total = 0` and `for x in xs: total += value` become `total = sum([value for x in xs])`.

    Pays because sum adds in C. Refused unless the total starts as 0 right above, is only added to in the loop, and the
    loop has nothing else but ifs. Sums of floats may differ in the last digit where sum() compensates (Python 3.12).
    """

    name = "sum-loop"
    description = "add up with sum() instead of a loop"
    prior = 0.35

    def _of_loop(self, source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
        found = self._site(source, loop)
        if found is not None:
            yield found

    def _site(self, source: ConcreteFile, loop: cst.For) -> Rewrite | None:
        filling = plain_loop(source, loop)
        last = filling.last if filling is not None else None
        if filling is None or not isinstance(last, cst.AugAssign) or not isinstance(last.operator, cst.AddAssign):
            return None
        variable = source.names.get(last.target)
        if variable is None or variable.shared or variable.scope is not source.function(loop):
            return None
        if any(source.holds(loop, name) for name in variable.loads):
            return None
        if any(source.names.scope(name) is not variable.scope for name in variable.loads):
            return None
        start = initial_value(source, loop, variable)
        removal = source.delete_line(start) if start is not None else None
        if start is None or removal is None or source.comments(*source.span(loop)):
            return None
        assign = start.body[0]
        if not isinstance(assign, cst.Assign) or len(assign.targets) != 1 or source.code(assign.value) != "0":
            return None
        if not loop_names_stay_inside(source, filling.loops):
            return None
        if any(isinstance(parent, (cst.Try, cst.TryStar)) for parent in source.ancestors(loop)):
            return None
        text = layout(source, loop, f"{variable.name} = sum([", (source.code(last.value), *filling.clauses), "])")
        edit = Edit(*source.span(loop), text)
        return Rewrite(loop, f"add up {variable.name} with sum()", "a loop added one by one", (removal, edit))
