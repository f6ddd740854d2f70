"""From a `Reply` to edits: every patch against the files as they are, byte for byte or not at all.

What a model was not shown it cannot change: not rewrite, not delete, not create over. Every edit that leaves here has
a path that `targets` allows. A search is found when it is exactly there, once, in the lines that were shown: as whole
lines or, if no line is like it, as a piece of text that cuts no word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from maabarium.code.diffs import quoted_line
from maabarium.code.edits import Edit, splice
from maabarium.errors import ProposalError
from maabarium.proposers.council.replies.reply import Patch, Replacement, Reply, Shown, encoded
from maabarium.records import FileEdit, FileMode

__all__ = ["edits_of"]

MOST_TRIED = 1000
"""A piece of text that occurs more often than this is refused without looking at all its places."""
INSIDE_WORD = re.compile(rb"[\w\x80-\xff]{2}")


def edits_of(
    reply: Reply, shown: Sequence[Shown], *, targets: Callable[[str], bool], exists: Callable[[str], bool]
) -> tuple[FileEdit, ...]:
    """The edits that a reply means, in its order; none if it has no patches.

    `targets(path)` says whether a path may be changed or created, `exists(path)` whether the tree has such a file,
    shown or not. Raises ProposalError: `out_of_bounds` for what may not be touched, `does_not_apply` for what does
    not fit the files, `unparseable` for what makes no sense by itself; `detail` is one of `DETAILS`.
    """
    known = {each.path: each for each in shown}
    edits = []
    for patch in _joined(reply.patches):
        _check_path(patch.path, targets)
        edits.append(_edit(patch, known.get(patch.path), patch.path in known or exists(patch.path)))
    return tuple(edits)


def _joined(patches: Sequence[Patch]) -> list[Patch]:
    """One patch for each path. Only search and replace can be joined: their places do not depend on one another."""
    joined: dict[str, Patch] = {}
    for patch in patches:
        other = joined.get(patch.path)
        if other is None:
            joined[patch.path] = patch
        elif patch.form == other.form == "blocks" and patch.operation == other.operation:
            joined[patch.path] = replace(other, edits=(*other.edits, *patch.edits))
        else:
            sentence = f"{_quoted(patch.path)} is changed by two patches; put both changes in one"
            raise ProposalError("unparseable", sentence, detail="other")
    return list(joined.values())


def _check_path(path: str, targets: Callable[[str], bool]) -> None:
    parts = path.split("/")
    unsafe = path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts)
    if unsafe or any(unicodedata.category(character)[0] == "C" for character in path):
        sentence = f"{_quoted(path)} is not a plain path below the target's top level"
        raise ProposalError("out_of_bounds", sentence, detail="unsafe_patch_path")
    if not targets(path):
        sentence = f"{_quoted(path)} is not among the files that may be changed"
        raise ProposalError("out_of_bounds", sentence, detail="not_a_target")


def _edit(patch: Patch, shown: Shown | None, present: bool) -> FileEdit:
    path = patch.path
    if patch.operation == "create" and present:
        sentence = f"{_quoted(path)} exists already and cannot be created"
        sentence += "; modify it" if shown else "; it was not shown, so it cannot be changed either"
        raise ProposalError("does_not_apply" if shown else "out_of_bounds", sentence, detail="path_exists")
    if not present:
        return _creation(patch)
    if shown is None:
        sentence = f"{_quoted(path)} was not shown and cannot be changed"
        raise ProposalError("out_of_bounds", sentence, detail="not_shown")
    if patch.operation == "delete":
        return _deletion(patch, shown)
    mode: FileMode | None = None
    if patch.form == "diff":
        body, mode = shown.patched(patch.diff)
    elif patch.form == "whole":
        body = shown.rewritten(patch.content)
    else:
        body = _replaced(shown, patch.edits, lines_only=patch.form == "lines")
    return FileEdit(path=path, operation="modify", content=shown.finished(body), mode=mode)


def _creation(patch: Patch) -> FileEdit:
    """A new file; also a modification of a file that does not exist, when it gives all of the content."""
    path, mode, file = patch.path, None, Shown(patch.path, b"")
    if patch.operation == "delete":
        raise ProposalError("does_not_apply", f"there is no file {_quoted(path)} to delete", detail="missing_file")
    if patch.form == "diff":
        body, mode = file.patched(patch.diff, only_add=True)
    elif patch.form == "whole":
        body = encoded(patch.content, path)
    elif patch.form == "blocks" and _is_first_content(patch.edits):
        body = encoded(patch.edits[0].replace, path)
    else:
        raise ProposalError("does_not_apply", f"there is no file {_quoted(path)} to modify", detail="missing_file")
    return FileEdit(path=path, operation="create", content=file.finished(body), mode=mode)


def _is_first_content(edits: Sequence[Replacement]) -> bool:
    return len(edits) == 1 and not edits[0].search.strip()


def _deletion(patch: Patch, shown: Shown) -> FileEdit:
    path = _quoted(patch.path)
    if not shown.is_whole:
        sentence = f"{path} was shown in part and cannot be deleted"
        raise ProposalError("out_of_bounds", sentence, detail="not_shown")
    if patch.form == "diff" and shown.patched(patch.diff)[0]:
        sentence = f"{path}: the diff of a deletion must remove every line"
        raise ProposalError("does_not_apply", sentence, detail="unified_diff.other")
    return FileEdit(path=patch.path, operation="delete")


def _quoted(path: str) -> str:
    shown = path.encode("unicode_escape").decode("ascii") if not path.isprintable() else path
    return f'"{shown if len(shown) <= 200 else shown[:197] + "..."}"'


def _replaced(shown: Shown, edits: Sequence[Replacement], *, lines_only: bool) -> bytes:
    """The body after all replacements. Raises ProposalError (`unparseable`, `does_not_apply`)."""
    if not shown.body and shown.is_whole and _is_first_content(edits):
        return shown.spelled(edits[0].replace)  # an empty file gets its first content
    placed = [_placed(shown, edit, lines_only) for edit in edits]
    different = len({(edit.start, edit.end) for edit in placed}) == len(placed)
    body = splice(shown.body, placed) if different else None
    if body is None:
        sentence = f"{shown.path}: two edits overlap; put them in one"
        raise ProposalError("does_not_apply", sentence, detail="search_replace.overlap")
    return body


def _placed(shown: Shown, edit: Replacement, lines_only: bool) -> Edit:
    """The edit at its one place. A final newline of either text ends its last line and is no line of its own."""
    if not edit.search:
        sentence = f"{shown.path}: an edit searches for nothing; copy the lines to replace, or one to add after"
        raise ProposalError("unparseable", sentence, detail="search_replace.empty_search")
    search, new = _unended(shown.spelled(edit.search)), _unended(shown.spelled(edit.replace))
    lines = _lines(shown, search)
    places = lines or ([] if lines_only or not search.strip() else _pieces(shown, search))
    if not places:
        sentence = f"{shown.path}: {_where_it_differs(shown, search)}"
        raise ProposalError("does_not_apply", sentence, detail="search_replace.no_match")
    if len(set(places)) > 1:
        text = quoted_line(shown.spelled(edit.search))
        sentence = f"{shown.path}: {text} occurs more than once in the lines shown; copy more of the lines around it"
        raise ProposalError("does_not_apply", sentence, detail="search_replace.ambiguous_match")
    low, high = places[0], places[0] + len(search)
    if lines and not edit.replace:  # no lines at all: the newline goes, too
        high += 2 if shown.body[high : high + 2] == b"\r\n" else shown.body[high : high + 1] == b"\n"
    return Edit(low, high, new.decode("utf-8", "surrogateescape"))


def _unended(data: bytes) -> bytes:
    return data[:-2] if data.endswith(b"\r\n") else data.removesuffix(b"\n")


def _found(text: bytes, wanted: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[int]:
    for low, high in spans:
        place = text.find(wanted, low, high)
        while place >= 0:
            yield place
            place = text.find(wanted, place + 1, high)


def _lines(shown: Shown, search: bytes) -> list[int]:
    """Where whole shown lines are the search; at most two places of each kind of newline, which is one too many."""
    text = b"\n" + shown.body + (b"" if shown.body.endswith(b"\n") else b"\n")
    spans = [(low, high + 1) for low, high in shown.spans]
    return [place for end in (b"\n", b"\r\n") for place in islice(_found(text, b"\n" + search + end, spans), 2)]


def _pieces(shown: Shown, search: bytes) -> list[int]:
    """Where shown text is the search and no word is cut; all places when there are too many to look at."""
    body = shown.body
    spans = ((low, min(high, len(body))) for low, high in shown.spans)
    tried = list(islice(_found(body, search, spans), MOST_TRIED + 1))
    if len(tried) > MOST_TRIED:
        return tried
    ends = ((place, place + len(search)) for place in tried)
    return [pair[0] for pair in ends if not any(end and INSIDE_WORD.match(body, end - 1) for end in pair)]


def _where_it_differs(shown: Shown, search: bytes) -> str:
    """What a person or a model needs to mend a search that is not there."""
    wanted = [line.rstrip(b"\r") for line in search.split(b"\n")]
    text = shown.body.split(b"\n")
    first = next((index for index, line in enumerate(text) if line.rstrip(b"\r") == wanted[0]), None)
    if first is None:
        near = next((index for index, line in enumerate(text) if line.split() == wanted[0].split()), None)
        found = f"; line {near + 1} is {quoted_line(text[near])}" if near is not None and wanted[0].strip() else ""
        return f"{quoted_line(wanted[0])} is not a line of it{found}"
    for offset, line in enumerate(wanted):
        if first + offset >= len(text):
            return f"the search goes on behind the end of the file, which has {len(text)} lines"
        if text[first + offset].rstrip(b"\r") != line:
            return f"line {first + offset + 1} is {quoted_line(text[first + offset])}, not {quoted_line(line)}"
    if shown.ranges is not None:
        return f"{quoted_line(wanted[0])} is not among the lines shown, and only those can be edited"
    return f"{quoted_line(wanted[0])} is there with other newlines"
