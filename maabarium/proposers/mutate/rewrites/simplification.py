"""Operators on conditions: `length-test`, `merge-tests`, `get-with-default`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.counting import single
from maabarium.proposers.mutate.rewrites.knowledge import called, is_constant, kind, literal_value
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite

__all__ = ["GetWithDefault", "LengthTest", "MergeTests"]


class LengthTest(Operator):
    """`len(x) == 0` in a condition becomes `not x`; `len(x) > 0` and `!= 0` become `x`.

    Refused outside `if`, `while`, `not`, conditional expressions and filters of comprehensions, where the number
    itself could be meant, and when nothing says that x is a builtin container or text.
    """

    name = "length-test"
    description = "ask whether a container is empty without measuring it"
    prior = 0.15

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Comparison):
            if len(node.comparisons) != 1 or not _is_test(source, node):
                continue
            target = node.comparisons[0]
            if called(source, node.left) != "len" or literal_value(target.comparator) != 0:
                continue
            if not isinstance(node.left, cst.Call) or len(node.left.args) != 1:
                continue
            variable = source.names.get(node.left.args[0].value)
            if variable is None or kind(source, variable) not in ("list", "dict", "set", "tuple", "str"):
                continue
            if isinstance(target.operator, cst.Equal):
                text = f"not {variable.name}"
            elif isinstance(target.operator, (cst.GreaterThan, cst.NotEqual)):
                text = variable.name
            else:
                continue
            why = "its length was measured to compare it with 0"
            yield Rewrite(node, f"ask {variable.name} itself", why, (source.inside(node, text),))


def _is_test(source: ConcreteFile, node: cst.CSTNode) -> bool:
    parent = source.parent[node]
    return isinstance(parent, (cst.If, cst.While, cst.CompIf)) or (
        isinstance(parent, cst.IfExp) and parent.test is node
    )


class MergeTests(Operator):
    """Alternatives become one question: `isinstance(x, A) or isinstance(x, B)`, `s.startswith(a) or s.startswith(b)`,
    `x == 1 or x == 2`.

    One call or lookup instead of several. Refused when the tested value is more than a name, and for `==` with anything
    but constants of one hash (the tests tell when x cannot be hashed).
    """

    name = "merge-tests"
    description = "ask one question instead of several joined by `or`"
    prior = 0.25

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.BooleanOperation):
            if not isinstance(node.operator, cst.Or):
                continue
            outer = source.parent[node]
            if isinstance(outer, cst.BooleanOperation) and isinstance(outer.operator, cst.Or):
                continue
            parts = [*_alternatives(node.left), *_alternatives(node.right)]
            asked = [_question(source, part) for part in parts]
            if asked[0] is None or len({item and item[0] for item in asked}) != 1:
                continue
            head = asked[0][0]
            values = ", ".join(item[1] for item in asked if item is not None)
            text = f"{head}({values}))" if isinstance(parts[0], cst.Call) else f"{head} in {{{values}}}"
            edit = source.inside(node, text)
            yield Rewrite(node, "merge the tests", "one value was asked several times", (edit,))


def _alternatives(node: cst.CSTNode) -> list[cst.CSTNode]:
    if isinstance(node, cst.BooleanOperation) and isinstance(node.operator, cst.Or) and not node.lpar:
        return [*_alternatives(node.left), *_alternatives(node.right)]
    return [node]


def _question(source: ConcreteFile, node: cst.CSTNode) -> tuple[str, str] | None:
    """What is asked, up to the value that differs, and that value."""
    if isinstance(node, cst.Call) and all(item.keyword is None and not item.star for item in node.args):
        if called(source, node) == "isinstance" and len(node.args) == 2 and isinstance(node.args[0].value, cst.Name):
            kinds = node.args[1].value
            if isinstance(kinds, (cst.Name, cst.Attribute)):
                return f"isinstance({node.args[0].value.value}, ", source.code(kinds)
        if isinstance(node.func, cst.Attribute) and len(node.args) == 1 and isinstance(node.func.value, cst.Name):
            affix, text = node.func.attr.value in ("startswith", "endswith"), node.args[0].value
            if affix and is_constant(text) and not isinstance(text, cst.Tuple):
                return f"{source.code(node.func)}(", source.code(text)
    if isinstance(node, cst.Comparison) and len(node.comparisons) == 1 and isinstance(node.left, cst.Name):
        target = node.comparisons[0]
        if isinstance(target.operator, cst.Equal) and is_constant(target.comparator):
            return node.left.value, source.code(target.comparator)
    return None


class GetWithDefault(Operator):
    """`d[k] if k in d else default`, as `if`/`else` or `try`/`except KeyError` too, becomes `d.get(k, default)`.

    One lookup instead of two. Refused when the default is more than a constant, when dictionary or key are more than
    names and constants, and when nothing says that it is a dict (another mapping may compute what is missing).
    """

    name = "get-with-default"
    description = "look up with dict.get instead of asking first or catching KeyError"
    prior = 0.25

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        asked: list[cst.IfExp | cst.If | cst.Try] = [*source.of(cst.IfExp), *source.of(cst.If), *source.of(cst.Try)]
        for node in asked:
            if isinstance(node, cst.IfExp):
                found = self._expression(source, node)
            else:
                found = self._statement(source, node)
            if found is not None:
                edit = source.replace(node, found)
                yield Rewrite(node, "look up once with get()", "the key was looked up twice", (edit,))

    def _expression(self, source: ConcreteFile, node: cst.IfExp) -> str | None:
        return self._get(source, node.test, node.body, node.orelse)

    def _statement(self, source: ConcreteFile, node: cst.If | cst.Try) -> str | None:
        branch = node.orelse if isinstance(node, cst.If) else node.handlers[0] if len(node.handlers) == 1 else None
        if branch is None or isinstance(branch, cst.If) or source.comments(*source.span(node)):
            return None
        first, second = single(node.body), single(branch.body)
        if not isinstance(first, cst.Assign) or not isinstance(second, cst.Assign):
            return None
        target = source.code(first.targets[0].target)
        if len(first.targets) != 1 or target != source.code(second.targets[0].target) or len(second.targets) != 1:
            return None
        if not isinstance(first.targets[0].target, cst.Name):
            return None
        if isinstance(node, cst.If):
            parent = source.parent[node]
            if isinstance(parent, cst.If):  # an elif
                return None
            found = self._get(source, node.test, first.value, second.value)
        else:
            found = self._caught(source, node, first.value, second.value)
        return f"{target} = {found}" if found is not None else None

    def _caught(self, source: ConcreteFile, node: cst.Try, value: cst.CSTNode, default: cst.CSTNode) -> str | None:
        handler = node.handlers[0]
        plain = node.orelse is None and node.finalbody is None and handler.name is None and handler.type is not None
        if not plain or handler.type is None or source.code(handler.type) != "KeyError":
            return None
        return self._lookup(source, value, default)

    def _get(self, source: ConcreteFile, test: cst.CSTNode, value: cst.CSTNode, default: cst.CSTNode) -> str | None:
        if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
            return None
        target = test.comparisons[0]
        if isinstance(target.operator, cst.NotIn):
            value, default = default, value
        elif not isinstance(target.operator, cst.In):
            return None
        if not isinstance(value, cst.Subscript) or source.code(value.value) != source.code(target.comparator):
            return None
        if len(value.slice) != 1 or source.code(value.slice[0]) != source.code(test.left):
            return None
        return self._lookup(source, value, default)

    def _lookup(self, source: ConcreteFile, value: cst.CSTNode, default: cst.CSTNode) -> str | None:
        if not isinstance(value, cst.Subscript) or not is_constant(default) or len(value.slice) != 1:
            return None
        variable = source.names.get(value.value)
        index = value.slice[0].slice
        if variable is None or kind(source, variable) != "dict" or not isinstance(index, cst.Index):
            return None
        if not isinstance(index.value, (cst.Name, cst.Attribute, cst.SimpleString, cst.Integer)):
            return None
        return f"{variable.name}.get({source.code(index.value)}, {source.code(default)})"
