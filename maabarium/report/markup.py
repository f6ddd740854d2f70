"""Untrusted text as Markdown, and diffs as lines with a kind. HTML is escaped by the template engine itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from maabarium.safe_text import one_line, plain

__all__ = ["DiffLine", "clipped", "diff_lines", "fenced", "markdown"]

_MARKUP = re.compile(r"[&<|`*~#@$\\\[\]{}^]|:(?=//)")
_START = re.compile(r"^(\d{1,9})([.)])(?= |$)|^([-+])(?= |$)|^([-=_])(?=[-=_ ]*$)|^(>)")
"""What begins a list or a quotation, underlines a heading, or is a rule; `-2 %` and `--flag` are text."""
_UNDERSCORES = re.compile(r"_+")
_WWW = re.compile(r"\bwww\.", re.IGNORECASE)
LINE_LIMIT = 2000
"""Characters shown of one line of a diff; minified files have lines of megabytes."""

Kind = Literal["file", "hunk", "added", "removed", "same"]


@dataclass(frozen=True)
class DiffLine:
    """One line of a unified diff, safe to show, and what it is."""

    text: str
    kind: Kind


def markdown(text: str, limit: int = 300) -> str:
    """One line of text that Markdown shows as it is: no markup, table cell, mention, link, formula or HTML."""
    line = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", one_line(text, limit))
    line = _without_emphasis(line)
    line = _WWW.sub(lambda found: f"{found[0][:-1]}&#46;", _without_emphasis(line))
    return _START.sub(lambda found: "".join(_entity(part) for part in found.groups("")), line)


def _without_emphasis(line: str) -> str:
    """Escape underscores where some may open emphasis (begin a word) and later ones close it (end a word)."""
    opened = closed = False
    for run in _UNDERSCORES.finditer(line):
        before, after = _around(line, run)
        closed |= opened and not after.isalnum() and not before.isspace()
        opened |= not before.isalnum() and not after.isspace()
    return _UNDERSCORES.sub(lambda run: run[0] if _inside(line, run) else _entity(run[0]), line) if closed else line


def _around(line: str, run: re.Match[str]) -> tuple[str, str]:
    """The characters beside a run; at either end of the line there may be markup of ours."""
    return line[run.start() - 1 : run.start()] or "*", line[run.end() : run.end() + 1] or "*"


def _inside(line: str, run: re.Match[str]) -> bool:
    return all(character.isalnum() for character in _around(line, run))


def _entity(part: str) -> str:
    return part if part.isdigit() else "".join(f"&#{ord(character)};" for character in part)


def clipped(text: str, most: int) -> tuple[list[str], int]:
    """The first lines of an untrusted text, made plain, and how many more there are."""
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [plain(line.removesuffix("\r"), LINE_LIMIT) for line in lines[:most]], max(0, len(lines) - most)


def fenced(lines: list[str], language: str) -> str:
    """A Markdown code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence])


def diff_lines(lines: list[str]) -> list[DiffLine]:
    """Classify the lines of a unified diff; what precedes a hunk belongs to the file's head."""
    found: list[DiffLine] = []
    left = right = 0
    for line in lines:
        kind: Kind = "same"
        if left <= 0 and right <= 0:
            hunk = re.match(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", line)
            kind = "hunk" if hunk else "file"
            if hunk:
                left, right = (1 if count is None else int(count) for count in hunk.groups())
        elif line.startswith("+"):
            kind, right = "added", right - 1
        elif line.startswith("-"):
            kind, left = "removed", left - 1
        elif not line.startswith("\\"):
            left, right = left - 1, right - 1
        found.append(DiffLine(line, kind))
    return found
