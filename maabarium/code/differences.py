"""Unified diffs of two contents, as `diffs` reads them back byte for byte.

Works on lines that end at a line feed; what is no UTF-8 becomes lone surrogates, as in JSON. Equal beginnings and
endings are set aside first, and where too much is left for a fine comparison, it is one hunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

__all__ = ["make_diff"]

CONTEXT = 3
FINE = 4_000_000
"""Above so many pairs of lines the comparison, which is quadratic, is left out."""

Change = tuple[int, int, int, int]
"""Lines of before (from, to) that make place for lines of after (from, to)."""


def make_diff(before: bytes, after: bytes, path: str, *, new: bool = False, gone: bool = False) -> str:
    """The unified diff from one content to the other, with file headers; empty when they are equal.

    `apply_diff(parse_diff(make_diff(a, b, path)), a) == b` for any two contents that differ. `new` and `gone` say
    that the file does not exist before or after.
    """
    if before == after:
        return ""
    old, fresh = _lines(before), _lines(after)
    parts = [f"--- {'/dev/null' if new else f'a/{path}'}\n", f"+++ {'/dev/null' if gone else f'b/{path}'}\n"]
    for group in _groups(list(_changes(old, fresh))):
        parts += _hunk(group, old, fresh)
    return "".join(parts)


def _lines(content: bytes) -> list[str]:
    parts = content.decode("utf-8", "surrogateescape").split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(a) * len(b) > FINE:
        yield head, len(old) - tail, head, len(new) - tail
        return
    for tag, i, j, k, m in SequenceMatcher(None, a, b).get_opcodes():
        if tag != "equal":
            yield head + i, head + j, head + k, head + m


def _groups(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Changes whose context would touch are one hunk."""
    group: list[Change] = []
    for change in changes:
        if group and change[0] - group[-1][1] > 2 * CONTEXT:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(group: Sequence[Change], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    start, stop = max(group[0][0] - CONTEXT, 0), min(group[-1][1] + CONTEXT, len(old))
    first = group[0][2] - (group[0][0] - start)
    last = group[-1][3] + (stop - group[-1][1])
    yield f"@@ -{_span(start, stop)} +{_span(first, last)} @@\n"
    done = start
    for i, j, k, m in group:
        yield from (_marked(" ", line) for line in old[done:i])
        yield from (_marked("-", line) for line in old[i:j])
        yield from (_marked("+", line) for line in new[k:m])
        done = j
    yield from (_marked(" ", line) for line in old[done:stop])


def _span(start: int, stop: int) -> str:
    """Lines as a hunk's header counts them: an empty span names the line before it."""
    length = stop - start
    return f"{start + 1}" if length == 1 else f"{start + (length > 0)},{length}"


def _marked(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"
