"""What a project's packaging files say about its name and its sources; nothing of it is run.

Reads the tables of setuptools, Poetry, Flit, Hatch and PDM in `pyproject.toml`, then `setup.cfg`, then the literal
arguments of `setup()` in `setup.py`. What is computed there is not known here.
"""

from __future__ import annotations

import ast
import configparser
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maabarium.code.python_file import parse

__all__ = ["Metadata", "read_metadata"]

_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Metadata:
    """`roots` are folders that hold the packages (`src`, `lib`); `packages` are those listed by name."""

    name: str = ""
    roots: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


def read_metadata(root: Path) -> Metadata:
    """Merge what the packaging files say; the first that names a thing wins. Never raises."""
    found = [
        _pyproject(_text(root / "pyproject.toml")),
        _cfg(_text(root / "setup.cfg")),
        _setup(_text(root / "setup.py")),
    ]
    return Metadata(
        name=next((one.name for one in found if one.name), ""),
        roots=next((one.roots for one in found if one.roots), ()),
        packages=next((one.packages for one in found if one.packages), ()),
    )


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return ""


def _pyproject(text: str) -> Metadata:
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError):
        return Metadata()
    setuptools = _table(data, "tool", "setuptools")
    poetry = _table(data, "tool", "poetry")
    flit = _table(data, "tool", "flit", "module") or _table(data, "tool", "flit", "metadata")
    wheel = _table(data, "tool", "hatch", "build", "targets", "wheel")
    included = [entry for entry in _list(poetry.get("packages")) if isinstance(entry, Mapping)]
    name = _table(data, "project").get("name") or poetry.get("name") or flit.get("name") or flit.get("module")
    roots = [
        *_strings(_table(setuptools, "packages", "find").get("where")),
        *_strings([_table(setuptools, "package-dir").get("")]),
        *_strings([entry.get("from") for entry in included]),
        *_strings([_table(data, "tool", "pdm", "build").get("package-dir")]),
    ]
    packages = [
        *_strings(setuptools.get("packages")),
        *_strings(setuptools.get("py-modules")),
        *_strings([entry.get("include") for entry in included]),
    ]
    hatch = [path.strip("/").rpartition("/") for path in _strings(wheel.get("packages"))]
    roots += [folder for folder, _, _ in hatch if folder]
    packages += [last for _, _, last in hatch]
    return Metadata(_string(name), _plain(roots), _plain(packages))


def _cfg(text: str) -> Metadata:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except (configparser.Error, ValueError):
        return Metadata()
    listed = _lines(parser.get("options", "packages", fallback="")) + _lines(
        parser.get("options", "py_modules", fallback="")
    )
    pairs = [line.partition("=") for line in _lines(parser.get("options", "package_dir", fallback=""))]
    roots = [folder.strip() for package, _, folder in pairs if not package.strip()]
    roots += _lines(parser.get("options.packages.find", "where", fallback=""))
    packages = [name for name in listed if "find" not in name.partition(":")[0]]
    return Metadata(parser.get("metadata", "name", fallback="").strip(), _plain(roots), _plain(packages))


def _setup(text: str) -> Metadata:
    tree = parse(text)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and _called(node) == "setup":
            given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            folders = _literal(given.get("package_dir"))
            roots = [folders.get("")] if isinstance(folders, Mapping) else []
            packages = [*_list(_literal(given.get("packages"))), *_list(_literal(given.get("py_modules")))]
            name = _string(_literal(given.get("name")))
            return Metadata(name, _plain(_strings(roots)), _plain(_strings(packages)))
    return Metadata()


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _literal(node: ast.expr | None) -> Any:
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _table(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        inner = data.get(key)
        if not isinstance(inner, Mapping):
            return {}
        data = inner
    return data


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _strings(value: object) -> list[str]:
    return [entry for entry in _list(value) if isinstance(entry, str)]


def _string(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()]


def _plain(names: list[str]) -> tuple[str, ...]:
    """Names that stay inside the project and need no escaping, each once, without the project itself."""
    kept = (name.strip("/ ").removeprefix("./") for name in names)
    return tuple(dict.fromkeys(name for name in kept if name not in ("", ".") and ".." not in name and "*" not in name))
