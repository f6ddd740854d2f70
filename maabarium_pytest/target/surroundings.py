"""Facts about the process it runs in: interpreter, packages, where modules came from, statement coverage."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from functools import lru_cache
from os import listdir
from os.path import realpath
from typing import Any


def packages(path: Iterable[str]) -> list[str]:
    """`name-version` of all installed distributions, read from folder names (1 ms; metadata would cost 40)."""
    found = set()
    for entry in path:
        try:
            names = listdir(entry or ".")  # noqa: PTH208
        except OSError:
            continue
        found |= {name.rsplit(".", 1)[0] for name in names if name.endswith((".dist-info", ".egg-info"))}
    return sorted(found)


@lru_cache(None)
def interpreter() -> dict[str, Any]:
    """Who interprets, on what machine; as it was when it was asked first."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": platform.machine(),
        "system": platform.system(),
    }


def origins(names: Iterable[str]) -> list[list[str]]:
    """Where those of the named modules that are loaded came from: `[name, real path]`."""
    found = []
    for name in names:
        module = sys.modules.get(name)
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            found.append([name, realpath(path)])
    return found


def start_coverage(files: list[str]) -> Any:
    """A running `coverage.Coverage` limited to these files, or None when the package is absent."""
    try:
        import coverage
    except ImportError:
        return None
    measuring = coverage.Coverage(data_file=None, config_file=False, include=files, messages=False)
    measuring.start()
    return measuring


def statements(measuring: Any, files: list[str]) -> list[list[int]]:
    """`[file index, statements, missing]` of each file; files that were never imported count as missing."""
    measuring.stop()
    rows = []
    for number, path in enumerate(files):
        try:
            _, executable, _, missing, _ = measuring.analysis2(path)
        except Exception:  # noqa: BLE001 (coverage's own error types; a file that does not parse has no number)
            continue
        rows.append([number, len(executable), len(missing)])
    return rows
