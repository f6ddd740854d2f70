"""Operator `compile-pattern`: regular expressions used in functions become compiled module constants."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.knowledge import called, dotted, is_constant, simple_arguments
from maabarium.proposers.mutate.rewrites.operator import Rewrite, operator
from maabarium.proposers.mutate.rewrites.preamble import add_constant

__all__ = ["compile_pattern"]

FLAGS_AT = {
    "match": 2, "search": 2, "fullmatch": 2, "findall": 2, "finditer": 2, "split": 3, "sub": 4, "subn": 4, "compile": 1,
}  # fmt: skip


@operator("compile-pattern", "compile a regular expression once instead of on every call", 0.35, cst.Call)
def compile_pattern(source: ConcreteFile, call: cst.Call) -> Iterator[Rewrite]:
    """`re.match(r"...", text)` in a function becomes `_PATTERN.match(text)` with `_PATTERN` a module constant.

    Pays because `re` looks its cache up on every call, which costs as much as a short match. Refused when the pattern
    is not a string literal (or a module constant bound once), when `re` is not the module imported at the top, with
    starred or `pattern=` arguments, and when the flags are not constants of `re`.
    """
    path = called(source, call) or ""
    method = path.removeprefix("re.")
    if not path.startswith("re.") or method not in FLAGS_AT or source.function(call) is None:
        return
    module = source.code(call.func).rpartition(".")[0]  # empty for `from re import match`
    if not module or not call.args or not simple_arguments(call) or call.args[0].keyword is not None:
        return
    pattern, rest = call.args[0].value, list(call.args[1:])
    if not isinstance(pattern, (cst.SimpleString, cst.ConcatenatedString)) or not is_constant(pattern):
        return
    flags = next((item for item in rest if item.keyword is not None and item.keyword.value == "flags"), None)
    if flags is None and len(rest) >= FLAGS_AT[method] and call.args[FLAGS_AT[method]].keyword is None:
        flags = call.args[FLAGS_AT[method]]
    if flags is not None:
        rest.remove(flags)
        if not _are_flags(source, flags.value):
            return
    function = source.qualified_name(call).rpartition(".")[2].strip("_").upper() or "TEXT"
    name = source.names.fresh(f"_{function}_PATTERN")
    options = f", {source.code(flags.value)}" if flags is not None else ""
    values = ", ".join(
        source.code(item.value) if item.keyword is None else f"{item.keyword.value}={source.code(item.value)}"
        for item in rest
    )
    constant = add_constant(source, call, f"{name} = {module}.compile({source.code(pattern)}{options})")
    use = source.replace(call, name if method == "compile" else f"{name}.{method}({values})")
    why = "the regular expression was compiled or looked up on every call"
    yield Rewrite(call, "compile the pattern once", why, (constant, use))


def _are_flags(source: ConcreteFile, node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.BinaryOperation):
        joined = isinstance(node.operator, cst.BitOr)
        return joined and _are_flags(source, node.left) and _are_flags(source, node.right)
    path = dotted(source, node) or ""
    return path.startswith("re.") and path.removeprefix("re.").isupper()
