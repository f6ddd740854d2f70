"""The format `blocks`: text that stands in the file, and the text that replaces it.

A search is found when it is exactly there, once, in the lines that were shown: as whole lines or, if no line is
like it, as a piece of text that cuts no word. All searches of a patch look at the file as it was, so their order
does not matter and they must not overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from maabarium.code.diffs import quoted_line
from maabarium.code.splices import Edit, splice
from maabarium.errors import ProposalError
from maabarium.proposers.council.replies.edited_file import EditedFile
from maabarium.proposers.council.replies.reply import Replacement

__all__ = ["replaced"]

MOST_TRIED = 1000
"""A piece of text that occurs more often than this is refused without looking at all its places."""


def replaced(original: EditedFile, edits: Sequence[Replacement], *, lines_only: bool = False) -> bytes:
    """The body after all replacements. Raises ProposalError (`unparseable`, `does_not_apply`)."""
    if not original.body and original.is_whole and len(edits) == 1 and not edits[0].search.strip():
        return original.spelled(edits[0].replace)  # an empty file gets its first content
    placed = [_placed(original, edit, lines_only) for edit in edits]
    different = len({(edit.start, edit.end) for edit in placed}) == len(placed)
    body = splice(original.body, placed) if different else None
    if body is None:
        sentence = f"{original.path}: two edits overlap; put them in one"
        raise ProposalError("does_not_apply", sentence, detail="search_replace.overlap")
    return body


def _placed(original: EditedFile, edit: Replacement, lines_only: bool) -> Edit:
    """The edit at its one place. A final newline of either text ends its last line and is no line of its own."""
    if not edit.search:
        sentence = f"{original.path}: an edit searches for nothing; copy the lines to replace, or one to add after"
        raise ProposalError("unparseable", sentence, detail="search_replace.empty_search")
    search, new = _unended(original.spelled(edit.search)), _unended(original.spelled(edit.replace))
    lines = _lines(original, search)
    places = lines or ([] if lines_only or not search.strip() else _pieces(original, search))
    if not places:
        sentence = f"{original.path}: {_where_it_differs(original, search)}"
        raise ProposalError("does_not_apply", sentence, detail="search_replace.no_match")
    if len(set(places)) > 1:
        searched = quoted_line(original.spelled(edit.search))
        sentence = (
            f"{original.path}: {searched} occurs more than once in the lines shown; copy more of the lines around it"
        )
        raise ProposalError("does_not_apply", sentence, detail="search_replace.ambiguous_match")
    low, high = places[0], places[0] + len(search)
    if lines and not edit.replace:  # no lines at all: the newline goes, too
        high += 2 if original.body[high : high + 2] == b"\r\n" else original.body[high : high + 1] == b"\n"
    return Edit(low, high, new.decode("utf-8", "surrogateescape"))


def _unended(data: bytes) -> bytes:
    return data[:-2] if data.endswith(b"\r\n") else data.removesuffix(b"\n")


def _found(text: bytes, wanted: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[int]:
    for low, high in spans:
        place = text.find(wanted, low, high)
        while place >= 0:
            yield place
            place = text.find(wanted, place + 1, high)


def _lines(original: EditedFile, search: bytes) -> list[int]:
    """Where whole shown lines are the search; at most two places of each kind of newline, which is one too many."""
    text = b"\n" + original.body + (b"" if original.body.endswith(b"\n") else b"\n")
    spans = [(low, high + 1) for low, high in original.spans]
    endings = (b"\n", b"\r\n")
    return [place for end in endings for place in islice(_found(text, b"\n" + search + end, spans), 2)]


def _pieces(original: EditedFile, search: bytes) -> list[int]:
    """Where shown text is the search and no word is cut; all places when there are too many to look at."""
    body = original.body
    spans = ((low, min(high, len(body))) for low, high in original.spans)
    tried = list(islice(_found(body, search, spans), MOST_TRIED + 1))
    if len(tried) > MOST_TRIED:
        return tried
    return [place for place in tried if not (_cuts_word(body, place) or _cuts_word(body, place + len(search)))]


def _cuts_word(body: bytes, place: int) -> bool:
    return 0 < place < len(body) and _in_word(body[place - 1]) and _in_word(body[place])


def _in_word(byte: int) -> bool:
    return byte >= 0x80 or byte == 0x5F or chr(byte).isalnum()


def _where_it_differs(original: EditedFile, search: bytes) -> str:
    """What a person or a model needs to mend a search that is not there."""
    wanted = [line.rstrip(b"\r") for line in search.split(b"\n")]
    text = original.body.split(b"\n")
    first = next((index for index, line in enumerate(text) if line.rstrip(b"\r") == wanted[0]), None)
    if first is None:
        near = next((index for index, line in enumerate(text) if line.split() == wanted[0].split()), None)
        if near is not None and wanted[0].strip():
            return f"{quoted_line(wanted[0])} is not a line of it; line {near + 1} is {quoted_line(text[near])}"
        return f"{quoted_line(wanted[0])} is not a line of it"
    for offset, line in enumerate(wanted):
        if first + offset >= len(text):
            return f"the search goes on behind the end of the file, which has {len(text)} lines"
        if text[first + offset].rstrip(b"\r") != line:
            return f"line {first + offset + 1} is {quoted_line(text[first + offset])}, not {quoted_line(line)}"
    if original.ranges is not None:
        return f"{quoted_line(wanted[0])} is not among the lines shown, and only those can be edited"
    return f"{quoted_line(wanted[0])} is there with other newlines"
