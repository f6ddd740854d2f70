"""Replies that are text instead of JSON: SEARCH/REPLACE blocks, unified diffs and, if asked for, fenced files.

Read line by line, in one pass. What could be read in two ways is refused: a block without its end, a divider that
stands there twice, a fence inside a fence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maabarium.blueprint.schema import EditFormat
from maabarium.errors import ProposalError
from maabarium.proposers.council.replies.reply import Patch, Replacement, Reply
from maabarium.safe_text import one_line

__all__ = ["marker_of", "read_prose"]

SEARCH = re.compile(r"^(?:<{5,9}|-{5,9}) ?SEARCH\b[^\n]*$", re.MULTILINE)
DIVIDER = re.compile(r"={5,9}\s*$")
REPLACE = re.compile(r"(?:>{5,9}|\+{5,9}) ?REPLACE\s*$")
FILES = re.compile(r"^--- [^\n]+\n\+\+\+ [^\n]+\n@@ ", re.MULTILINE)
FENCE = re.compile(r" {0,3}(`{3,}+|~{3,}+)[ \t]*+([^`\n]*+)$")
HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
PATH = re.compile(r"[\w.@+/-]{1,300}+")


def marker_of(text: str, format: EditFormat) -> int | None:
    """Where text in one of the forms starts, if it holds any."""
    blocks, files = SEARCH.search(text), FILES.search(text)
    found = [each.start() for each in (blocks, files) if each]
    if not found and format == "whole":
        lines = text.split("\n")
        fence = next((index for index, line in enumerate(lines) if FENCE.match(line)), None)
        if fence and _path_of(lines[fence - 1]):
            found = [sum(len(line) + 1 for line in lines[:fence])]
    return min(found, default=None)


def read_prose(text: str, format: EditFormat) -> Reply:
    """Read a reply for which `marker_of` found something. Raises ProposalError (`unparseable`)."""
    if "\r" in text and text.count("\r\n") == text.count("\n") == text.count("\r"):
        text = text.replace("\r\n", "\n")
    lines = text.removesuffix("\n").split("\n")
    blocks, files = SEARCH.search(text), FILES.search(text)
    if blocks and not (files and files.start() < blocks.start()):
        patches = _blocks(lines)
    elif files:
        patches = _diffs(lines)
    else:
        patches = _files(lines)
    summary = _summary(lines) or f"Change {', '.join(patch.path for patch in patches)}"
    return Reply(one_line(summary, 500), tuple(patches))


def _unreadable(line: int, problem: str, detail: str = "other") -> ProposalError:
    return ProposalError("unparseable", f"the reply cannot be read: line {line}: {problem}", detail=detail)


def _summary(lines: Sequence[str]) -> str:
    """The first line of prose above the first block, fence or diff."""
    for line in lines:
        if line.startswith(("```", "~~~", "<<<<<", "---", "diff --git ")):
            return ""
        if " " in (said := line.strip().lstrip("#").strip()):
            return said
    return ""


def _path_of(line: str) -> str:
    """The path that a line consists of, in the ways in which models decorate one; empty: it is no path."""
    name = line.strip().strip("#*`: \t").removeprefix("File:").removeprefix("file:").strip("`*: \t").removeprefix("./")
    return name if PATH.fullmatch(name) and ("." in name or "/" in name) else ""


def _blocks(lines: Sequence[str]) -> list[Patch]:
    """SEARCH/REPLACE blocks, each under its path or under the block before it."""
    edits: dict[str, list[Replacement]] = {}
    path, index = "", 0
    while index < len(lines):
        line = lines[index]
        if not SEARCH.match(line):
            if line.strip() and not FENCE.match(line):
                path = _path_of(line) or path
            index += 1
            continue
        if not path:
            raise _unreadable(index + 1, "no path stands above this block")
        replacement, index = _block(lines, index)
        edits.setdefault(path, []).append(replacement)
    return [
        Patch(path, "modify", "blocks", edits=tuple(each)) if len(each) > 1 or each[0].search.strip()
        else Patch(path, "create", "whole", content=each[0].replace)
        for path, each in edits.items()
    ]  # fmt: skip


def _block(lines: Sequence[str], start: int) -> tuple[Replacement, int]:
    """The block whose first marker is at `start`, and the index behind it."""
    divider = 0
    for index in range(start + 1, len(lines)):
        line = lines[index]
        if SEARCH.match(line):
            break
        if DIVIDER.match(line):
            if divider:
                raise _unreadable(index + 1, "the divider stands here twice; answer in JSON or with a unified diff")
            divider = index
        elif REPLACE.match(line):
            if not divider:
                break
            search, replace = lines[start + 1 : divider], lines[divider + 1 : index]
            return Replacement(_joined(search), _joined(replace)), index + 1
    raise _unreadable(start + 1, "the block that starts here has no end; the answer may have been cut off")


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _diffs(lines: Sequence[str]) -> list[Patch]:
    """Unified diffs with their file headers, fenced or not."""
    patches: list[Patch] = []
    index, fence = 0, ""
    while index < len(lines):
        line = lines[index]
        if _starts_file(lines, index):
            end = _end_of(lines, index + 2, fence)
            patches.append(_diff_patch(lines, index, end))
            index = end
            continue
        if HUNK.match(line):
            raise _unreadable(index + 1, "this hunk belongs to no file; put --- and +++ lines above it")
        if found := FENCE.match(line):
            fence = "" if fence and found[1].startswith(fence) and not found[2] else fence or found[1]
        index += 1
    return patches


def _starts_file(lines: Sequence[str], index: int) -> bool:
    starts = zip(lines[index : index + 3], ("--- ", "+++ ", "@@"), strict=False)
    return index + 2 < len(lines) and all(line.startswith(start) for line, start in starts)


def _end_of(lines: Sequence[str], start: int, fence: str) -> int:
    """The index behind a file's last hunk: the next file, the closing fence, or the end of the reply."""
    old = new = 0
    for index in range(start, len(lines)):
        line = lines[index]
        if found := HUNK.match(line):
            old, new = int(found[1] or 1), int(found[2] or 1)
            continue
        if old <= 0 and new <= 0 and (_starts_file(lines, index) or line.startswith("diff --git ")):
            return index
        if fence and line.rstrip() == fence:
            if old > 0 or new > 0:
                problem = "the fence closes inside a hunk; start each line of a hunk with a blank, + or -"
                detail = "unified_diff.old_line_count_mismatch" if old > 0 else "unified_diff.new_line_count_mismatch"
                raise _unreadable(index + 1, problem, detail)
            return index
        old -= line[:1] != "+" and line[:1] != "\\"
        new -= line[:1] != "-" and line[:1] != "\\"
    if fence:
        raise _unreadable(len(lines), "the fenced diff has no end; the answer may have been cut off")
    return len(lines)


