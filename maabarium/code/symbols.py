"""A file cut into the pieces by which it may be shown: symbols of Python, sections of Markdown, blocks of other text.

The pieces of a file never overlap and cover it whole, but for blank lines at their ends.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Chunk", "Defined", "chunks_of", "first_line"]

_BLOCK = 80
"""Lines after which a block without a blank line before an unindented one is cut all the same."""
_MANY = 500
"""Blocks of one file above which small ones are put together."""
_SMALL = 12
"""Lines up to which neighbouring statements outside functions stay together."""
_SPLIT = 30
"""Lines from which a class is shown by method."""
_MARKDOWN = (".md", ".markdown", ".mdx")
_HEADING = re.compile(r"#{1,6}\s")
_FENCE = re.compile(r"\s*(```|~~~)")

Kind = Literal["imports", "symbol", "class", "block"]
Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Chunk:
    """Lines `first` to `last` of a file, from 1, both included. A method names its class as `parent`."""

    name: str
    first: int
    last: int
    kind: Kind
    parent: str = ""


def chunks_of(path: str, lines: Sequence[str], tree: ast.Module | None = None) -> tuple[Chunk, ...]:
    """The chunks of a file in order; without a syntax tree by its layout alone."""
    if tree is not None:
        return _trimmed(_python(tree, lines), lines)
    starts = _headings(lines) if path.lower().endswith(_MARKDOWN) else _unindented(lines)
    return _trimmed(_blocks(starts, lines), lines)


def first_line(node: ast.stmt) -> int:
    """Where a statement starts, its decorators included."""
    decorators = node.decorator_list if isinstance(node, Defined) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _python(tree: ast.Module, lines: Sequence[str]) -> list[Chunk]:
    found: list[Chunk] = []
    for chunk in _statements(tree.body, lines, 0):
        previous = found[-1] if found else None
        if previous is not None and (chunk.first <= previous.last or _together(previous, chunk)):
            name = previous.name if chunk.name in previous.name.split(", ") else f"{previous.name}, {chunk.name}"
            found[-1] = replace(previous, name=name, last=max(previous.last, chunk.last))
        else:
            found.append(chunk)
    return found or [Chunk("comments", 1, len(lines), "block")]


def _together(one: Chunk, two: Chunk) -> bool:
    if one.kind != two.kind or one.kind in ("symbol", "class") or one.parent != two.parent:
        return False
    return one.kind == "imports" or two.last - one.first < _SMALL


def _statements(body: Iterable[ast.stmt], lines: Sequence[str], done: int, parent: str = "") -> Iterator[Chunk]:
    """One chunk for each statement, classes by method; `done` is the last line that belongs to what comes before."""
    for node in body:
        first = _with_comments(first_line(node), lines, done)
        last = node.end_lineno or node.lineno
        name = f"{parent}.{node.name}" if parent and isinstance(node, Defined) else _name(node)
        if isinstance(node, ast.ClassDef) and not parent and last - first >= _SPLIT:
            inner = next((child for child in node.body if isinstance(child, Defined)), None)
            if inner is not None:
                index = node.body.index(inner)
                before = (node.body[index - 1].end_lineno or node.lineno) if index else node.lineno
                start = _with_comments(first_line(inner), lines, before)
                yield Chunk(name, first, start - 1, "class")
                yield from _statements(node.body[index:], lines, start - 1, node.name)
                done = last
                continue
        yield Chunk(name, first, last, _kind(node), parent)
        done = last


def _with_comments(first: int, lines: Sequence[str], done: int) -> int:
    """The line from which comments lead up to a statement without a gap."""
    while first - 1 > done and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    return first


def _kind(node: ast.stmt) -> Kind:
    if isinstance(node, Defined):
        return "symbol"
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return "imports" if isinstance(node, ast.Import | ast.ImportFrom) or is_docstring else "block"


def _name(node: ast.stmt) -> str:
    if isinstance(node, Defined):
        return node.name
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "imports"
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    named = next((target.id for target in targets if isinstance(target, ast.Name)), "")
    return named or f"line {node.lineno}"


def _headings(lines: Sequence[str]) -> list[int]:
    """Lines, from 1, at which a section of Markdown starts."""
    found, fenced = [1], False
    for number, line in enumerate(lines, 1):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and number > 1 and _HEADING.match(line):
            found.append(number)
    return found


def _unindented(lines: Sequence[str]) -> list[int]:
    """Lines, from 1, that start at the margin after a blank one; closing brackets start nothing."""
    return [1] + [
        number
        for number in range(2, len(lines) + 1)
        if lines[number - 1].strip() and lines[number - 1][0] not in " \t)}]" and not lines[number - 2].strip()
    ]


def _blocks(starts: Sequence[int], lines: Sequence[str]) -> list[Chunk]:
    """Blocks from start to start; long ones are cut."""
    found = []
    if len(starts) > _MANY:  # only those at least half a block apart
        kept = [starts[0]]
        for start in starts:
            if start - kept[-1] >= _BLOCK // 2:
                kept.append(start)
        starts = kept
    for first, following in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        for start in range(first, following, _BLOCK):
            last = min(start + _BLOCK, following) - 1
            label = next((line.strip() for line in lines[start - 1 : last] if line.strip()), "")
            found.append(Chunk(label[:60], start, last, "block"))
    return found


def _trimmed(chunks: Iterable[Chunk], lines: Sequence[str]) -> tuple[Chunk, ...]:
    """The chunks without blank lines at their ends, lines between them given to the one before; no empty ones."""
    every = list(chunks)
    found = []
    for index, chunk in enumerate(every):
        first = 1 if index == 0 else chunk.first
        stop = every[index + 1].first if index + 1 < len(every) else len(lines) + 1
        filled = [number for number in range(first, stop) if lines[number - 1].strip()]
        if filled:
            found.append(replace(chunk, first=filled[0], last=filled[-1]))
    return tuple(found)
