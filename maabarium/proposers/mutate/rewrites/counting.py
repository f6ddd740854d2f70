"""Operators on dictionaries that are filled by hand: `counter` and `setdefault`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit
from maabarium.proposers.mutate.rewrites.comprehension import initial_value, loop_names_stay_inside
from maabarium.proposers.mutate.rewrites.knowledge import literal_value
from maabarium.proposers.mutate.rewrites.loops import LoopOperator
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite
from maabarium.proposers.mutate.rewrites.preamble import add_import

__all__ = ["CountByCounter", "GroupBySetdefault"]


def single(node: cst.CSTNode) -> cst.BaseSmallStatement | None:
    """The only small statement of a block or line."""
    if isinstance(node, cst.IndentedBlock) and len(node.body) == 1:
        node = node.body[0]
    return node.body[0] if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1 else None


def _item(source: ConcreteFile, node: cst.CSTNode) -> tuple[str, str] | None:
    """Dictionary and key of `d[k]`, as text, for a plain name d and a key without calls."""
    if not isinstance(node, cst.Subscript) or not isinstance(node.value, cst.Name) or len(node.slice) != 1:
        return None
    index = node.slice[0].slice
    if not isinstance(index, cst.Index) or any(isinstance(part, cst.Call) for part in source.within(index)):
        return None
    return node.value.value, source.code(index.value)


def _membership(source: ConcreteFile, test: cst.CSTNode) -> tuple[str, str, bool] | None:
    """Dictionary, key and sense of `k in d` or `k not in d`."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return None
    target = test.comparisons[0]
    if not isinstance(target.comparator, cst.Name) or not isinstance(target.operator, (cst.In, cst.NotIn)):
        return None
    return target.comparator.value, source.code(test.left), isinstance(target.operator, cst.In)


def _increment(source: ConcreteFile, node: cst.CSTNode | None) -> tuple[str, str] | None:
    """`d[k] += 1`, or `d[k] = d.get(k, 0) + 1`."""
    if isinstance(node, cst.AugAssign) and isinstance(node.operator, cst.AddAssign) and literal_value(node.value) == 1:
        return _item(source, node.target)
    if isinstance(node, cst.Assign) and len(node.targets) == 1:
        found = _item(source, node.targets[0].target)
        if found and "".join(source.code(node.value).split()) == f"{found[0]}.get({''.join(found[1].split())},0)+1":
            return found
    return None


def counted(source: ConcreteFile, loop: cst.For) -> tuple[str, str] | None:
    """Dictionary and key of a loop that does nothing but count."""
    if not isinstance(loop.body, cst.IndentedBlock) or loop.orelse is not None or loop.asynchronous is not None:
        return None
    body = loop.body.body
    if len(body) == 1 and (found := _increment(source, single(loop.body))) is not None:
        return found if not isinstance(single(loop.body), cst.AugAssign) else None
    first = body[0]
    if not isinstance(first, cst.If) or (asked := _membership(source, first.test)) is None:
        return None
    name, key, present = asked
    inner = single(first.body)
    if len(body) == 2 and first.orelse is None and not present:
        last = _increment(source, single(body[1]))
        return (name, key) if last == (name, key) and _starts(source, inner, name, key, "0") else None
    if len(body) == 1 and isinstance(first.orelse, cst.Else):
        other = single(first.orelse.body)
        more, start = (inner, other) if present else (other, inner)
        return (
            (name, key) if _increment(source, more) == (name, key) and _starts(source, start, name, key, "1") else None
        )
    return None


def _starts(source: ConcreteFile, node: cst.CSTNode | None, name: str, key: str, value: str) -> bool:
    if not isinstance(node, cst.Assign) or len(node.targets) != 1:
        return False
    return _item(source, node.targets[0].target) == (name, key) and source.code(node.value) == value


class CountByCounter(LoopOperator):
    """A loop that only counts into an empty dictionary becomes `dict(Counter(...))`.

    Pays because Counter counts in C. The result stays a plain dict in order of first occurrence. Refused when the loop
    does anything else, when its names are read after it, when the dictionary does not start empty right above, or when
    it is shared with another scope.
    """

    name = "counter"
    description = "count with collections.Counter instead of a loop"
    prior = 0.35

    def _of_loop(self, source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
        found = counted(source, loop)
        if found is not None and loop_names_stay_inside(source, (loop,)):
            rewrite = self._site(source, loop, *found)
            if rewrite is not None:
                yield rewrite

    def _site(self, source: ConcreteFile, loop: cst.For, name: str, key: str) -> Rewrite | None:
        holder = next(node for node in source.within(loop.body) if isinstance(node, cst.Name) and node.value == name)
        variable = source.names[holder]
        function = source.function(loop)
        start = initial_value(source, loop, variable)
        if start is None or variable.shared or variable.scope is not function or source.comments(*source.span(loop)):
            return None
        assign = start.body[0]
        removal = source.delete_line(start)
        if not isinstance(assign, cst.Assign) or source.code(assign.value) not in ("{}", "dict()") or removal is None:
            return None
        imported = add_import(source, loop, "collections", "Counter")
        if imported is None or len(assign.targets) != 1:
            return None
        counter, edits = imported
        target, values = source.code(loop.target), source.code(loop.iter)
        inner = values if target == key else f"[{key} for {target} in {values}]"
        text = f"{name} = dict({counter}({inner}))"
        edit = Edit(*source.span(loop), text)
        return Rewrite(loop, f"count {name} with Counter", "a loop counted one by one", (*edits, removal, edit))


class GroupBySetdefault(Operator):
    """`if k not in d: d[k] = []` before `d[k].append(v)` becomes `d.setdefault(k, []).append(v)`.

    Saves two of three lookups; the same for sets with `add`. Refused when the key contains a call, when there is an
    `else`, or when the two statements do not speak of the same dictionary and key.
    """

    name = "setdefault"
    description = "group with dict.setdefault instead of asking, storing and looking up"
    prior = 0.3

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for block in source.of(cst.IndentedBlock):
            for first, second in zip(block.body, block.body[1:], strict=False):
                found = self._site(source, first, second)
                if found is not None:
                    yield found

    def _site(self, source: ConcreteFile, first: cst.CSTNode, second: cst.CSTNode) -> Rewrite | None:
        if not isinstance(first, cst.If) or first.orelse is not None:
            return None
        asked, inner, last = _membership(source, first.test), single(first.body), single(second)
        if asked is None or asked[2] or not isinstance(inner, cst.Assign) or not isinstance(last, cst.Expr):
            return None
        name, key, _ = asked
        empty = source.code(inner.value)
        if empty not in ("[]", "set()", "list()") or not _starts(source, inner, name, key, empty):
            return None
        call = last.value
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
            return None
        if call.func.attr.value not in ("append", "add", "extend", "update"):
            return None
        if _item(source, call.func.value) != (name, key) or source.comments(
            source.span(first)[0], source.span(second)[0]
        ):
            return None
        item = source.replace(call.func.value, f"{name}.setdefault({key}, {empty})")
        gap = Edit(source.span(first)[0], source.span(second)[0], "")
        return Rewrite(first, f"group {name} with setdefault", "the key was looked up three times", (gap, item))
