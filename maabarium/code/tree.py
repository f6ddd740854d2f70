"""The files of one tree, read and parsed once and only when asked for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence

from maabarium.code.python_file import parse

__all__ = ["LARGE", "CodeTree"]

LARGE = 300_000
"""Bytes above which a file is not parsed: that takes a second for each megabyte or so."""
_REMEMBERED = 64_000_000
_PYTHON = (".py", ".pyi", ".pyw")


class CodeTree:
    """Contents and syntax trees by path. `read` gives a file's bytes and raises KeyError; not for threads."""

    def __init__(self, paths: Iterable[str], read: Callable[[str], bytes]) -> None:
        self.paths: Sequence[str] = tuple(paths)
        self._known = frozenset(self.paths)
        self._read = read
        self._bytes: dict[str, bytes] = {}
        self._size = 0
        self._trees: dict[str, ast.Module | None] = {}
        self._by_name: dict[str, list[str]] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._known

    def content(self, path: str) -> bytes:
        """The bytes of a file; empty when it is gone."""
        found = self._bytes.get(path)
        if found is None:
            try:
                found = self._read(path)
            except KeyError:
                found = b""
            if self._size + len(found) <= _REMEMBERED:
                self._bytes[path] = found
                self._size += len(found)
        return found

    def tree(self, path: str) -> ast.Module | None:
        """The syntax tree; None for what is not Python, is large, does not parse, or counts lines by `\\r`."""
        if path not in self._trees:
            content = self.content(path) if path.endswith(_PYTHON) else b""
            usual = 0 < len(content) <= LARGE and b"\r" not in content.replace(b"\r\n", b"\n")
            self._trees[path] = parse(content) if usual else None
        return self._trees[path]

    def find(self, path: str) -> str:
        """The file that an id or a traceback means: exact, or the one with the longest common end; else empty."""
        path = path.replace("\\", "/")
        if path in self._known:
            return path
        if not self._by_name:
            for known in self.paths:
                self._by_name.setdefault(known.rpartition("/")[2], []).append(known)
        alike = sorted(self._by_name.get(path.rpartition("/")[2], ()), key=len)
        longer = [known for known in alike if known.endswith(f"/{path}")]
        shorter = [known for known in reversed(alike) if path.endswith(f"/{known}")]
        return next(iter(longer or shorter), "")
