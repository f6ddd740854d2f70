"""Which paths a pattern of a blueprint means: gitwildmatch, relative to the target's top level. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pathspec

__all__ = ["is_exact", "matching"]


def matching(patterns: Iterable[str], paths: Sequence[str]) -> tuple[str, ...]:
    """The paths that the patterns match, in order. Raises ValueError for a pattern that makes no sense."""
    spec = pathspec.GitIgnoreSpec.from_lines(list(patterns))
    return tuple(path for path in paths if spec.match_file(path))


def is_exact(pattern: str) -> bool:
    """Whether a pattern names one file, which may still have to be created.

    A leading slash anchors a pattern at the top level; such a one is no invitation to create a file, because it is
    also how an absolute path looks.
    """
    return bool(pattern.strip()) and pattern[0] not in "/#!" and pattern[-1] != "/" and not set(pattern) & set("*?[\\")
