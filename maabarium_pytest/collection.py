"""What a session finds: blueprints, whose items are report slots (`experiment[0]` to `experiment[n]`), and conftests.

A slot holds nothing and runs nothing: the session fills it with an outcome. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from maabarium.code.python_file import parse_strictly
from maabarium.errors import PluginError

__all__ = ["BlueprintFile", "Collection", "Slot", "conftests_above"]


class Slot(pytest.Item):
    """The place of one experiment in pytest's reports."""

    number: int

    def runtest(self) -> None:
        """Never called: the session answers the whole protocol of a slot."""
        raise AssertionError("a slot is filled by the session that drives the run")

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the slot is: the blueprint, no line."""
        return self.path, None, self.name


class BlueprintFile(pytest.File):
    """A blueprint with one slot for the baseline and one for each experiment that its run may make."""

    max_iterations: int

    def collect(self) -> Iterator[Slot]:
        """All slots in order."""
        for number in range(self.max_iterations + 1):
            slot: Slot = Slot.from_parent(self, name=f"experiment[{number}]")
            slot.number = number
            yield slot


class Collection:
    """Collects exactly the blueprints that were named, wherever they are. `slots`: path -> highest number."""

    def __init__(self, slots: Mapping[Path, int]) -> None:
        self._slots = {path.absolute(): count for path, count in slots.items()}
        self._folders = {folder for path in self._slots for folder in path.parents}

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool:
        """Nothing but the blueprints and the folders that lead to them."""
        return collection_path not in self._slots and collection_path not in self._folders

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector:
        """A plain folder, even where an `__init__.py` makes it a package: nothing is imported."""
        folder: pytest.Dir = pytest.Dir.from_parent(parent, path=path)
        return folder

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> BlueprintFile | None:
        """The blueprint at this path, if it is one that was named."""
        if file_path not in self._slots:
            return None
        file: BlueprintFile = BlueprintFile.from_parent(parent, path=file_path)
        file.max_iterations = self._slots[file_path]
        return file


def conftests_above(blueprint: Path, root: Path) -> list[ModuleType]:
    """Load the conftest files with `maabarium_` hooks from `root` down to the blueprint's folder. Raises PluginError.

    Others are not loaded: they are the suite's business, and may need what only the target's interpreter has.
    """
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
