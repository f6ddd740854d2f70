"""Operator `compile-pattern`: regular expressions used in functions become compiled module constants."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.knowledge import called, dotted, is_constant, simple_arguments
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite
from maabarium.proposers.mutate.rewrites.preamble import add_constant

__all__ = ["CompilePattern"]

FLAGS_AT = {
    "match": 2, "search": 2, "fullmatch": 2, "findall": 2, "finditer": 2, "split": 3, "sub": 4, "subn": 4, "compile": 1,
}  # fmt: skip


class CompilePattern(Operator):
    """`re.match(r"...", text)` in a function becomes `_PATTERN.match(text)` with `_PATTERN` a module constant.

    Pays because `re` looks its cache up on every call, which costs as much as a short match. Refused when the pattern
    is not a string literal (or a module constant bound once), when `re` is not the module imported at the top, with
    starred or `pattern=` arguments, and when the flags are not constants of `re`.
    """

    name = "compile-pattern"
    description = "compile a regular expression once, as a module constant, instead of on every call"
    prior = 0.35

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Call):
            path = called(source, node)
            if path and path.startswith("re.") and source.function(node) is not None:
                found = self._site(source, node, path.removeprefix("re."))
                if found is not None:
                    yield found

    def _site(self, source: ConcreteFile, call: cst.Call, method: str) -> Rewrite | None:
        place = FLAGS_AT.get(method)
        if place is None or not call.args or not simple_arguments(call) or call.args[0].keyword is not None:
            return None
        pattern = call.args[0].value
        if not self._fixed(source, pattern):
            return None
        rest = list(call.args[1:])
        flags = next((item for item in rest if item.keyword is not None and item.keyword.value == "flags"), None)
        if flags is None and len(call.args) > place and call.args[place].keyword is None:
            flags = call.args[place]
        if flags is not None:
            rest.remove(flags)
            if not self._flags(source, flags.value):
                return None
        module = source.code(call.func).rpartition(".")[0]
        if not module:  # from re import match
            return None
        name = source.names.fresh(f"_{_name(source, call)}_PATTERN")
        options = f", {source.code(flags.value)}" if flags is not None else ""
        value = f"{name} = {module}.compile({source.code(pattern)}{options})"
        if method == "compile":
            text = name
        else:
            text = f"{name}.{method}({', '.join(_argument(source, item) for item in rest)})"
        return Rewrite(
            call,
            "compile the pattern once",
            "the regular expression was compiled or looked up on every call",
            (add_constant(source, call, value), source.replace(call, text)),
        )

    def _fixed(self, source: ConcreteFile, node: cst.BaseExpression) -> bool:
        return isinstance(node, (cst.SimpleString, cst.ConcatenatedString)) and is_constant(node)

    def _flags(self, source: ConcreteFile, node: cst.BaseExpression) -> bool:
        if isinstance(node, cst.BinaryOperation):
            joined = isinstance(node.operator, cst.BitOr)
            return joined and self._flags(source, node.left) and self._flags(source, node.right)
        path = dotted(source, node) or ""
        return path.startswith("re.") and path.removeprefix("re.").isupper()


def _argument(source: ConcreteFile, argument: cst.Arg) -> str:
    value = source.code(argument.value)
    return value if argument.keyword is None else f"{argument.keyword.value}={value}"


def _name(source: ConcreteFile, node: cst.CSTNode) -> str:
    return source.qualified_name(node).rpartition(".")[2].strip("_").upper() or "TEXT"
