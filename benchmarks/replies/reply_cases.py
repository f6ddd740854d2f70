"""Generated files and replies about them: faithful ones, whose result is known beforehand, and broken ones.

A case is a function of its seed. What a faithful reply should give is worked out here on lines, without the code
that is measured.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from maabarium.blueprint.schema import EditFormat
from maabarium.code.edits import make_diff
from maabarium.proposers.council.replies import Shown

WORDS = (
    "total", "price", "return", "x = 1", "for each in items:", "    pass", "", "    value += 1", "# note", "=======",
)  # fmt: skip
ODD = (
    "--- a", "+++ b", "@@ -1 +1 @@", "```", "{", "}", '"', "\\ No newline", "<<<<<<< SEARCH", "naïve", "日本", "\x0c",
)  # fmt: skip
TARGETS = ("src/app.py", "src/data.txt", "src/deep/more.md")
OTHERS = ("tests/test_app.py", "setup.cfg", "src_other/x.py")
CREATABLE = "src/new.py"


@dataclass(frozen=True)
class Case:
    """A reply, the files it is about, and what it must give if that is known."""

    text: str
    format: EditFormat
    tree: dict[str, bytes]
    shown: tuple[Shown, ...]
    expected: dict[str, bytes | None] | None = field(default=None)
    """Path -> new content, None for a deletion."""

    def targets(self, path: str) -> bool:
        """What may be touched: everything below src, as a careless glob would say it."""
        return path.startswith("src/")

    def exists(self, path: str) -> bool:
        """Whether the tree has the file."""
        return path in self.tree


def tree_of(rng: random.Random) -> dict[str, bytes]:
    """All files, with every kind of newline, encoding and ending."""
    return {path: _content(rng) for path in (*TARGETS, *OTHERS)}


def shown_of(rng: random.Random, tree: dict[str, bytes]) -> tuple[Shown, ...]:
    """Some of the targets, whole or in part."""
    chosen = [path for path in TARGETS if rng.random() < 0.8] or [TARGETS[0]]
    return tuple(Shown(path, tree[path], _ranges(rng, tree[path]) if rng.random() < 0.4 else None) for path in chosen)


def _content(rng: random.Random) -> bytes:
    lines = [_line(rng, index) for index in range(rng.choice((0, 1, 3, 8, 20, 40)))]
    kind = rng.random()
    ends = [b"\r\n" if kind < 0.15 or (kind < 0.25 and rng.random() < 0.5) else b"\n" for _ in lines]
    encoding = "latin-1" if rng.random() < 0.08 else "utf-8"
    body = b"".join(line.encode(encoding, "replace") + end for line, end in zip(lines, ends, strict=True))
    if rng.random() < 0.15:
        body = body.rstrip(b"\r\n")
    return b"\xef\xbb\xbf" + body if rng.random() < 0.05 else body


def _line(rng: random.Random, index: int) -> str:
    word = rng.choice(WORDS if rng.random() < 0.85 else ODD)
    return f"{word} {index}" if rng.random() < 0.7 else word


def _ranges(rng: random.Random, content: bytes) -> tuple[range, ...]:
    count = content.count(b"\n") + 1
    starts = sorted(rng.randrange(1, count + 1) for _ in range(rng.choice((1, 1, 2, 3))))
    return tuple(range(start, start + rng.randrange(1, 8)) for start in starts)


# --- replies that mean something


def faithful(rng: random.Random) -> Case:
    """A reply as a good model writes it, in any wrapping, with its result."""
    while True:
        tree = tree_of(rng)
        shown = shown_of(rng, tree)
        one = rng.choice(shown)
        make: Callable[..., tuple[EditFormat, str, bytes | None] | None] = rng.choice(MAKERS)
        made = make(rng, one)
        if made is None:
            continue
        format, text, content = made
        path = CREATABLE if make is _created else one.path
        return Case(wrapped(rng, text), format, tree, shown, {path: content})


def wrapped(rng: random.Random, text: str) -> str:
    """Reasoning, a fence, or prose around a JSON reply."""
    if not text.startswith("{"):
        return text
    if rng.random() < 0.3:
        text = f"```json\n{text}\n```"
    if rng.random() < 0.3:
        text = f"Here is the change {{as asked}}:\n\n{text}\n\nIt keeps all tests {{green}}.\n"
    if rng.random() < 0.3:
        text = f"<think>\nFirst {{'a': 1}}, then \"file_patches\"...\n</think>\n{text}"
    return text


def _json(rng: random.Random, **patch: object) -> str:
    value = {"summary": "Make it better", "file_patches": [patch]}
    return json.dumps(value, ensure_ascii=rng.random() < 0.5 or "udc" in ascii(patch), indent=rng.choice((None, 2)))


def _bom(content: bytes) -> bytes:
    return content[:3] if content.startswith(b"\xef\xbb\xbf") else b""


def _by_feed(body: bytes) -> list[bytes]:
    parts = body.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _place(rng: random.Random, one: Shown, most: int) -> tuple[bytes, list[bytes], int, int] | None:
    """Lines of a file that were shown, are text, and stand there once: BOM, all lines, from, to."""
    bom = _bom(one.content)
    lines = _by_feed(one.content[len(bom) :])
    seen = [n for n in range(len(lines)) if one.ranges is None or any(n + 1 in each for each in one.ranges)]
    if not seen:
        return None
    first = rng.choice(seen)
    last = first + 1
    while last in seen and last - first < most and rng.random() < 0.6:
        last += 1
    bare = [line.rstrip(b"\r\n") for line in lines]
    wanted = bare[first:last]
    times = sum(bare[n : n + len(wanted)] == wanted for n in range(len(bare)))
    endings = {line[len(line.rstrip(b"\r\n")) :] for line in lines}
    mixed = b"\r\n" in endings and b"\n" in endings
    if times != 1 or not b"".join(wanted).strip() or b"\r" in b"".join(wanted) or (mixed and last - first > 1):
        return None
    if not b"\n".join(wanted).isascii() and not _utf8(one.content):
        return None
    return bom, lines, first, last


def _utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _new_lines(rng: random.Random, one: Shown, least: int = 0) -> list[str]:
    text = [f"{rng.choice(WORDS)} new {n}" for n in range(rng.randrange(least, 4))]
    return [*text, "größer"] if text and _utf8(one.content) and rng.random() < 0.2 else text


def _spliced(bom: bytes, lines: list[bytes], first: int, last: int, new: list[str]) -> bytes:
    """The file with other lines in the place of some; each in the newline of a uniform file."""
    ended = [line for line in lines if line.endswith(b"\n")]
    end = b"\r\n" if ended and all(line.endswith(b"\r\n") for line in ended) else b"\n"
    final = lines[last - 1][len(lines[last - 1].rstrip(b"\r\n")) :]
    made = [line.encode() + end for line in new]
    if made:
        made[-1] = made[-1][: -len(end)] + final
    return bom + b"".join([*lines[:first], *made, *lines[last:]])


def _blocks(rng: random.Random, one: Shown) -> tuple[EditFormat, str, bytes | None] | None:
    place = _place(rng, one, 5)
    if place is None:
        return None
    bom, lines, first, last = place
    new = _new_lines(rng, one)
    search = "".join(line.rstrip(b"\r\n").decode() + "\n" for line in lines[first:last])
    replace = "".join(f"{line}\n" for line in new)
    after = _spliced(bom, lines, first, last, new)
    markers = any(line in search for line in ("=======", "```", "<<<<<<<"))
    if rng.random() < 0.3 and not markers and "=======" not in replace:
        block = f"<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE"
        return "blocks", f"Make it better, quickly\n\n{one.path}\n```\n{block}\n```\n", after
    blank_end = any(each == "\n" or each.endswith("\n\n") for each in (search, replace))
    if rng.random() < 0.5 and not blank_end:
        search, replace = search.removesuffix("\n"), replace.removesuffix("\n")
    edits = [{"search": search, "replace": replace}]
    return "blocks", _json(rng, path=one.path, operation="modify", edits=edits), after


def _lines(rng: random.Random, one: Shown) -> tuple[EditFormat, str, bytes | None] | None:
    place = _place(rng, one, 1)
    if place is None:
        return None
    bom, lines, first, last = place
    new = _new_lines(rng, one)
    line = lines[first].rstrip(b"\r\n").decode()
    after = _spliced(bom, lines, first, last, new)
    return "lines", _json(rng, path=one.path, line=line, replacement="\n".join(new)), after


def _diff(rng: random.Random, one: Shown) -> tuple[EditFormat, str, bytes | None] | None:
    place = _place(rng, one, 5)
    if place is None:
        return None
    bom, lines, first, last = place
    new = _new_lines(rng, one)
    after = _spliced(bom, lines, first, last, new)
    text = make_diff(b"".join(lines), after[len(bom) :], one.path)
    if one.ranges is not None:  # a library may choose equal lines that were not shown
        gone = [line.rstrip(b"\r\n").decode() for line in lines[first:last] if line.endswith(b"\n")]
        if len(gone) < last - first or b"\r" in b"".join(lines):
            return None
        header = f"--- a/{one.path}\n+++ b/{one.path}\n@@ -{first + 1},{len(gone)} +{first + 1},{len(new)} @@\n"
        text = header + "".join(f"-{line}\n" for line in gone) + "".join(f"+{line}\n" for line in new)
    ended = [line for line in lines if line.endswith(b"\n")]
    if not text or (not ended and len(lines) > 0 and "\r" in text):
        return None
    if ended and all(line.endswith(b"\r\n") for line in ended):
        text = text.replace("\r\n", "\n")
    fenced = any(line.startswith("```") or line.startswith(" ```") for line in text.split("\n"))
    if rng.random() < 0.3 and "udc" not in ascii(text) and "\r" not in text:
        bare = fenced or rng.random() < 0.5
        return "diff", text if bare else f"Make it better now\n\n```diff\n{text}```\nDone.", after
    return "diff", _json(rng, path=one.path, operation="modify", unified_diff=text), after


def _whole(rng: random.Random, one: Shown) -> tuple[EditFormat, str, bytes | None] | None:
    place = _place(rng, one, 5)
    if place is None or one.ranges is not None or not _utf8(one.content):
        return None
    bom, lines, first, last = place
    after = _spliced(bom, lines, first, last, _new_lines(rng, one, 1))
    ended = [line for line in lines if line.endswith(b"\n")]
    text = after[len(bom) :].decode()
    if ended and all(line.endswith(b"\r\n") for line in ended):
        text = text.replace("\r\n", "\n")
    if text.startswith("```"):
        return None
    return "whole", _json(rng, path=one.path, operation="modify", content=text), after


def _created(rng: random.Random, one: Shown) -> tuple[EditFormat, str, bytes | None] | None:
    content = "".join(f"{rng.choice(WORDS)} {n}\n" for n in range(1, rng.randrange(2, 9)))
    form: EditFormat = rng.choice(("whole", "blocks", "diff"))
    if form == "diff":
        text = make_diff(b"", content.encode(), CREATABLE, new=True)
        return "diff", _json(rng, path=CREATABLE, operation="create", unified_diff=text), content.encode()
    return form, _json(rng, path=CREATABLE, operation="create", content=content), content.encode()


def _deleted(rng: random.Random, one: Shown) -> tuple[EditFormat, str, bytes | None] | None:
    if one.ranges is not None:
        return None
    form: EditFormat = rng.choice(("whole", "blocks", "diff"))
    filler = {"whole": {"content": ""}, "blocks": {"edits": []}, "diff": {"unified_diff": ""}}[form]
    return form, _json(rng, path=one.path, operation="delete", **filler), None


MAKERS = (_blocks, _blocks, _lines, _diff, _diff, _whole, _created, _deleted)
