"""What is wrong, in words: quoting, and pydantic's findings as sentences a person can act on.

Knows the shape of a finding only; what is a mistake is decided by `fields`, `checks` and the schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from maabarium.errors import Problem
from maabarium.safe_text import listed, printable
from maabarium.suggestions import suggestion

__all__ = ["key_path", "kind_of", "problem_of", "quote"]

_SHOWN = 60
_NOUNS = {
    "direction": "a direction",
    "role": "a role",
    "isolation": "a kind of isolation",
    "assignment": "an assignment",
    "builtin": "a built-in evaluator",
    "template": "a template",
    "level": "a sandbox level",
    "equivalence": "a kind of equivalence check",
}
_LEAST = {"greater_than_equal": ("ge", "at least"), "greater_than": ("gt", "more than")}
_MOST = {"less_than_equal": ("le", "at most"), "less_than": ("lt", "less than")}
_WANTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list in brackets",
    "list_type": "a list in brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def quote(value: object) -> str:
    """A value as it may be printed: one line, bounded, no control characters."""
    text = value if isinstance(value, str) else repr(value)
    clean = printable(text[: _SHOWN + 1])
    clean = clean if len(clean) <= _SHOWN else clean[: _SHOWN - 1] + "…"
    return f'"{clean}"' if isinstance(value, str) else clean


def kind_of(value: object) -> str:
    """What a TOML value is, in words."""
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {quote(value)}"
    if isinstance(value, str):
        return f"the text {quote(value)}"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, Sequence):
        return "a list"
    return f"the date or time {value}"


def key_path(parts: Iterable[str | int]) -> str:
    """`("metrics", "metrics", 1, "direction")` as `metrics.metrics[1].direction`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            shown = part if part and part.isprintable() and len(part) <= _SHOWN else quote(part)
            path += f".{shown}" if path else shown
    return path


def problem_of(error: Mapping[str, Any]) -> Problem:
    """One finding of pydantic (an entry of `ValidationError.errors()`) as a problem."""
    where = tuple(error["loc"])
    return Problem(key_path(where), _sentence(error["type"], where, error.get("input"), error.get("ctx", {}), error))


def _sentence(
    kind: str, where: tuple[str | int, ...], value: object, facts: Mapping[str, Any], error: Mapping[str, Any]
) -> str:
    if kind == "missing":
        return "is missing"
    if kind in _WANTED:
        hint = "; write each entry as [[" + f"{where[0]}.{where[0]}" + "]]" if _is_entry_list(where, value) else ""
        return f"must be {_WANTED[kind]}, not {kind_of(value)}{hint}"
    if kind == "literal_error":
        return _choice(str(where[-1]) if where else "", value, str(facts["expected"]))
    for bounds in (_LEAST, _MOST):
        if kind in bounds:
            fact, words = bounds[kind]
            return f"must be {words} {facts[fact]:g}, not {quote(value)}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "too_short":
        return f"must have at least {facts['min_length']} entr{'y' if facts['min_length'] == 1 else 'ies'}"
    if kind == "too_long":
        return f"must have at most {facts['max_length']} entries"
    if kind == "finite_number":
        return "must be a finite number"
    return str(error["msg"])


def _is_entry_list(where: tuple[str | int, ...], value: object) -> bool:
    """`[[metrics]]` where `[metrics]` with `[[metrics.metrics]]` is meant: the usual slip with these tables."""
    return len(where) == 1 and where[0] in ("metrics", "agents", "models") and isinstance(value, list | tuple)


def _choice(key: str, value: object, expected: str) -> str:
    names = [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")]
    if not isinstance(value, str):
        return f"must be one of {listed(sorted(names), 12)}, not {kind_of(value)}"
    noun = _NOUNS.get(key, "a choice here")
    return f"{quote(value)} is not {noun}{suggestion(value, names)}"
