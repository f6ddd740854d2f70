"""What commands print: data on stdout, notes on stderr, tables and JSON. Knows nothing of runs.

Everything printed may come from a candidate, so it is made plain first. Colours are click's: it drops them where
the output is no terminal.
"""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from maabarium.errors import UsageProblem
from maabarium.records import Verdict
from maabarium.safe_text import one_line, plain

__all__ = [
    "COLOURS",
    "LETTERS",
    "columns",
    "note",
    "number",
    "print_json",
    "print_lines",
    "print_table",
    "write",
]

LETTERS: Mapping[Verdict, str] = {
    "baseline": ".", "promoted": "+", "rejected": "-", "invalid": "i", "tampered": "!", "cancelled": "c", "error": "F",
}  # fmt: skip
"""Verdicts as pytest's progress line shows them."""
COLOURS = {
    "promoted": "green", "+": "green", "completed": "green", "error": "red", "F": "red", "failed": "red",
    "tampered": "red", "!": "red", "invalid": "yellow", "i": "yellow", "interrupted": "yellow", "running": "cyan",
}  # fmt: skip
"""Colours of words that stand alone in a cell."""


def note(text: str) -> None:
    """Something for the person, not for the pipe."""
    click.echo(plain(text), err=True)


def print_lines(lines: Sequence[str]) -> None:
    """Lines of text on stdout."""
    for line in lines:
        click.echo(plain(line))


def print_json(value: Any) -> None:
    """One JSON document on stdout: ASCII, null for numbers that JSON does not know, base64 for bytes."""
    # JSON escapes every control character but DEL
    click.echo(json.dumps(_jsonable(value), indent=2, default=str).replace("\x7f", "\\u007f"))


def _jsonable(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under a head, two spaces apart; numbers to the right. Cells are made plain and stay on one line."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    right = [all(map(_is_number, column)) for column in zip(*cells, strict=True)] or [False] * len(head)
    click.echo(click.style("  ".join(_padded(head, widths, right)).rstrip(), bold=True))
    for row in cells:
        padded = _padded(row, widths, right)
        padded[-1] = padded[-1].rstrip()
        coloured = [_coloured(text, cell) for text, cell in zip(padded, row, strict=True)]
        click.echo("  ".join(coloured).rstrip())


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A head, and rows indented below it; nothing without rows."""
    shown = [head, *(("  " + row[0], *row[1:]) for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in shown]


def _coloured(text: str, cell: str) -> str:
    colour = COLOURS.get(cell)
    return click.style(text, fg=colour) if colour else text


def _padded(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    columns = zip(cells, widths, right, strict=True)
    return [cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in columns]


def _is_number(cell: str) -> bool:
    return not cell.strip("+-.,0123456789 xe%")


def number(value: float | None, form: str = ".4g") -> str:
    """A number for a table; nothing for none."""
    return "" if value is None else format(value, form)


def write(content: str | bytes, output: Path | None, what: str) -> None:
    """Write data to a file, or to stdout when there is none (or it is `-`). UsageProblem when it cannot be written."""
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    if output is None or str(output) == "-":
        _write_to_stdout(raw, what)
        return
    try:
        output.write_bytes(raw)
    except OSError as error:
        raise UsageProblem(f"{output} cannot be written: {error.strerror}; choose another file") from error
    note(f"{what} written to {output}")


def _write_to_stdout(raw: bytes, what: str) -> None:
    """Bytes as they are into a pipe; on a terminal only text, and that made plain."""
    if sys.stdout.isatty():
        if b"\0" in raw:
            raise UsageProblem(f"{what} is binary and would garble the terminal; give a file with -o")
        click.echo(plain(raw.decode("utf-8", "replace")), nl=False)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()
