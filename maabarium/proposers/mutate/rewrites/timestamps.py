"""Operators on `datetime.strptime` with a constant format: `cache-timestamps` and `iso-timestamps`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.knowledge import called, literal_value
from maabarium.proposers.mutate.rewrites.operator import Rewrite, operator
from maabarium.proposers.mutate.rewrites.preamble import add_import, before_definition
from maabarium.proposers.mutate.rewrites.shapes import arguments

__all__ = ["cache_timestamps", "iso_timestamps"]

CACHE_SIZE = 8192
ISO_FORMATS = frozenset({"%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z",
                         "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f%z"})  # fmt: skip


def _parsed(source: ConcreteFile, call: cst.Call) -> tuple[str, str, str] | None:
    """Text and format as they are written in a call of strptime in a function, and what the format says."""
    if called(source, call) != "datetime.datetime.strptime":
        return None
    values, function = arguments(call) or [], source.function(call)
    form = literal_value(values[1]) if len(values) == 2 else None
    if not isinstance(form, str) or function is None:
        return None
    cached = any("cache" in source.code(decorator.decorator) for decorator in function.decorators)
    return None if cached else (source.code(values[0]), source.code(values[1]), form)


@operator("cache-timestamps", "parse each different timestamp once", 0.9, cst.Call)
def cache_timestamps(source: ConcreteFile, call: cst.Call) -> Iterator[Rewrite]:
    """`datetime.strptime(text, "<constant>")` in a function goes through a small function with `functools.lru_cache`.

    Pays in logs and tables, where neighbouring rows carry the same second or day: strptime costs some ten microseconds,
    a cache hit a tenth of one. Refused when the format is not a literal, or when `datetime` is not the class imported
    at the top. The result is immutable, so that sharing it is safe.
    """
    found = _parsed(source, call)
    imported = add_import(source, call, "functools", "lru_cache") if found is not None else None
    if found is None or imported is None:
        return
    text, form, _ = found
    cache, edits = imported
    name, line = source.names.fresh("_parse_timestamp"), source.newline
    body = f"{source.module.default_indent}return {source.code(call.func)}(text, {form})"
    head = f"@{cache}(maxsize={CACHE_SIZE}){line}def {name}(text):{line}{body}"
    definition = before_definition(source, call, head)
    if definition is not None:
        why = "equal timestamps were parsed again and again"
        use = source.replace(call, f"{name}({text})")
        yield Rewrite(call, "parse each timestamp once", why, (*edits, definition, use))


@operator("iso-timestamps", "read ISO timestamps with fromisoformat instead of strptime", 0.85, cst.Call)
def iso_timestamps(source: ConcreteFile, call: cst.Call) -> Iterator[Rewrite]:
    """`datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")` and its like become `datetime.fromisoformat(text)`.

    Pays because fromisoformat is written in C and needs no format. It accepts more than the one format, so that a suite
    which tests refused timestamps refuses the rewrite. Refused for formats that are not ISO 8601.
    """
    found = _parsed(source, call)
    if found is not None and found[2] in ISO_FORMATS and isinstance(call.func, cst.Attribute):
        edit = source.replace(call, f"{source.code(call.func.value)}.fromisoformat({found[0]})")
        yield Rewrite(call, "read the ISO timestamp directly", "strptime interpreted the format on every call", (edit,))
