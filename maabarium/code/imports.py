"""Who imports a Python file of the tree, and what it imports: found when asked, by text first and syntax second.

Modules are matched by the ends of their dotted names, so that it does not matter which folder is on the path.
Imports that are computed at run time are not seen.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from maabarium.code.tree import LARGE, CodeTree

__all__ = ["Imports"]

_LINE = re.compile(rb"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]+([^\n#]*)|import[ \t]+([^\n#]+))", re.M)
_SCANNED = 4_000
"""Files that are searched for imports."""
_SCANNED_BYTES = 32_000_000
_PARSED = 12
"""Importers that are parsed for one file."""
_FOLLOWED = 60
"""Files that are followed from import to import."""


class Imports:
    """The import graph of a tree's Python files."""

    def __init__(self, tree: CodeTree) -> None:
        self._tree = tree
        self._modules: dict[str, list[str]] = {}
        for path in tree.paths:
            for name in _dotted_ends(path):
                self._modules.setdefault(name, []).append(path)

    def centrality(self, paths: Sequence[str]) -> Counter[str]:
        """How many of these files import each file of the tree, as far as their import lines say."""
        found: Counter[str] = Counter()
        for path in self._searched(paths):
            names = {name for match in _LINE.finditer(self._tree.content(path)) for name in _names_in(match)}
            found.update({target for name in names if (target := self._resolve(name, path)) and target != path})
        return found

    def importers(self, path: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Files that import this one, near ones first and tests last, with the names by which they know it."""
        ends = list(_dotted_ends(path))
        if not ends:
            return
        stem = ends[0].encode()
        near = [other for other in self._searched(self._tree.paths) if other != path]
        near = [other for other in near if stem in self._tree.content(other)]
        near.sort(key=lambda other: (_is_test(other), -_shared(path, other), other))
        tried = 0
        for other in near:
            if not self._may_import(other, path):
                continue
            names = self._known_as(other, path)
            tried += 1
            if names:
                yield other, names
            if tried >= _PARSED:
                return

    def imported(self, path: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Files of the tree that this one imports, with the names that it takes from them (`*`: the module)."""
        found: dict[str, set[str]] = {}
        for node in _statements(self._tree.tree(path)):
            for module, name in _imports(node):
                target = self._resolve(_within(module, name), path)
                taken = name if name and not target else "*"
                target = target or self._resolve(module, path)
                if target and target != path:
                    found.setdefault(target, set()).add(taken)
        yield from ((target, frozenset(names)) for target, names in found.items())

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

    def _may_import(self, path: str, target: str) -> bool:
        """Whether the import lines may mean the target; what stands in brackets on further lines is not looked at."""
        for match in _LINE.finditer(self._tree.content(path)):
            if match[2] and match[2].rstrip().endswith((b"(", b",", b"\\")):
                return True
            if any(self._resolve(name, path) == target for name in _names_in(match)):
                return True
        return False

    def _known_as(self, path: str, target: str) -> frozenset[str]:
        """The names that a file binds by importing the target or things out of it."""
        names: set[str] = set()
        for node in _statements(self._tree.tree(path)):
            for module, name in _imports(node):
                if isinstance(node, ast.Import):
                    if self._resolve(module, path) == target:
                        names.add(next(a.asname or a.name.rpartition(".")[2] for a in node.names if a.name == module))
                elif target in (self._resolve(_within(module, name), path), self._resolve(module, path)):
                    names.add(name)
        return frozenset(names)

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


def _names_in(match: re.Match[bytes]) -> Iterator[str]:
    """Module names that an import line may mean."""
    if match[3]:
        for piece in match[3].split(b","):
            words = piece.split()
            if words:
                yield words[0].decode("utf-8", "replace")
        return
    module = match[1].decode("utf-8", "replace")
    yield module
    for piece in match[2].strip(b" ()\t").split(b","):
        words = piece.split()
        if words:
            name = words[0].decode("utf-8", "replace")
            yield _within(module, name)


def _statements(tree: ast.AST | None) -> Iterator[ast.AST]:
    """All statements below a node; expressions, of which there are many more, hold no import."""
    waiting = [tree] if tree is not None else []
    while waiting:
        node = waiting.pop()
        yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            below = getattr(node, field, None)
            if isinstance(below, list):
                waiting.extend(below)


def _imports(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of an import statement; `import a.b` gives (a.b, "")."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        yield from ((module, alias.name) for alias in node.names)


def _within(module: str, name: str) -> str:
    """The dotted name of something in a module, which may be relative."""
    return f"{module}.{name}" if module.strip(".") else module + name


def _shared(one: str, two: str) -> int:
    """How many folders two paths have in common from the top."""
    count = 0
    for a, b in zip(one.split("/")[:-1], two.split("/")[:-1], strict=False):
        if a != b:
            break
        count += 1
    return count


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("test_") or name.endswith("_test.py") or "/tests/" in f"/{path}"
