"""The first file of an evaluated process: makes this folder importable as a package of its own, then hands over.

Started as a script. It keeps its folder off `sys.path`, so that no module name of ours can hide one of the target.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

PACKAGE = "maabarium_target"


def load_package(name: str, folder: str) -> None:
    """Make the package in a folder importable under another name, without its folder on the path."""
    spec = importlib.util.spec_from_file_location(
        name,
        os.path.join(folder, "__init__.py"),  # noqa: PTH118
        submodule_search_locations=[folder],
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"cannot load {folder}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Run the module named by the first argument (`session`, `server` or `probe`) with the remaining ones."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 (pathlib costs 5 ms here)
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]  # noqa: PTH100
    load_package(PACKAGE, here)
    importlib.import_module(f"{PACKAGE}.{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__":
    main()
