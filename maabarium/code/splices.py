"""Edits of a text by ranges of its bytes, so that everything outside them stays byte-exact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Edit", "splice"]


@dataclass(frozen=True)
class Edit:
    """Replace the bytes `start` to `end`; equal numbers insert. Lone surrogates in `text` stand for bytes."""

    start: int
    end: int
    text: str


def splice(raw: bytes, edits: Iterable[Edit]) -> bytes | None:
    """The text with the edits made; None when they overlap."""
    parts, last = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < last:
            return None
        parts += [raw[last : edit.start], edit.text.encode("utf-8", "surrogateescape")]
        last = edit.end
    return b"".join([*parts, raw[last:]])