def _diff_patch(lines: Sequence[str], start: int, end: int) -> Patch:
    before, after = (line[4:].split("\t")[0].strip() for line in lines[start : start + 2])
    if before.startswith(("a/", "/dev/null")) and after.startswith(("b/", "/dev/null")):
        before, after = before.removeprefix("a/"), after.removeprefix("b/")
    text = "".join(f"{line}\n" for line in lines[start:end])
    if before == after == "/dev/null":
        raise _unreadable(start + 1, "the diff names no file")
    if before == "/dev/null":
        return Patch(after, "create", "diff", diff=text)
    if after == "/dev/null":
        return Patch(before, "delete", "diff", diff=text)
    if before != after:
        raise _unreadable(start + 1, "the diff renames a file; delete the one path and create the other")
    return Patch(after, "modify", "diff", diff=text)


def _files(lines: Sequence[str]) -> list[Patch]:
    """Whole files, each in a fence under its path. A fence within a fence is refused: nobody can say which ends."""
    patches: list[Patch] = []
    index = 0
    while index < len(lines):
        found = FENCE.match(lines[index])
        if not found:
            index += 1
            continue
        path = _path_of(lines[index - 1]) if index else ""
        if not path:
            raise _unreadable(index + 1, "no path stands above this fence")
        end = next((at for at in range(index + 1, len(lines)) if lines[at].lstrip().startswith(found[1])), None)
        if end is None:
            raise _unreadable(index + 1, "the fence that starts here has no end; the answer may have been cut off")
        if lines[end].strip() != found[1]:
            raise _unreadable(end + 1, "a fence starts inside a fence; answer in JSON")
        patches.append(Patch(path, "modify", "whole", content=_joined(lines[index + 1 : end])))
        index = end + 1
    return patches
