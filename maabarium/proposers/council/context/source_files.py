"""The files of one tree as text, read once and only when asked for; and those that may not enter a prompt."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from maabarium.blueprint.globs import Globs
from maabarium.blueprint.schema import Blueprint
from maabarium.code.symbols import Chunk, chunks_of
from maabarium.code.tree import CodeTree
from maabarium.plugins.protocols import TreeView
from maabarium.safe_text import one_line

__all__ = ["HOLDOUT", "SourceFiles", "printable"]

HOLDOUT = "holdout"
"""Why a file of the rules that proposers never see is hidden (`[evaluator] holdout`); it is not even named."""
_PRIVATE = re.compile(
    r"(^|/)(\.env(\.(?!example|sample|template)[\w.-]+)?|\.netrc|\.pypirc|\.npmrc|id_(rsa|dsa|ecdsa|ed25519)"
    r"|[^/]*\.(pem|key|p12|pfx|keystore|kdbx))$"
)
"""Names that hold keys in practice: what is sent to a model may leave the machine."""
_LONGEST = 2000
"""Lines of one `.gitignore` that are looked at."""
_HUGE = 2_000_000
"""Bytes above which a file is only listed."""


class SourceFiles(CodeTree):
    """Text, lines and chunks of a tree's files, too. May be kept for several packings of one tree; not for threads."""

    def __init__(self, files: TreeView, blueprint: Blueprint) -> None:
        super().__init__(files.paths(), files.read)
        self._named = frozenset(Globs(blueprint.domain.target_files).exact)
        parts = (
            [part for part in each.split("/") if part not in ("", ".", "..")] for each in blueprint.evaluator.holdout
        )
        # Relative to the blueprint's folder, which may be anywhere in the tree: namesakes match, too.
        self._holdout = Globs("/".join(("**", *each)) for each in parts if each)
        listings = (path for path in self.paths if f"/{path}".endswith("/.gitignore"))
        self._listings = {path.removesuffix(".gitignore"): path for path in listings}
        self._ignores: dict[str, Globs] = {}
        self._texts: dict[str, tuple[str | None, str]] = {}
        self._hidden: dict[str, str] = {}
        self._chunks: dict[str, tuple[Chunk, ...]] = {}
        self._lines: dict[str, tuple[str, ...]] = {}

    def hidden(self, path: str) -> str:
        """Why a file may not enter a prompt at all, whatever it holds; empty when it may."""
        if path not in self._hidden:
            reason = ""
            if self._holdout.matches(path):
                reason = HOLDOUT
            elif _PRIVATE.search(path):
                reason = "its name says that it holds keys"
            elif path not in self._named and self.ignored(path):
                reason = "ignored by .gitignore"
            self._hidden[path] = reason
        return self._hidden[path]

    def ignored(self, path: str) -> bool:
        """Whether git would ignore the path: the nearest `.gitignore` of the tree that speaks of it decides."""
        ignored = False
        for folder in ("", *(path[: found.end()] for found in re.finditer("/", path))) if self._listings else ():
            if folder in self._listings:
                if folder not in self._ignores:
                    self._ignores[folder] = _patterns(self.content(self._listings[folder]))
                decided = self._ignores[folder].decides(path[len(folder) :])
                ignored = ignored if decided is None else decided
        return ignored

    def obstacle(self, path: str) -> str:
        """Why a file cannot be shown, as the end of a sentence; empty when it can."""
        return self.hidden(path) or self._decoded(path)[1]

    def text(self, path: str) -> str | None:
        """The text as a prompt shows it (UTF-8, no byte order mark, `\\n` between lines); None when it has none."""
        return self._decoded(path)[0]

    def lines(self, path: str) -> Sequence[str]:
        """The lines of the text without their ends; line n of the file is at n - 1."""
        if path not in self._lines:
            text = self.text(path) or ""
            self._lines[path] = tuple(text.removesuffix("\n").split("\n")) if text else ()
        return self._lines[path]

    def chunks(self, path: str) -> tuple[Chunk, ...]:
        """The file cut into symbols, or into blocks of lines."""
        if path not in self._chunks:
            self._chunks[path] = chunks_of(path, self.lines(path), self.tree(path))
        return self._chunks[path]

    def heads(self, path: str, parent: str = "") -> list[Chunk]:
        """What explains a chunk of a file: its imports, and the head of the chunk's class."""
        return [
            each for each in self.chunks(path)
            if each.kind == "imports" or (each.kind == "class" and each.name == parent)
        ]  # fmt: skip

    def users(self, path: str, names: Iterable[str]) -> list[Chunk]:
        """The functions and methods of a file that use one of these names."""
        wanted = sorted({name for name in names if name})
        pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, wanted))})\b")
        symbols = [chunk for chunk in self.chunks(path) if chunk.kind == "symbol"] if wanted else []
        return [chunk for chunk in symbols if any(map(pattern.search, self.lines(path)[chunk.first - 1 : chunk.last]))]

    def tree(self, path: str) -> ast.Module | None:
        """The syntax tree of a Python file that can be shown; None for a large one, or one that does not parse."""
        return None if self.obstacle(path) else super().tree(path)

    def _decoded(self, path: str) -> tuple[str | None, str]:
        """The text, or None and why there is none."""
        if path not in self._texts:
            self._texts[path] = _decoded(self.content(path))
        return self._texts[path]


def printable(path: str) -> str:
    """A path as it may stand in a sentence: on one line, without what a terminal or a reader could mistake."""
    return one_line(path, 160)


def _patterns(listing: bytes) -> Globs:
    """The patterns of a `.gitignore` but for those that make no sense."""
    found: list[str] = []
    for line in listing.decode("utf-8", "replace").splitlines()[:_LONGEST]:
        with suppress(ValueError):
            Globs([line])
            found += [line] if line.strip() and not line.startswith("#") else []
    return Globs(found)


def _decoded(content: bytes) -> tuple[str | None, str]:
    if len(content) > _HUGE:
        return None, f"{len(content) // 1_000_000} MB, too large"
    if b"\0" in content:
        return None, "not text"
    try:
        return content.decode().removeprefix("\ufeff").replace("\r\n", "\n"), ""
    except UnicodeDecodeError:
        return None, "not UTF-8"
