"""The files of one tree, read and parsed once and only when asked for, and who imports what among them."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, takewhile

from maabarium.code.python_file import parse

__all__ = ["LARGE", "CodeTree", "Imports"]

LARGE = 300_000
"""Bytes above which a file is not parsed: that takes a second for each megabyte or so."""
_REMEMBERED = 64_000_000
_PYTHON = (".py", ".pyi", ".pyw")

_STATEMENT = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]*import[ \t]*(?:\(([^()]*)\)|([^\n(;]*))|import[ \t]+([^\n(;]+))", re.M
)
_COMMENT = re.compile(r"#[^\n]*")
_SCANNED = 4_000
"""Files that are searched for imports."""
_SCANNED_BYTES = 32_000_000
_IMPORTERS = 12
"""Importers that are looked for."""
_FOLLOWED = 60
"""Files that are followed from import to import."""


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


class Imports:
    """The import graph of a tree's Python files."""

    def __init__(self, tree: CodeTree) -> None:
        self._tree = tree
        self._modules: dict[str, list[str]] = {}
        for path in tree.paths:
            for name in _dotted_ends(path):
                self._modules.setdefault(name, []).append(path)

    def centrality(self, paths: Sequence[str]) -> Counter[str]:
        """How many of these files import each file of the tree."""
        found: Counter[str] = Counter()
        for path in self._searched(paths):
            named = {part for module, name, _ in self._named(path) for part in (module, _within(module, name))}
            found.update({target for part in named if (target := self._resolve(part, path)) and target != path})
        return found

    def importers(self, path: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Files that import this one, near ones first and tests last, with the names by which they know it."""
        stem = next(_dotted_ends(path), "").encode()
        near = [other for other in self._searched(self._tree.paths) if stem and stem in self._tree.content(other)]
        near.sort(key=lambda other: (_is_test(other), -_shared(path, other), other))
        names = ({known for target, _, known in self._targets(other) if target == path} - {""} for other in near)
        found = ((other, frozenset(own)) for other, own in zip(near, names, strict=True) if own)
        yield from islice(found, _IMPORTERS)

    def imported(self, path: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Files of the tree that this one imports, with the names that it takes from them (`*`: the module)."""
        found: dict[str, set[str]] = {}
        for target, taken, _ in self._targets(path):
            found.setdefault(target, set()).add(taken)
        yield from ((target, frozenset(names)) for target, names in found.items())

    def _targets(self, path: str) -> Iterator[tuple[str, str, str]]:
        """Each file that is imported, what is taken from it (`*`: the module), and the name by which that is known."""
        for module, name, alias in self._named(path):
            inner = self._resolve(_within(module, name), path) if name else ""
            target = inner or self._resolve(module, path)
            if target and target != path:
                yield target, name if name and not inner else "*", name or alias

    def _named(self, path: str) -> Iterator[tuple[str, str, str]]:
        """Module, name and alias of all that is imported, last ones first; `import a.b as c` gives (a.b, "", c)."""
        text = self._tree.content(path).decode("utf-8", "replace").replace("\\\n", " ")
        for match in reversed(list(_STATEMENT.finditer(text))):
            for piece in _COMMENT.sub("", match[2] or match[3] or match[4] or "").split(","):
                name, *rest = piece.split() or [""]
                if match[1]:
                    yield match[1], name, ""
                elif name:
                    yield name, "", rest[1] if len(rest) > 1 else name.rpartition(".")[2]

    def reached(self, paths: Iterable[str]) -> list[str]:
        """These files, what they import, and what that imports, nearest first, up to a bounded number."""
        seen = dict.fromkeys(paths)
        waiting = list(seen)
        while waiting and len(seen) < _FOLLOWED:
            for target, _ in self.imported(waiting.pop(0)):
                if target not in seen:
                    seen[target] = None
                    waiting.append(target)
        return list(seen)

    def _searched(self, paths: Iterable[str]) -> Iterator[str]:
        """The Python files among these, up to a bounded number and size."""
        size = count = 0
        for path in paths:
            if not path.endswith(".py"):
                continue
            count += 1
            if count > _SCANNED or size > _SCANNED_BYTES:
                return
            length = len(self._tree.content(path))
            if length <= LARGE:
                size += length
                yield path

    def _resolve(self, name: str, importer: str) -> str:
        """The file that a module name means; of several, the one that shares most folders with the importer."""
        if name.startswith("."):
            depth = len(name) - len(name.lstrip("."))
            folders = importer.split("/")[:-1]
            if depth - 1 > len(folders):
                return ""
            folders = folders[: len(folders) - depth + 1]
            rest = name.lstrip(".").split(".") if name.strip(".") else []
            base = "/".join([*folders, *rest])
            return next((p for p in (f"{base}.py", f"{base}/__init__.py".lstrip("/")) if p in self._tree), "")
        known = () if name in sys.stdlib_module_names else self._modules.get(name, ())
        return max(known, key=lambda path: (_shared(path, importer), -len(path)), default="")


def _dotted_ends(path: str) -> Iterator[str]:
    """`a/b/c.py` is known as c, b.c and a.b.c, shortest first; a package by its folder."""
    if not path.endswith(".py"):
        return
    parts = path[:-3].split("/")
    if parts[-1] == "__init__":
        parts.pop()
    for start in range(len(parts) - 1, -1, -1):
        if not parts[start].isidentifier():
            return
        yield ".".join(parts[start:])


def _within(module: str, name: str) -> str:
    """The dotted name of something in a module, which may be relative."""
    return f"{module}.{name}" if name and module.strip(".") else module + name


def _shared(one: str, two: str) -> int:
    """How many folders two paths have in common from the top."""
    pairs = zip(one.split("/")[:-1], two.split("/")[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("test_") or name.endswith("_test.py") or "/tests/" in f"/{path}"
