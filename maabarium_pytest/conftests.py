"""Hooks of Maabarium in the conftest files above a blueprint.

Only files that define a function named `maabarium_...` are loaded: any other conftest is the suite's business and
may need what only the target's interpreter has. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from maabarium.code.python_file import parse_strictly
from maabarium.errors import PluginError

__all__ = ["conftests_above"]


def conftests_above(blueprint: Path, root: Path) -> list[ModuleType]:
    """Load the conftest files with hooks from `root` down to the blueprint's folder. Raises PluginError."""
    folder = blueprint.resolve().parent
    folders = [one for one in (folder, *folder.parents) if one == root or root in one.parents]
    files = [one / "conftest.py" for one in reversed(folders)]
    return [_load(file) for file in files if file.is_file() and _has_hooks(file)]


def _has_hooks(file: Path) -> bool:
    try:
        source = file.read_bytes()
        if b"maabarium_" not in source:
            return False
        tree = parse_strictly(source)
    except (OSError, SyntaxError) as error:
        raise PluginError(f"{file} cannot be read: {error}") from error
    return any(isinstance(node, ast.FunctionDef) and node.name.startswith("maabarium_") for node in tree.body)


def _load(file: Path) -> ModuleType:
    name = f"maabarium_conftest_{hashlib.sha256(str(file).encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None:
        raise PluginError(f"{file} cannot be loaded")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the checkout stays as it is
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(
            f"{file} has maabarium hooks but cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.dont_write_bytecode = before
    return module
