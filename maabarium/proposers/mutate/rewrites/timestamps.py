"""Operator `cache-timestamps`: `datetime.strptime` with one constant format is asked once per different text."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.knowledge import called, literal_value
from maabarium.proposers.mutate.rewrites.operator import Operator, Rewrite
from maabarium.proposers.mutate.rewrites.preamble import add_import, before_definition

__all__ = ["CacheTimestamps", "IsoTimestamps"]

CACHE_SIZE = 8192
ISO_FORMATS = frozenset({"%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z",
                         "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f%z"})  # fmt: skip


def _parse(source: ConcreteFile, node: cst.CSTNode) -> tuple[cst.Call, str] | None:
    """A call of strptime in a function, with its constant format."""
    if not isinstance(node, cst.Call) or called(source, node) != "datetime.datetime.strptime":
        return None
    if len(node.args) != 2 or any(item.star or item.keyword is not None for item in node.args):
        return None
    form = literal_value(node.args[1].value)
    function = source.function(node)
    if not isinstance(form, str) or function is None:
        return None
    cached = any("cache" in source.code(decorator.decorator) for decorator in function.decorators)
    return None if cached else (node, form)


class CacheTimestamps(Operator):
    """`datetime.strptime(text, "<constant>")` in a function goes through a small function with `functools.lru_cache`.

    Pays in logs and tables, where neighbouring rows carry the same second or day: strptime costs some ten microseconds,
    a cache hit a tenth of one. Refused when the format is not a literal, or when `datetime` is not the class imported
    at the top. The result is immutable, so that sharing it is safe.
    """

    name = "cache-timestamps"
    description = "parse each different timestamp once"
    prior = 0.9

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Call):
            found = _parse(source, node)
            if found is None:
                continue
            call, _ = found
            imported = add_import(source, call, "functools", "lru_cache")
            name = source.names.fresh("_parse_timestamp")
            line = source.newline
            unit = source.module.default_indent
            body = f"return {source.code(call.func)}(text, {source.code(call.args[1].value)})"
            if imported is None:
                continue
            cache, edits = imported
            head = f"@{cache}(maxsize={CACHE_SIZE}){line}def {name}(text):{line}{unit}{body}"
            definition = before_definition(source, call, head)
            if definition is None:
                continue
            use = source.replace(call, f"{name}({source.code(call.args[0].value)})")
            why = "equal timestamps were parsed again and again"
            yield Rewrite(call, "parse each timestamp once", why, (*edits, definition, use))


class IsoTimestamps(Operator):
    """`datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")` and its like become `datetime.fromisoformat(text)`.

    Pays because fromisoformat is written in C and needs no format. It accepts more than the one format, so that a suite
    which tests refused timestamps refuses the rewrite. Refused for formats that are not ISO 8601.
    """

    name = "iso-timestamps"
    description = "read ISO timestamps with fromisoformat instead of strptime"
    prior = 0.85

    def rewrites(self, source: ConcreteFile) -> Iterator[Rewrite]:
        for node in source.of(cst.Call):
            found = _parse(source, node)
            if found is None or found[1] not in ISO_FORMATS or not isinstance(found[0].func, cst.Attribute):
                continue
            call = found[0]
            text = f"{source.code(found[0].func.value)}.fromisoformat({source.code(call.args[0].value)})"
            why = "strptime interpreted the format on every call"
            yield Rewrite(call, "read the ISO timestamp directly", why, (source.replace(call, text),))
