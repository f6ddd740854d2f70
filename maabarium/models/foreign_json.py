"""Reading a foreign JSON answer: what is there, what must be there, and how many tokens it cost.

Nothing of an answer's shape is taken for granted; whoever reads past its end gets a named error instead of a KeyError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from maabarium.models.failures import CallFailure

__all__ = ["at", "count", "wanted", "words_at"]

Value = TypeVar("Value")


def at(data: Any, *path: str | int) -> Any:
    """What is at the end of the path, or None where it leads nowhere."""
    for step in path:
        if isinstance(step, int) and isinstance(data, list) and -len(data) <= step < len(data):
            data = data[step]
        elif isinstance(step, str) and isinstance(data, Mapping):
            data = data.get(step)
        else:
            return None
    return data


def wanted(data: Any, kind: type[Value], *path: str | int) -> Value:
    """What is at the end of the path. Raises CallFailure when it is not of that kind."""
    found = at(data, *path)
    if not isinstance(found, kind):
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        what = "is missing" if found is None else f"is a {type(found).__name__}"
        raise CallFailure("malformed_body", f"the answer has the wrong shape: {where} {what}")
    return found


def count(data: Any, *path: str | int) -> int | None:
    """A number of tokens, or None where nobody says one."""
    found = at(data, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def words_at(data: Any, *path: str | int) -> str:
    """The text at the end of the path, or none."""
    found = at(data, *path)
    return found if isinstance(found, str) else ""
