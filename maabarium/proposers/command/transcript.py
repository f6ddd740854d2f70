"""What an agent printed, as it is kept: plain, its head and its tail. Pure."""

from __future__ import annotations

from maabarium.safe_text import plain

__all__ = ["kept", "last_line"]

HEAD, TAIL = 4000, 12_000
"""Characters: agents say at the end what they did, and at the beginning why they could not."""


def kept(output: str) -> str:
    """The output as it is stored."""
    text = plain(output).strip()
    if len(text) <= HEAD + TAIL:
        return text
    missing = len(text) - HEAD - TAIL
    return f"{text[:HEAD]}\n[... {missing} characters left out ...]\n{text[-TAIL:]}"


def last_line(text: str) -> str:
    """The last line with something on it: where programs say what went wrong."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
