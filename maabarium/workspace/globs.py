"""The one glob matcher: gitwildmatch patterns, the dialect of `.gitignore`. Knows no file system."""

from __future__ import annotations

from collections.abc import Iterable

import pathspec

__all__ = ["Globs"]


class Globs:
    """A set of patterns over POSIX paths.

    A pattern with a slash is anchored at the top level, one without matches at any depth, `!` takes back.
    `exact` are the patterns that name one file; such a file may be absent still.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns: tuple[str, ...] = tuple(patterns)
        self._spec = pathspec.GitIgnoreSpec.from_lines(self.patterns)
        self.exact: tuple[str, ...] = tuple(
            pattern.removeprefix("/") for pattern in self.patterns if pattern.strip() and not _is_wild(pattern)
        )

    def __repr__(self) -> str:
        return f"Globs({list(self.patterns)!r})"

    def matches(self, path: str) -> bool:
        """Whether the last pattern that speaks of this path includes it."""
        return bool(self._spec.match_file(path))

    def select(self, paths: Iterable[str]) -> list[str]:
        """The paths that match, in their order."""
        return [path for path in paths if self.matches(path)]


def _is_wild(pattern: str) -> bool:
    """Comments, negations and folders name no single file; neither does anything with a wildcard."""
    return pattern[0] in "#!" or pattern.endswith("/") or any(character in pattern for character in "*?[\\")
