"""The one glob matcher: gitwildmatch patterns, the dialect of `.gitignore`, over POSIX paths. Knows no file system."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence

import pathspec

__all__ = ["Globs", "is_exact", "matching"]


class Globs:
    """A set of patterns over POSIX paths relative to the target's top level.

    A pattern with a slash is anchored at the top level, one without matches at any depth, `!` takes back.
    `exact` are the patterns that name one file; such a file may be absent still. Raises ValueError for a pattern
    that makes no sense.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns: tuple[str, ...] = tuple(patterns)
        with warnings.catch_warnings():
            # The pattern becomes a regular expression, and `[[` in one is about to mean something else; not here.
            warnings.simplefilter("ignore", FutureWarning)
            try:
                self._spec = pathspec.GitIgnoreSpec.from_lines(self.patterns)
            except re.error as error:
                raise ValueError(f"not a pattern: {error}") from error
        self.exact: tuple[str, ...] = tuple(
            pattern.removeprefix("/") for pattern in self.patterns if is_exact(pattern.removeprefix("/"))
        )

    def __repr__(self) -> str:
        return f"Globs({list(self.patterns)!r})"

    def matches(self, path: str) -> bool:
        """Whether the last pattern that speaks of this path includes it."""
        return bool(self.decides(path))

    def decides(self, path: str) -> bool | None:
        """What the last pattern that speaks of this path says: True, False for one with `!`, None if none does."""
        return self._spec.check_file(path).include

    def select(self, paths: Iterable[str]) -> list[str]:
        """The paths that match, in their order."""
        return [path for path in paths if self.matches(path)]


def matching(patterns: Iterable[str], paths: Sequence[str]) -> tuple[str, ...]:
    """The paths that the patterns match, in order. Raises ValueError for a pattern that makes no sense."""
    return tuple(Globs(patterns).select(paths))


def is_exact(pattern: str) -> bool:
    """Whether a pattern names one file, which may still have to be created.

    A leading slash anchors a pattern at the top level; such a one is no invitation to create a file, because it is
    also how an absolute path looks.
    """
    return bool(pattern.strip()) and pattern[0] not in "/#!" and pattern[-1] != "/" and not set(pattern) & set("*?[\\")
