"""Counts that show whether the house stays in order: `python tools/house.py [--installed] [FOLDER]`.

Prints one table: modules, lines, median and largest module, class names that are defined twice, and modules under 80
lines with one importer in the same folder. `--list` names the offenders. `--installed` also makes a new virtual
environment, installs the project as users do and says how many packages and MB that takes, and how long
`maabarium --help` imports; that needs the package registry and a minute or two. `tests/test_layers.py` counts by the
same functions and sets the limits.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PACKAGES = ("maabarium", "maabarium_pytest")
SMALL = 80


def find_modules(root: Path) -> dict[str, Path]:
    """Every module of both packages by its dotted name; a package counts by its `__init__`."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = list(path.relative_to(root).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@dataclass(frozen=True)
class Import:
    """One imported module, where, and whether a function hides it."""

    importer: str
    name: str
    line: int
    hidden: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.name}"


def imports_of(name: str, path: Path, modules: Mapping[str, Path]) -> Iterator[Import]:
    """All imports of a module; `from package import submodule` counts as an import of the submodule."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node, hidden in _walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(name, alias.name, node.lineno, hidden) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(name, full if full in modules else base, node.lineno, hidden)


def _walk(node: ast.AST, hidden: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        inside = hidden or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield child, inside
        yield from _walk(child, inside)


def doubled_classes(modules: Mapping[str, Path]) -> dict[str, list[str]]:
    """Class names that are defined more than once -> the modules that define them."""
    where = defaultdict[str, list[str]](list)
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(name)
    return {name: found for name, found in sorted(where.items()) if len(found) > 1}


def lonely_modules(modules: Mapping[str, Path]) -> dict[str, str]:
    """Modules under 80 lines with exactly one importer, which stands in the same folder -> that importer."""
    importers = defaultdict[str, set[str]](set)
    for name, path in modules.items():
        for found in imports_of(name, path, modules):
            if found.name != name:
                importers[found.name].add(name)
    lonely = {}
    for name, path in modules.items():
        if path.name == "__init__.py" or length_of(path) >= SMALL or len(importers[name]) != 1:
            continue
        (importer,) = importers[name]
        if modules[importer].parent == path.parent:
            lonely[name] = importer
    return lonely


def length_of(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def count(root: Path) -> dict[str, str]:
    """The table of what the sources alone show."""
    modules = find_modules(root)
    lengths = {name: length_of(path) for name, path in modules.items()}
    largest = max(lengths, key=lambda name: lengths[name])
    core = sum(length for name, length in lengths.items() if name.split(".")[0] == "maabarium")
    return {
        "modules": str(len(modules)),
        "lines": f"{sum(lengths.values())} ({core} in maabarium/)",
        "median module": f"{median(lengths.values()):.0f}",
        "largest module": f"{lengths[largest]} ({largest})",
        "class names defined twice": str(len(doubled_classes(modules))),
        "small modules with one importer beside them": str(len(lonely_modules(modules))),
    }


def count_installed(root: Path) -> dict[str, str]:
    """What `pip install` brings into a new environment, and what `maabarium --help` imports there."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "venv", "bin", "python")
        subprocess.run([sys.executable, "-m", "venv", Path(folder, "venv")], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-e", root], check=True)
        listed = subprocess.run([python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True)
        size = subprocess.run(["du", "-sm", Path(folder, "venv")], check=True, capture_output=True, text=True)
        return {
            "installed packages": str(len(listed.stdout.splitlines())),
            "size of the environment": f"{size.stdout.split()[0]} MB",
            "imports of maabarium --help": f"{import_time(python):.0f} ms",
        }


def import_time(python: Path) -> float:
    """Milliseconds that `maabarium --help` spends importing what is not the standard library; least of five."""
    stdlib = sys.stdlib_module_names
    command = [python, "-X", "importtime", "-m", "maabarium", "--help"]
    best = float("inf")
    for _ in range(5):
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        spent = 0
        for line in said.splitlines():
            own, _, name = (part.strip() for part in line.removeprefix("import time:").split("|"))
            if own.isdecimal() and name.split(".")[0] not in stdlib:
                spent += int(own)
        best = min(best, spent / 1000)
    return best


def main() -> int:
    """Print the table; with `--list` also who the offenders are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1], metavar="FOLDER")
    parser.add_argument("--installed", action="store_true", help="also install into a new environment and measure it")
    parser.add_argument("--list", action="store_true", help="name the doubled classes and the small modules")
    asked = parser.parse_args()
    rows = count(asked.folder) | (count_installed(asked.folder.resolve()) if asked.installed else {})
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:{width}}  {value}")
    if asked.list:
        modules = find_modules(asked.folder)
        for name, where in doubled_classes(modules).items():
            print(f"class {name}: {', '.join(where)}")
        for name, importer in lonely_modules(modules).items():
            print(f"small {name} ({length_of(modules[name])} lines), only for {importer}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
