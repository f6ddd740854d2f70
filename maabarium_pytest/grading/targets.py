"""The target's files in a checked-out tree: which match the blueprint, and under which names they are imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from maabarium.blueprint.globs import matching

__all__ = ["TargetFiles", "find_targets", "hiding", "import_path", "module_names"]

INIT = "__init__.py"


@dataclass(frozen=True)
class TargetFiles:
    """Python files that may be changed, as paths relative to the tree's top level, sorted."""

    top: Path
    paths: tuple[str, ...]

    @property
    def absolute(self) -> list[str]:
        """The same as absolute paths, in the same order."""
        return [str(self.top / path) for path in self.paths]


def find_targets(top: Path, patterns: Iterable[str]) -> TargetFiles:
    """Python files below `top` that match the globs. Hidden folders and symlinks are not followed."""
    found = []
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if name not in (".git", "__pycache__"))
        prefix = Path(folder).relative_to(top)
        for name in files:
            path = (prefix / name).as_posix()
            if name.endswith(".py") and not (top / path).is_symlink():
                found.append(path)
    return TargetFiles(top, matching(patterns, sorted(found)))


def import_path(root: Path, targets: TargetFiles) -> list[str]:
    """Folders that go first on `sys.path`: the root, its `src`, the tree's top, and the packages' own folders. One that
    is a package itself is imported by its name from the folder above."""
    folders = [_importing(folder) for folder in (root, root / "src", targets.top)]
    folders += [_package_root(targets.top, path) for path in targets.paths]
    return list(dict.fromkeys(str(folder) for folder in folders if folder.is_dir()))


def hiding(folders: Iterable[str]) -> list[str]:
    """Those of the folders that hold a module with the name of one of the standard library: they must not come first
    where pytest would not put them first."""
    return [folder for folder in folders if any(_hides(entry) for entry in os.scandir(folder))]


def _hides(entry: os.DirEntry[str]) -> bool:
    name, dot, ending = entry.name.partition(".")
    if name not in sys.stdlib_module_names:
        return False
    return ending == "py" if dot else os.path.exists(os.path.join(entry.path, INIT))  # noqa: PTH110, PTH118


def module_names(root: Path, targets: TargetFiles) -> dict[str, str]:
    """Dotted names under which target files are expected in `sys.modules`, and the file each name belongs to. A name of
    the standard library says nothing: who imports it may mean that."""
    names: dict[str, str] = {}
    bases = [_importing(folder) for folder in (root, root / "src")]
    for path in targets.paths:
        absolute = targets.top / path
        for base in (*bases, _package_root(targets.top, path)):
            if absolute.is_relative_to(base):
                parts = list(absolute.relative_to(base).with_suffix("").parts)
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                known = parts and parts[0] in sys.stdlib_module_names
                if parts and not known and all(part.isidentifier() for part in parts):
                    names.setdefault(".".join(parts), path)
    return names


def _package_root(top: Path, path: str) -> Path:
    """The folder that must be on `sys.path` for this file to be imported by its package's name."""
    folder = (top / path).parent
    if not (folder / INIT).is_file():
        return top
    while folder != top and (folder / INIT).is_file():
        folder = folder.parent
    return _importing(folder)


def _importing(folder: Path) -> Path:
    """The folder itself, or where it is a package the one above, from which it is imported by its name."""
    return folder.parent if (folder / INIT).is_file() else folder
