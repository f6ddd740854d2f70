"""What the tests of replies share: a file, its name, and a short way from a reply to a new content."""

from __future__ import annotations

import json

from maabarium.blueprint.schema import EditFormat
from maabarium.proposers.council.replies import Shown, edits_of, parse_reply
from maabarium.records import FileEdit

PATH = "app/prices.py"
BEFORE = b"""\
def total(prices):
    result = 0
    for price in prices:
        result = result + price
    return result
"""


def answer(*patches: dict[str, object], summary: str = "Make it better") -> str:
    """A reply in JSON."""
    return json.dumps({"summary": summary, "file_patches": list(patches)})


def edits(
    text: str, content: bytes = BEFORE, *, format: EditFormat = "blocks", ranges: tuple[range, ...] | None = None
) -> tuple[FileEdit, ...]:
    """The edits of a reply to a prompt that showed one file of a tree with two."""
    return edits_of(
        parse_reply(text, format),
        [Shown(PATH, content, ranges)],
        targets=lambda path: path.startswith("app/"),
        exists=lambda path: path in (PATH, "app/unseen.py"),
    )


def after(
    patch: dict[str, object], content: bytes = BEFORE, *, ranges: tuple[range, ...] | None = None
) -> bytes | None:
    """The new content of the file after one patch of it."""
    (edit,) = edits(answer({"path": PATH, "operation": "modify", **patch}), content, ranges=ranges)
    assert edit.path == PATH
    return edit.content
