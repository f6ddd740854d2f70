"""The text of one Python file with a way from syntax tree positions to characters and back to exact bytes.

Knows nothing of tests, operators or proposals. Line endings, byte order mark and encoding survive an edit.
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

__all__ = ["Source", "parse"]

_NEWLINE = re.compile(r"\r\n|\r|\n")
_LARGEST = 1_000_000
"""Characters above which a file is passed over: parsing it would cost more than an evaluation."""


def parse(text: str) -> ast.Module | None:
    """The syntax tree of a text, or None if it does not parse; warnings about the text are nobody's business here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


class Source:
    """One parsed file. `Source.of` gives None for content that cannot be edited safely."""

    def __init__(self, text: str, encoding: str, tree: ast.Module) -> None:
        self.text = text
        self.encoding = encoding
        self.tree = tree
        self.ascii = text.isascii()
        self.starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]

    @classmethod
    def of(cls, content: bytes) -> Source | None:
        """Decode and parse; None if the bytes are no Python, are huge, or would not survive a round trip."""
        if len(content) > _LARGEST:
            return None
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            text = content.decode(encoding)
            if text.encode(encoding) != content:
                return None
        except (SyntaxError, UnicodeError, LookupError):
            return None
        tree = parse(text)
        return None if tree is None else cls(text, encoding, tree)

    def offset(self, line: int, column: int) -> int:
        """Character offset of a tree position (line from 1, column in UTF-8 bytes)."""
        start = self.starts[line - 1]
        if self.ascii:
            return start + column
        end = self.starts[line] if line < len(self.starts) else len(self.text)
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

    def line(self, offset: int) -> int:
        """Line number (from 1) of a character offset."""
        return bisect_right(self.starts, offset)

    def replaced(self, start: int, end: int, new: str) -> str:
        """The text with one span replaced."""
        return self.text[:start] + new + self.text[end:]

    def encoded(self, text: str) -> bytes | None:
        """Bytes of a changed text in the file's own encoding, or None if it cannot say it."""
        try:
            return text.encode(self.encoding)
        except UnicodeError:
            return None
