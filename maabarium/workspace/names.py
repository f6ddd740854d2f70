"""What a path in a proposal may be called, and when two names are one file elsewhere. Pure; knows no tree's content.

Sources: git's `verify_path`, `is_ntfs_dotgit` and `is_hfs_dotgit` (read-cache.c, path.c, utf8.c) for the list of
disguises of `.git`; Unicode's default-ignorable code points.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cached_property

__all__ = ["Layout", "fold", "objection", "parents_of"]

_FORBIDDEN_CATEGORIES = {
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Cs": "a broken character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
_SHORT_NAMES = re.compile(r"(git|gitmod|gitatt)~\d+|gi(7eba|7d29)~\d+")
_RESERVED = {
    ".git": "git's own folder",
    ".gitmodules": "git's list of submodules",
    ".gitattributes": "git's attributes",
}


def fold(path: str) -> str:
    """The same for all names that some file system takes for one: case, compatibility and ignorable characters."""
    plain = "".join(c for c in unicodedata.normalize("NFKC", path) if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", plain.casefold())


def objection(path: str) -> str:
    """Why this can be no path of a proposal, as the end of a sentence; empty when it can."""
    if not path:
        return "is empty"
    if path.startswith("/"):
        return "is absolute; paths are relative to the target's top level"
    if "\\" in path:
        return "contains a backslash; use / between folders"
    if len(path.encode("utf-8", "surrogatepass")) > 4000:
        return "is too long"
    for character in path:
        category = unicodedata.category(character)
        if category in _FORBIDDEN_CATEGORIES:
            return f"contains {_FORBIDDEN_CATEGORIES[category]} (U+{ord(character):04X})"
    return next((found for part in path.split("/") if (found := _component_objection(part))), "")


def _component_objection(part: str) -> str:
    if part == "":
        return "has an empty folder name"
    if part in (".", ".."):
        return f"contains {part!r}"
    if len(part.encode()) > 255:
        return "has a name longer than 255 bytes"
    plain = fold(part).split(":")[0].rstrip(" .")
    if plain in _RESERVED:
        return f"touches {_RESERVED[plain]}"
    if _SHORT_NAMES.fullmatch(plain) or _looks_like_git(plain):
        return "is a disguise of git's own files"
    return ""


def _looks_like_git(part: str) -> bool:
    """`.git` in which letters are replaced by foreign ones (a Cyrillic i) or carry accents."""
    part = "".join(c for c in unicodedata.normalize("NFKD", part) if not unicodedata.combining(c))
    return len(part) == 4 and all(a == b or ord(a) > 127 for a, b in zip(part, ".git", strict=True))


class Layout:
    """The names of one tree: files, folders, and all of them folded. Made once per tree."""

    def __init__(self, modes: Mapping[str, int]) -> None:
        self.modes = modes

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds something."""
        return frozenset(parent for path in self.modes for parent in parents_of(path))

    @cached_property
    def folded(self) -> dict[str, str]:
        """Folded name -> one real name, of files and folders."""
        return {fold(path): path for path in (*self.modes, *self.folders)}


def parents_of(path: str) -> list[str]:
    """Every folder that a path leads through, the nearest first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
