"""Which paths the tree's own `.gitignore` files exclude. Knows patterns, reads only those files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from maabarium.blueprint.globs import Globs

__all__ = ["Ignored"]

_LONGEST = 2000
"""Lines of one `.gitignore` that are looked at."""


class Ignored:
    """Tells whether a path is ignored: nearer files speak after those further up, as in git."""

    def __init__(self, paths: Iterable[str], read: Callable[[str], bytes]) -> None:
        self._files = {path.removesuffix(".gitignore"): path for path in paths if _is_ignore_file(path)}
        self._read = read
        self._parsed: dict[str, tuple[Globs, Globs | None]] = {}

    def __call__(self, path: str) -> bool:
        """Whether the path, or a folder above it, is excluded."""
        if not self._files:
            return False
        verdict = False
        folders = [""] + [path[: index + 1] for index, letter in enumerate(path) if letter == "/"]
        for folder in folders:
            if folder in self._files:
                rest = path[len(folder) :]
                if folder not in self._parsed:
                    self._parsed[folder] = self._globs(folder)
                positive, negative = self._parsed[folder]
                if positive.matches(rest):
                    verdict = True
                elif verdict and negative is not None and negative.matches(rest):
                    verdict = False
        return verdict

    def _globs(self, folder: str) -> tuple[Globs, Globs | None]:
        """The patterns of one file, and what its negations take back from files further up."""
        text = self._read(self._files[folder]).decode("utf-8", "replace")
        patterns = [line for line in text.splitlines()[:_LONGEST] if line.strip() and not line.startswith("#")]
        kept = [line for line in patterns if _makes_sense(line)]
        back = [line[1:] for line in kept if line.startswith("!") and _makes_sense(line[1:])]
        return Globs(kept), Globs(back) if back else None


def _is_ignore_file(path: str) -> bool:
    return path == ".gitignore" or path.endswith("/.gitignore")


def _makes_sense(pattern: str) -> bool:
    try:
        Globs([pattern])
    except (ValueError, re.error):
        return False
    return True
