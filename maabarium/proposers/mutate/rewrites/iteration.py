"""Operators on how loops walk: `enumerate`, `generator-argument`, `iterate-file`, `dict-keys`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.code.splices import Edit
from maabarium.code.variables import Variable
from maabarium.proposers.mutate.rewrites.knowledge import called, unchanged
from maabarium.proposers.mutate.rewrites.loops import LoopOperator
from maabarium.proposers.mutate.rewrites.membership import is_membership
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite

__all__ = ["DictKeys", "Enumerate", "GeneratorArgument", "IterateFile"]

EAGER = {"set": ("{", "}"), "frozenset": ("", ""), "any": ("", ""), "all": ("", ""), "sum": ("", ""), "min": ("", ""),
         "max": ("", ""), "tuple": ("", ""), "sorted": ("", ""), "dict": ("{", "}"), "list": ("[", "]")}  # fmt: skip


class Enumerate(LoopOperator):
    """`for i in range(len(rows))` with `rows[i]` becomes enumerate, zip, or a plain loop when `i` is not needed.

    Refused when the sequence is anything but a name that the loop only reads by `[i]` or measures, when `i` is stored
    in the loop or read after it, and when a zip could hide that one sequence is shorter and `i` is used elsewhere.
    """

    name = "enumerate"
    description = "walk over the elements instead of their numbers"
    prior = 0.4

    def _of_loop(self, source: ConcreteFile, loop: cst.For) -> Iterator[Rewrite]:
        found = self._site(source, loop)
        if found is not None:
            yield found

    def _site(self, source: ConcreteFile, loop: cst.For) -> Rewrite | None:
        number, sequence = source.names.get(loop.target), _length_range(source, loop.iter)
        if number is None or sequence is None or number.shared or number.scope is not source.function(loop):
            return None
        inside = [name for name in number.loads if source.holds(loop, name)]
        after = [name for name in number.loads if source.order(name) > source.order(loop) and name not in inside]
        if after or sum(source.holds(loop, store) for store in number.stores) != 1:
            return None
        if any(isinstance(parent, (cst.For, cst.While)) for parent in _same_function(source, loop)) and len(
            inside
        ) != len(number.loads):
            return None
        indexed: dict[Variable, list[cst.Subscript]] = {}
        for name in inside:
            found = _indexed(source, name, loop)
            if found is not None:
                indexed.setdefault(found[0], []).append(found[1])
        if sequence not in indexed or not all(unchanged(source, item, loop) for item in indexed):
            return None
        bare = sum(map(len, indexed.values())) == len(inside)
        return self._rewrite(source, loop, sequence, indexed, number, bare)

    def _rewrite(
        self, source: ConcreteFile, loop: cst.For, sequence: Variable, indexed: dict[Variable, list[cst.Subscript]],
        number: Variable, bare: bool,
    ) -> Rewrite:  # fmt: skip
        walked = sorted(indexed, key=lambda item: item is not sequence) if bare else [sequence]
        names = [source.names.fresh(_element(item.name)) for item in walked]
        targets, sources = ", ".join(names), ", ".join(item.name for item in walked)
        over = f"zip({sources})" if len(walked) > 1 else sources
        head, how = (targets, over) if bare else (f"{number.name}, {names[0]}", f"enumerate({sequence.name})")
        edits = [source.replace(loop.target, head), source.replace(loop.iter, how)]
        for item, name in zip(walked, names, strict=True):
            edits += [source.replace(use, name) for use in indexed[item]]
        return Rewrite(loop, f"walk over {sources}", "every element was looked up by its number", tuple(edits))


def _same_function(source: ConcreteFile, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for parent in source.ancestors(node):
        if isinstance(parent, cst.FunctionDef):
            return
        yield parent


def _length_range(source: ConcreteFile, node: cst.CSTNode) -> Variable | None:
    """The variable of `range(len(variable))`."""
    if not isinstance(node, cst.Call) or called(source, node) != "range" or len(node.args) != 1:
        return None
    inner = node.args[0].value
    if not isinstance(inner, cst.Call) or called(source, inner) != "len" or len(inner.args) != 1:
        return None
    return source.names.get(inner.args[0].value)


def _indexed(source: ConcreteFile, name: cst.CSTNode, loop: cst.For) -> tuple[Variable, cst.Subscript] | None:
    index = source.parent[name]
    element = source.parent[index]
    item = source.parent[element]
    if not isinstance(index, cst.Index) or not isinstance(item, cst.Subscript) or len(item.slice) != 1:
        return None
    variable = source.names.get(item.value)
    deferred = source.names.scope(item) is not source.names.scope(loop)
    if variable is None or item in source.names.targets or (deferred and _late(source, item)):
        return None
    return variable, item


def _late(source: ConcreteFile, node: cst.CSTNode) -> bool:
    return any(isinstance(parent, (cst.Lambda, cst.GeneratorExp)) for parent in _same_function(source, node))


def _element(name: str) -> str:
    if name.endswith("ies") and len(name) > 4:
        return f"{name[:-3]}y"
    if name.endswith("s") and not name.endswith("ss") and len(name) > 2:
        return name[:-1]
    return f"{name}_item"


class GeneratorArgument(Operator):
    """A list that is built only to be consumed is not built: `any([...])`, `set([...])`, `sorted(list(x))`.

    `set([...])` and `dict([...])` become comprehensions, the others take a generator. It pays where the consumer stops
    early or the list is long; for short lists of `sum` it may not: the measurement tells. Refused for `join`, which
    builds a list anyway, and with starred arguments.
    """

    name = "generator-argument"
    description = "hand a generator or set comprehension on instead of a list built for it"
    prior = 0.25

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Call):
            path = called(source, node)
            if path not in EAGER or not node.args:
                continue
            first = node.args[0]
            if first.keyword is not None or first.star:
                continue
            edit = self._edit(source, node, path, first.value)
            if edit is not None:
                why = "a list was built only to be consumed"
                factor = 1.5 if path in ("any", "all", "set", "dict") else 0.7
                yield Rewrite(node, f"build no list for {path}()", why, (edit,), factor)

    def _edit(self, source: ConcreteFile, node: cst.Call, path: str, inner: cst.BaseExpression) -> Edit | None:
        alone = len(node.args) == 1
        if isinstance(inner, cst.Call):
            wrapped = called(source, inner) in ("list", "tuple") and len(inner.args) == 1 and not inner.args[0].star
            useful = path in ("set", "sorted", "sum", "min", "max", "any", "all", "frozenset")
            if not wrapped or not useful or isinstance(inner.args[0].value, cst.GeneratorExp):
                return None
            return source.replace(inner, source.code(inner.args[0].value))
        if isinstance(inner, (cst.ListComp, cst.GeneratorExp)) and alone and path in ("set", "dict", "list"):
            body = source.code(inner)[1:-1] if not _has_parentheses(inner) else ""
            if isinstance(inner, cst.GeneratorExp):
                body = source.raw[slice(*source.span(inner))].decode()
            if path == "dict":
                return self._dictionary(source, node, inner)
            if (path == "list" and isinstance(inner, cst.ListComp)) or not body:
                return None
            left, right = EAGER[path]
            return source.replace(node, f"{left}{body}{right}")
        if isinstance(inner, cst.ListComp) and not inner.lpar and path in ("any", "all", "sum", "min", "max", "tuple"):
            start, end = source.outer(inner)
            body = source.raw[start + 1 : end - 1].decode()
            return Edit(start, end, body if alone else f"({body})")
        return None

    def _dictionary(self, source: ConcreteFile, node: cst.Call, inner: cst.ListComp | cst.GeneratorExp) -> Edit | None:
        pair = inner.elt
        if not isinstance(pair, cst.Tuple) or len(pair.elements) != 2:
            return None
        if not all(isinstance(item, cst.Element) for item in pair.elements):
            return None
        key, value = (source.code(item.value) for item in pair.elements)
        clauses = source.code(inner.for_in).strip()
        return source.replace(node, f"{{{key}: {value} {clauses}}}")


def _has_parentheses(node: cst.BaseExpression) -> bool:
    return bool(node.lpar) and not isinstance(node, cst.GeneratorExp)


class IterateFile(Operator):
    """`for line in file.readlines()` becomes `for line in file`; a file is its own iterator of lines.

    Saves the list of all lines. Refused when readlines is given a size and when the file is read in the loop.
    """

    name = "iterate-file"
    description = "walk over a file instead of the list of its lines"
    prior = 0.3

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        walks: list[cst.For | cst.CompFor] = [*source.of(cst.For), *source.of(cst.CompFor)]
        for node in walks:
            if not isinstance(node.iter, cst.Call):
                continue
            call = node.iter
            if call.args or not isinstance(call.func, cst.Attribute) or call.func.attr.value != "readlines":
                continue
            variable = source.names.get(call.func.value)
            if variable is None:
                continue
            uses = [name for name in variable.loads if source.holds(node, name)]
            if len(uses) == 1:
                edit = source.replace(call, variable.name)
                yield Rewrite(node, f"iterate over {variable.name}", "all lines were kept in a list first", (edit,))


class DictKeys(Operator):
    """`for k in d.keys()` and `k in d.keys()` ask the dictionary itself; `list(d.keys())` becomes `list(d)`.

    Refused when `keys` is called with arguments and when the keys are handed elsewhere. A mapping of its own making
    whose iteration differs from its keys is for the tests to notice.
    """

    name = "dict-keys"
    description = "ask and walk a dictionary without its keys view"
    prior = 0.2

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Call):
            if node.args or not isinstance(node.func, cst.Attribute):
                continue
            if node.func.attr.value != "keys":
                continue
            parent = source.parent[node]
            walked = isinstance(parent, (cst.For, cst.CompFor)) and parent.iter is node
            eager = isinstance(parent, cst.Arg) and called(source, source.parent[parent]) in (
                "list", "sorted", "set", "tuple", "len", "min", "max",
            )  # fmt: skip
            if walked or eager or is_membership(source, node):
                edit = source.replace(node, source.code(node.func.value))
                yield Rewrite(node, "ask the dictionary itself", "a view of its keys was made first", (edit,))
