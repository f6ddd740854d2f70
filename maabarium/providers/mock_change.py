"""The one line that the mock inserts: where it goes in a file, and how a diff says so.

Pure. A file is known as far as a prompt shows it; the change is made where it needs nothing that is not shown.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

__all__ = ["Change", "File", "Place", "change_of", "creation", "files_in"]

TAGGED = re.compile(
    r"<(?P<tag>file|data[\w-]*)\s[^<>]*?\b(?:path|source)=(?P<quote>[\"'])(?P<path>.+?)(?P=quote)[^<>]*>\n"
    r"(?P<text>.*?)\n?</(?P=tag)>",
    re.DOTALL,
)
"""A file as the original's prompts show it, or data as ours do."""
TO_CREATE = re.compile(r"may be created: (\S+?)[.,]?(?:\s|$)")
MARK = re.compile(r"^maabarium_(?:improvement|follow_up) = ")
MARKDOWN = frozenset({".md", ".markdown"})
PYTHON = frozenset({".py", ".pyi"})
COMMENTS = {
    **dict.fromkeys((".sh", ".toml", ".yaml", ".yml", ".rb", ".cfg", ".ini", ".r", ".pl", ".jl"), "# "),
    **dict.fromkeys((".rs", ".js", ".ts", ".jsx", ".tsx", ".go", ".c", ".h", ".cpp", ".java", ".kt", ".swift"), "// "),
    **dict.fromkeys((".sql", ".lua", ".hs"), "-- "),
    ".txt": "",
}
"""How a line says nothing in each language; a file of another kind is left alone."""


@dataclass(frozen=True)
class File:
    """A file as far as it is shown."""

    path: str
    text: str

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()


@dataclass(frozen=True)
class Place:
    """A line, and what stands there instead."""

    old: str
    text: str


@dataclass(frozen=True)
class Change:
    """One change of one file."""

    path: str
    operation: str
    summary: str
    content: str
    diff: str
    signature: str
    place: Place | None = None


def files_in(prompt: str) -> tuple[File, ...]:
    """The files that a prompt shows, in its order, each once."""
    found = {html.unescape(hit["path"]): hit["text"] for hit in reversed(list(TAGGED.finditer(prompt)))}
    return tuple(File(path, text) for path, text in reversed(found.items()))


def change_of(file: File, token: str) -> Change | None:
    """The change of a file that is there; None if no line of it can bear one."""
    lines = file.text.split("\n")
    found = next(_places(file, lines), None)
    if found is None:
        return None
    index, added, replaces = found
    signature = f"maabarium_improvement {token}"
    fresh = [line.format(token=token) for line in added]
    before, after = lines[:index], lines[index + 1 :] if replaces else lines[index:]
    old = lines[index]
    new = fresh if replaces else [*fresh, old]
    content = "\n".join([*before, *fresh, *after])
    shown = [f"-{old}"] if replaces else [f" {old}"]
    body = [*shown, *(f"+{line}" for line in fresh)] if replaces else [*(f"+{line}" for line in fresh), *shown]
    diff = "\n".join([f"@@ -{index + 1},1 +{index + 1},{len(new)} @@", *body]) + "\n"
    summary = f"mark {file.path} with {token}"
    content = content if content.endswith("\n") else content + "\n"
    return Change(file.path, "modify", summary, content, diff, signature, Place(old, "\n".join(new)))


def creation(prompt: str, paths: Sequence[str] | None, shown: Collection[str], token: str) -> Change | None:
    """A new document: the first path that may be created and is none of the files that are there."""
    named = [path for path in paths or () if path not in shown] or TO_CREATE.findall(prompt)
    documents = [path for path in named if PurePosixPath(path).suffix.lower() in MARKDOWN]
    path = next(iter([*documents, *named]), None)
    if path is None:
        return None
    lines = [f"# {PurePosixPath(path).stem}", "", f"A first draft, {token}."]
    if path not in documents:
        lines = [f"maabarium_improvement = '{token}'"]
    diff = "\n".join([f"@@ -0,0 +1,{len(lines)} @@", *(f"+{line}" for line in lines)]) + "\n"
    content = "\n".join(lines) + "\n"
    return Change(path, "create", f"draft {path}", content, diff, f"maabarium_improvement {token}")


def _places(file: File, lines: Sequence[str]) -> Iterator[tuple[int, list[str], bool]]:
    """Index, new lines and whether they replace what stands there; `{token}` is filled in later. Best first.

    Nothing is put after the last line: a prompt does not tell whether a newline ends it.
    """
    if file.suffix in PYTHON:
        yield from _in_python(lines)
    elif file.suffix in MARKDOWN:
        headings = [n for n in _unique(lines) if n and lines[n].startswith("#")]
        yield from ((n, ["## Implementation Notes", "", "- {token}", ""], False) for n in headings)
        yield from ((n, ["- implementation note {token}", ""], False) for n in _unique(lines) if n)
    elif file.suffix in COMMENTS:
        comment = COMMENTS[file.suffix] + "maabarium_improvement {token}"
        yield from ((n, [comment], False) for n in _unique(lines) if n and _is_top(lines[n]))
        yield from ((n, [comment], False) for n in _unique(lines)[:1] if not lines[n].startswith(("#!", "<")))


def _in_python(lines: Sequence[str]) -> Iterator[tuple[int, list[str], bool]]:
    single = _unique(lines)
    yield from ((n, ['maabarium_follow_up = "{token}"'], True) for n in single if MARK.match(lines[n]))
    line = 'maabarium_improvement = "{token}"'
    starts = [n for n in single if lines[n].startswith(("def ", "class ", "async def ", "@"))]
    yield from ((n, [line, "", ""], False) for n in starts if n and not lines[n - 1].strip())
    simple = [n for n in single if re.match(r"(?:[A-Za-z_]\w*(?:\.\w+)* = |import |def |class )", lines[n])]
    yield from ((n, [line], False) for n in simple)


def _unique(lines: Sequence[str]) -> list[int]:
    """Indices of lines that say something and are there once: a diff finds them wherever they are."""
    return [n for n, line in enumerate(lines) if line.strip() and lines.count(line) == 1]


def _is_top(line: str) -> bool:
    return not line[:1].isspace() and line[:1] not in ")]}"
