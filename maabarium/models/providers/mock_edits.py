"""The one line that the mock inserts: where it goes in a file, and how a diff says so.

Pure. A file is known as far as a prompt shows it; the change is made where it needs nothing that is not shown.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

__all__ = ["MarkedLine", "MockEdit", "ShownFile", "changes", "files_in", "marked"]

TAGGED = re.compile(
    r"^(?:(?P<title>[^\n<]*):\n)?<(?P<tag>file|data[\w-]*)\s[^<>]*?\b(?:path|source)=(?P<quote>[\"'])(?P<path>.+?)(?P=quote)[^<>]*>\n"
    r"(?P<text>.*?)\n?</(?P=tag)>",
    re.DOTALL | re.MULTILINE,
)
"""A file as the original's prompts show it, or data as ours do."""
CHANGEABLE = "May be changed"
"""How the title of such a file begins."""
LEFT_OUT = "[... "
"""How a line begins that stands for others."""
TO_CREATE = re.compile(r"may be created: ([^\n]+)")
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
class ShownFile:
    """A file as far as it is shown."""

    path: str
    text: str

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()


@dataclass(frozen=True)
class MarkedLine:
    """A line, and what stands there instead."""

    old: str
    text: str


@dataclass(frozen=True)
class MockEdit:
    """One change of one file."""

    path: str
    operation: str
    summary: str
    content: str
    diff: str
    token: str
    place: MarkedLine | None = None


def files_in(prompt: str) -> tuple[ShownFile, ...]:
    """The files that a prompt shows, in its order, each once; if it says which may be changed, those."""
    hits = list(TAGGED.finditer(prompt))
    hits = [hit for hit in hits if (hit["title"] or "").startswith(CHANGEABLE)] or hits
    found = {html.unescape(hit["path"]): hit["text"] for hit in reversed(hits)}
    return tuple(ShownFile(path, text) for path, text in reversed(found.items()))


def changes(prompt: str, token: str) -> Iterator[MockEdit]:
    """What could be done with the files that a prompt shows, the best first; then what could be created."""
    files = files_in(prompt)
    yield from (change for file in files if (change := _change_of(file, token)) is not None)
    named = [path.strip(" .") for listing in TO_CREATE.findall(prompt) for path in listing.split(",")]
    fresh = [path for path in named if path and path not in {file.path for file in files}]
    yield from (_creation(path, token) for path in sorted(fresh, key=lambda path: not _is_document(path)))


def marked(lines: Sequence[str], change: MockEdit) -> MarkedLine:
    """One of these lines with a comment behind it; for when only they may be replaced."""
    comment = "" if _is_document(change.path) else COMMENTS.get(PurePosixPath(change.path).suffix.lower(), "# ")
    whole = [line for line in lines if not line.endswith("\\") and '"""' not in line and "'''" not in line]
    line = min(whole or lines, key=len)
    return MarkedLine(line, f"{line}  {comment}{change.token}")


def _change_of(file: ShownFile, token: str) -> MockEdit | None:
    """The change of a file that is there; None if no line of it can bear one."""
    lines = file.text.split("\n")
    found = next(_places(file, lines), None)
    if found is None:
        return None
    index, template, replaces = found
    old, fresh = lines[index], [line.format(token=token) for line in template]
    new = fresh if replaces else [*fresh, old]
    content = "\n".join([*lines[:index], *new, *lines[index + 1 :]]).rstrip("\n") + "\n"
    added = [f"+{line}" for line in fresh]
    if replaces:
        hunk = [f"@@ -{index + 1},1 +{index + 1},{len(new)} @@", f"-{old}", *added]
    elif index + 1 < len(lines):
        hunk = [f"@@ -{index + 1},1 +{index + 1},{len(new)} @@", *added, f" {old}"]
    else:  # a prompt does not tell whether a newline ends the last line, so that it can be no context
        hunk = [f"@@ -{index},0 +{index + 1},{len(fresh)} @@", *added]
    diff = "\n".join(hunk) + "\n"
    summary = f"mark {file.path} with {token}"
    return MockEdit(file.path, "modify", summary, content, diff, token, MarkedLine(old, "\n".join(new)))


def _creation(path: str, token: str) -> MockEdit:
    """A new document, or a new file of one line."""
    comment = COMMENTS.get(PurePosixPath(path).suffix.lower(), "# ")
    lines = [f"{comment}a first draft, {token}"]
    if _is_document(path):
        lines = [f"# {PurePosixPath(path).stem}", "", f"A first draft, {token}."]
    diff = "\n".join([f"@@ -0,0 +1,{len(lines)} @@", *(f"+{line}" for line in lines)]) + "\n"
    return MockEdit(path, "create", f"draft {path}", "\n".join(lines) + "\n", diff, token)


def _is_document(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in MARKDOWN


def _places(file: ShownFile, lines: Sequence[str]) -> Iterator[tuple[int, list[str], bool]]:
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
    return [n for n, line in enumerate(lines) if _says_something(line) and lines.count(line) == 1]


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(LEFT_OUT)


def _is_top(line: str) -> bool:
    return not line[:1].isspace() and line[:1] not in ")]}"
