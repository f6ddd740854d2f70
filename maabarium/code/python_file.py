"""One Python file: its text, its syntax tree, and the way from positions in the tree to characters and exact bytes.

Line endings, byte order mark and encoding survive an edit.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
import warnings
from bisect import bisect_right
from collections import Counter

from maabarium.code.statements import Statement, statements_of

__all__ = ["PythonFile", "compiles", "decode", "parse", "parse_strictly"]

_NEWLINE = re.compile(r"\r\n|\r|\n")


def parse_strictly(source: str | bytes) -> ast.Module:
    """The syntax tree. Raises SyntaxError, whatever the reason. Warnings about the text are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error) or type(error).__name__) from error


def parse(source: str | bytes) -> ast.Module | None:
    """The syntax tree, or None for what this interpreter does not understand."""
    try:
        return parse_strictly(source)
    except SyntaxError:
        return None


def decode(content: bytes) -> tuple[str, str]:
    """The text of a file, and the encoding it declares. Raises SyntaxError, UnicodeError or LookupError."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return content.decode(encoding), encoding


def compiles(content: bytes) -> bool:
    """Whether this interpreter accepts a whole file, which says more than that it parses. Warnings are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(content, "<file>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


class PythonFile:
    """A parsed file. `PythonFile.read` gives None for content that cannot be edited safely."""

    def __init__(self, content: bytes, text: str, encoding: str, tree: ast.Module) -> None:
        self.content = content
        self.text = text
        self.encoding = encoding
        self.tree = tree
        self._ascii = text.isascii()
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]

    @classmethod
    def read(cls, content: bytes) -> PythonFile | None:
        """Decode and parse; None if the bytes are no Python, or would not survive a round trip."""
        try:
            text, encoding = decode(content)
            if text.encode(encoding) != content:
                return None
        except (SyntaxError, UnicodeError, LookupError):
            return None
        tree = parse(text)
        return None if tree is None else cls(content, text, encoding, tree)

    def offset(self, line: int, column: int) -> int:
        """Character offset of a tree position (line from 1, column in UTF-8 bytes)."""
        start = self._starts[line - 1]
        if self._ascii:
            return start + column
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return start + len(self.text[start:end].encode()[:column].decode(errors="ignore"))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Start and end offset of a node that has a position."""
        line, column = getattr(node, "lineno"), getattr(node, "col_offset")  # noqa: B009
        end_line, end_column = getattr(node, "end_lineno"), getattr(node, "end_col_offset")  # noqa: B009
        return self.offset(line, column), self.offset(end_line, end_column)

    def segment(self, node: ast.AST) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    @functools.cached_property
    def numbers(self) -> Counter[int | float]:
        """How often each number is written in the file."""
        constants = (node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        return Counter(value for value in constants if isinstance(value, int | float) and not isinstance(value, bool))

    @functools.cached_property
    def statements(self) -> list[Statement]:
        """All statements in the order of the text."""
        return statements_of(self.tree)

    @functools.cached_property
    def reads(self) -> dict[str, set[int]]:
        """The lines that read each name or attribute."""
        found: dict[str, set[int]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.setdefault(node.id, set()).add(node.lineno)
            elif isinstance(node, ast.Attribute):
                found.setdefault(node.attr, set()).add(node.lineno)
        return found

    def line(self, offset: int) -> int:
        """Line number (from 1) of a character offset."""
        return bisect_right(self._starts, offset)

    def replaced(self, start: int, end: int, new: str) -> str:
        """The text with one span replaced."""
        return self.text[:start] + new + self.text[end:]

    def encoded(self, text: str) -> bytes | None:
        """Bytes of a changed text in the file's own encoding, or None if it cannot say it."""
        try:
            return text.encode(self.encoding)
        except UnicodeError:
            return None
