"""Untrusted text made safe to show: in a terminal, a report, a log line. Knows nothing of where text comes from.

What a terminal would obey rather than print is dangerous twice: it can rewrite what a person sees ("0 failed"), and
some terminals can be made to type. Bidirectional overrides and invisible characters do the same to source text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

__all__ = ["listed", "one_line", "plain", "printable"]

SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor, erasing (ECMA-48 section 5.4)
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # operating system commands: window title, links, clipboard
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # device control and other strings, up to their terminator
)
"""Whole escape sequences are dropped; what is left of broken ones is shown."""

KEPT_FORMAT = frozenset("\u200c\u200d")
"""Joiners, which scripts and emoji need; every other invisible format character is shown."""
ELLIPSIS = "…"


def plain(text: str, limit: int | None = None) -> str:
    """Return text that prints as what it is: no escape sequence, no control character but newline and tab.

    Whole terminal sequences vanish. Other control characters, bidirectional controls, invisible format characters,
    line separators and lone surrogates appear as `\\x1b`, `\\u202e` and so on; `\\r\\n` becomes a newline.
    At most `limit` characters are returned, the last of which is an ellipsis when something was cut.
    The result is stable: making it plain again changes nothing. ValueError for a limit below 1.
    """
    clean = SEQUENCES.sub("", text).replace("\r\n", "\n")
    if not clean.isascii() or not clean.replace("\n", "").replace("\t", "").isprintable():
        table = {ord(character): visible(character) for character in set(clean) if not is_safe(character)}
        clean = clean.translate(table)
    return clean if limit is None else shortened(clean, limit)


def one_line(text: str, limit: int = 200) -> str:
    """Return `plain` text on one line: every run of white space is a single space, at most `limit` characters."""
    return shortened(" ".join(plain(text).split()), limit)


def listed(names: Iterable[str], most: int = 5, limit: int = 300) -> str:
    """The first of some names, each on one line of at most `limit` characters, and how many more there are."""
    known = [one_line(name, limit) for name in names]
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


def printable(name: str | Path) -> str:
    """A path or a key as part of a sentence: what does not print comes out as a Python escape."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(name))


def is_safe(character: str) -> bool:
    """Whether a character prints as itself and moves nothing else."""
    if character in "\n\t" or character in KEPT_FORMAT:
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def visible(character: str) -> str:
    """The character as a Python escape."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shortened(text: str, limit: int) -> str:
    """The beginning of a text, with an ellipsis for the rest."""
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS
