"""Edits of a text by ranges of its bytes, and unified diffs of two contents, as `diffs` reads them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

__all__ = ["Edit", "changed_blocks", "common_ends", "make_diff", "splice"]

CONTEXT = 3
FINE = 4_000_000
"""Above so many pairs of lines the comparison, which is quadratic, is left out."""


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


def make_diff(before: bytes, after: bytes, path: str, *, new: bool = False, gone: bool = False) -> str:
    """The unified diff from one content to the other, with file headers; empty when they are equal.

    `apply_diff(parse_diff(make_diff(a, b, path)), a) == b` for any two contents that differ. `new` and `gone` say
    that the file does not exist before or after.
    """
    if before == after:
        return ""
    old, fresh = _lines(before), _lines(after)
    parts = [f"--- {'/dev/null' if new else f'a/{path}'}\n", f"+++ {'/dev/null' if gone else f'b/{path}'}\n"]
    for group in _Comparison(None, old, fresh).get_grouped_opcodes(CONTEXT):
        _, start, _, first, _ = group[0]
        _, _, stop, _, last = group[-1]
        parts.append(f"@@ -{_span(start, stop)} +{_span(first, last)} @@\n")
        for tag, i, j, k, m in group:
            parts += [_marked(" " if tag == "equal" else "-", line) for line in old[i:j]]
            parts += [_marked("+", line) for line in fresh[k:m] if tag != "equal"]
    return "".join(parts)


def changed_blocks(before: bytes, after: bytes) -> dict[tuple[int, int], tuple[str, ...]]:
    """What a change replaced: by lines `(first, last)` of the old content, from 1, the new lines.

    Of an insertion, `last` is `first - 1`: it stands before line `first`.
    """
    old, fresh = _lines(before), _lines(after)
    return {
        (i + 1, j): tuple(fresh[k:m])
        for tag, i, j, k, m in _Comparison(None, old, fresh).get_opcodes()
        if tag != "equal" and (i < j or k < m)
    }


def common_ends(one: Sequence[object], two: Sequence[object]) -> tuple[int, int]:
    """How many items two sequences have in common at the start, and at the end of what is left."""
    short = min(len(one), len(two))
    head = next((index for index in range(short) if one[index] != two[index]), short)
    tail = next((index for index in range(short - head) if one[-1 - index] != two[-1 - index]), short - head)
    return head, tail


def _lines(content: bytes) -> list[str]:
    parts = content.decode("utf-8", "surrogateescape").split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


class _Comparison(SequenceMatcher[str]):
    """Sets equal ends aside, and what is too long between them is one replacement."""

    a: Sequence[str]
    b: Sequence[str]

    def get_opcodes(self) -> list[Any]:
        """As of `difflib`, with empty blocks at the ends where nothing is equal."""
        old, new = self.a, self.b
        head, tail = common_ends(old, new)
        a, b = old[head : len(old) - tail], new[head : len(new) - tail]
        coarse = len(a) * len(b) > FINE
        codes = [("replace", 0, len(a), 0, len(b))] if coarse else SequenceMatcher(None, a, b).get_opcodes()
        return [
            ("equal", 0, head, 0, head),
            *((tag, head + i, head + j, head + k, head + m) for tag, i, j, k, m in codes),
            ("equal", len(old) - tail, len(old), len(new) - tail, len(new)),
        ]


def _span(start: int, stop: int) -> str:
    """Lines as a hunk's header counts them: an empty span names the line before it."""
    length = stop - start
    return f"{start + 1}" if length == 1 else f"{start + (length > 0)},{length}"


def _marked(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"
