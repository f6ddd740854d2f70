"""One Python file as libcst sees it: every node with its place in the text, and edits of that text.

Edits are splices of the UTF-8 text, so that everything outside them stays byte-exact. Names and scopes are in
`variables`.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

from maabarium.code.edits import Edit, splice
from maabarium.code.python_file import PythonFile
from maabarium.code.variables import Variables

__all__ = ["ConcreteFile"]

_NEWLINE = re.compile(rb"[\r\n]")
Node = TypeVar("Node", bound=cst.CSTNode)
MAX_DEPTH = 120
"""Of the syntax tree. The parser is native and recursive: it ends the process on a tree that is some thousand deep."""
SKIPPED = ("whitespace", "leading_", "lpar", "rpar", "header", "footer", "comma", "semicolon", "lines_after")


class ConcreteFile:
    """A parsed file. `ConcreteFile.read` gives None for content that cannot be parsed, or not be written back."""

    def __init__(self, file: PythonFile, module: cst.Module) -> None:
        self.file = file
        self.module = module
        self.raw = file.text.encode()
        self.newline = module.default_newline
        self._spans = MetadataWrapper(module, unsafe_skip_copy=True).resolve(ByteSpanPositionProvider)
        self._line_starts = [0, *(index + 1 for index, byte in enumerate(self.raw) if byte == 10)]
        self._comments = sorted(self.span(node) for node in self._spans if isinstance(node, cst.Comment))
        self.parent: dict[cst.CSTNode, cst.CSTNode] = {}
        self.nodes: list[cst.CSTNode] = []
        self._extent: dict[cst.CSTNode, tuple[int, int]] = {}
        self._by_kind: dict[type[cst.CSTNode], list[cst.CSTNode]] = {}
        self._index(module)
        self.names = Variables(self.nodes, self.parent)

    @classmethod
    def read(cls, content: bytes) -> ConcreteFile | None:
        """Parse twice: the interpreter's own, guarded parser goes first."""
        file = PythonFile.read(content)
        if file is None or _too_deep(file.tree):
            return None
        try:
            module = cst.parse_module(file.text)
        except (ValueError, RecursionError, cst.ParserSyntaxError):
            return None
        return cls(file, module) if module.code == file.text else None

    def _index(self, node: cst.CSTNode) -> None:
        """Number all nodes in pre-order; a subtree is then a slice of `nodes`."""
        first = len(self.nodes)
        self.nodes.append(node)
        self._by_kind.setdefault(type(node), []).append(node)
        for child in _children(node):
            self.parent[child] = node
            self._index(child)
        self._extent[node] = (first, len(self.nodes))

    # --- where things stand

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Byte range without the node's own parentheses."""
        found = self._spans[node]
        return found.start, found.start + found.length

    def outer(self, node: cst.CSTNode) -> tuple[int, int]:
        """Byte range with the node's own parentheses."""
        start, end = self.span(node)
        left: Any = getattr(node, "lpar", ())
        right: Any = getattr(node, "rpar", ())
        if isinstance(left, Sequence) and left:  # of a class definition it is one token
            start, end = self.span(left[0])[0], self.span(right[-1])[1]
        return start, end

    def code(self, node: cst.CSTNode) -> str:
        """The node's text as it stands in the file, with its own parentheses."""
        start, end = self.outer(node)
        return self.raw[start:end].decode()

    def line(self, offset: int) -> int:
        """Line number (from 1) of a byte offset."""
        return bisect_right(self._line_starts, offset)

    def lines(self, node: cst.CSTNode) -> range:
        """Line numbers that a node covers."""
        start, end = self.span(node)
        return range(self.line(start), self.line(end) + 1)

    def end_of_line(self, offset: int) -> int:
        """Offset of the line break (or the end of the text) at or after an offset."""
        found = _NEWLINE.search(self.raw, offset)
        return found.start() if found else len(self.raw)

    def comments(self, start: int, end: int) -> list[str]:
        """Comments between two offsets, in order."""
        return [self.raw[a:b].decode() for a, b in self._comments if start <= a and b <= end]

    # --- the tree

    def of(self, kind: type[Node]) -> list[Node]:
        """All nodes of exactly that class, in pre-order."""
        return self._by_kind.get(kind, [])  # type: ignore[return-value]

    def within(self, node: cst.CSTNode) -> list[cst.CSTNode]:
        """The node and all below it, in pre-order."""
        first, last = self._extent[node]
        return self.nodes[first:last]

    def holds(self, outer: cst.CSTNode, inner: cst.CSTNode) -> bool:
        """Whether `inner` is `outer` or stands below it."""
        first, last = self._extent[outer]
        return first <= self._extent[inner][0] < last

    def order(self, node: cst.CSTNode) -> int:
        """Position in pre-order."""
        return self._extent[node][0]

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Parents from the inside out."""
        while (parent := self.parent.get(node)) is not None:
            yield parent
            node = parent

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The function whose body holds the node."""
        around = (parent for parent in self.ancestors(node) if isinstance(parent, cst.FunctionDef))
        return next((parent for parent in around if self.holds(parent.body, node)), None)

    def qualified_name(self, node: cst.CSTNode) -> str:
        """Dotted name of the function or class around a node, or `<module>`."""
        chain = [node, *self.ancestors(node)]
        names = [parent.name.value for parent in chain if isinstance(parent, (cst.FunctionDef, cst.ClassDef))]
        return ".".join(reversed(names)) or "<module>"

    # --- edits

    def replace(self, node: cst.CSTNode, text: str) -> Edit:
        """Replace a node together with its own parentheses."""
        return Edit(*self.outer(node), text)

    def indent(self, statement: cst.CSTNode) -> str | None:
        """Indentation of a statement that starts its line; None for one that shares it."""
        start = self.span(statement)[0]
        head = self.raw[self._line_starts[self.line(start) - 1] : start].decode()
        return head if not head.strip() else None

    def before(self, statement: cst.CSTNode, lines: Iterable[str]) -> Edit | None:
        """Insert whole lines before a statement, at its indentation."""
        indent, start = self.indent(statement), self.span(statement)[0]
        text = "".join(f"{line}{self.newline}{indent}" for line in lines)
        return Edit(start, start, text) if indent is not None else None

    def delete_line(self, statement: cst.CSTNode) -> Edit | None:
        """Remove a statement that has its lines to itself, trailing comment kept out of it (then None)."""
        start, end = self.span(statement)
        first = self._line_starts[self.line(start) - 1]
        last = self.line(end)
        stop = self._line_starts[last] if last < len(self._line_starts) else len(self.raw)
        shared = self.raw[first:start].strip() or self.raw[end:stop].strip()
        return None if shared else Edit(first, stop, "")

    def apply(self, edits: Iterable[Edit]) -> bytes | None:
        """The new content of the file in its own encoding; None when edits overlap or cannot be encoded."""
        new = splice(self.raw, edits)
        return None if new is None else self.file.encoded(new.decode())


def _too_deep(tree: ast.Module) -> bool:
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return bool(level)


@functools.cache
def _fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if not field.name.startswith(SKIPPED))


def _children(node: cst.CSTNode) -> list[cst.CSTNode]:
    found: list[cst.CSTNode] = []
    for name in _fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, (tuple, list)):
            found.extend(item for item in value if _is_node(item.__class__))
        elif _is_node(value.__class__):
            found.append(value)
    return found


@functools.cache
def _is_node(kind: type[object]) -> bool:
    """Asked by class because the instance check of the library's abstract classes is slow."""
    return issubclass(kind, cst.CSTNode)
