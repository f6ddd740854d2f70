"""Pytest plug-ins that are only installed because Maabarium is, and that nothing here speaks of.

httpx brings anyio, and hypothesis brings itself; loading the two takes as long as the rest of pytest. A suite that
uses one names it somewhere: in an import, a marker, an option or a fixture.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["surplus_plugins"]

BROUGHT = {"anyio": b"anyio", "hypothesispytest": b"hypothesis"}
"""Plug-in, and the word without which nobody uses it."""
SPOKEN = (".py", ".toml", ".ini", ".cfg")


def surplus_plugins(top: Path, apart_from: Iterable[str], rules: Iterable[bytes]) -> tuple[str, ...]:
    """Names of the plug-ins that neither the tree below `top` nor the rules name, for `-p no:NAME`.

    `apart_from` are the files that an experiment may change, relative to `top`: they do not decide how they are
    graded, and what is left is the same in all trees of a run.
    """
    left = dict(BROUGHT)
    for content in _contents(top, frozenset(apart_from), rules):
        left = {name: word for name, word in left.items() if word not in content}
        if not left:
            break
    return tuple(left)


def _contents(top: Path, apart_from: frozenset[str], rules: Iterable[bytes]) -> Iterator[bytes]:
    yield from rules
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in (".git", "__pycache__")]
        for name in files:
            path = Path(folder, name)
            if name.endswith(SPOKEN) and path.is_file() and path.relative_to(top).as_posix() not in apart_from:
                yield path.read_bytes()
