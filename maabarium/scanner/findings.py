"""Suspicious places of a text, and what they add up to.

Text is read as a model would read it: without what a terminal obeys, without invisible characters, with one form of
each letter. Knows no prompts, models or blueprints.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from maabarium.safe_text import SEQUENCES, one_line
from maabarium.scanner.redaction import redact
from maabarium.scanner.threats import RULES, Kind, Rule, Severity, Threat

__all__ = ["Finding", "ScannerVerdict", "scan", "verdict"]

ScannerVerdict = Literal["pass", "flag", "block"]

FLAG, BLOCK = 4, 8
"""Sums of the severities in one source from which it is flagged, and in the mode `block` blocked."""
MOST_FINDINGS = 8
EXCERPT = 180
WINDOW = 600
"""Characters that are redacted for an excerpt, so that no key is cut before it is seen whole."""

DOCUMENTS = frozenset({".md", ".markdown", ".mdx", ".rst", ".txt", ".adoc", ".html"})
CODE = frozenset({
    ".py", ".pyi", ".pyx", ".js", ".jsx", ".ts", ".tsx", ".mjs", ".go", ".rs", ".c", ".h", ".cc", ".cpp", ".hpp",
    ".java", ".kt", ".scala", ".rb", ".php", ".pl", ".lua", ".r", ".jl", ".cs", ".swift", ".sh", ".bash", ".zsh",
    ".fish", ".ps1", ".sql", ".css", ".scss", ".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".mk", ".cmake",
    ".nix", ".tf", ".dockerfile",
})  # fmt: skip

LOWER = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", strict=True))
SPACED = str.maketrans(LOWER | dict.fromkeys("_-*#/|>\"'`~;%+=,()[]{}<\\&$^", " "))
"""What separates words in comments, markup and identifiers; one character for one, so that places stay the same."""
LOOKALIKES = str.maketrans("аесіјорѕухѵοενικΑΒΕΗΙΚΜΝΟΡΤΧАВЕКМНОРСТХ", "aecijopsyxvoevikabehikmnoptxabekmhopctx")
TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
"""Invisible twins of ASCII, which models read and people do not see."""
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Finding:
    """One suspicious place. Each rule is found at most once in a text."""

    cls: Threat
    severity: Severity
    rule: str
    excerpt: str
    """One line with the place, at most 180 characters, keys blotted out; untrusted text."""
    source: str


def scan(text: str, source: str) -> tuple[Finding, ...]:
    """At most 8 findings, the worst first.

    `source` is a path or a description such as `test output`; its ending decides whether shell commands and markup
    are suspicious (in a failure message) or ordinary (in code and manuals).
    """
    kind = _kind_of(source)
    base = _visible(text)
    words = base.replace("\\n", "  ").replace("\\t", "  ").translate(SPACED).translate(LOOKALIKES)
    found: list[tuple[int, int, Rule]] = []
    for rule in RULES:
        severity = rule.severity[kind]
        if severity and any(stem in words for stem in rule.stems):
            match = rule.pattern.search(words if rule.spaced else base)
            if match:
                found.append((-severity, match.start(), rule))
    found.sort(key=lambda each: each[:2])
    return tuple(
        Finding(rule.cls, rule.severity[kind], rule.name, _excerpt(base, at), source)
        for _, at, rule in found[:MOST_FINDINGS]
    )


def verdict(findings: Sequence[Finding], mode: Literal["flag", "block"], allow: Sequence[str] = ()) -> ScannerVerdict:
    """What the worst source deserves: severities add up within a source, never across sources.

    `allow` are regular expressions, searched for in source and excerpt: what they match counts for nothing, except
    that a source which would be blocked without them is still flagged. ValueError for one that cannot be compiled.
    """
    patterns = [_compiled(each) for each in allow]
    worst: ScannerVerdict = "pass"
    for source in dict.fromkeys(each.source for each in findings):
        mine = [each for each in findings if each.source == source]
        total = sum(each.severity for each in mine)
        counted = sum(
            each.severity
            for each in mine
            if not any(pattern.search(each.source) or pattern.search(each.excerpt) for pattern in patterns)
        )
        if counted >= BLOCK and mode == "block":
            return "block"
        if counted >= FLAG or (total >= BLOCK and mode == "block"):
            worst = "flag"
    return worst


def _kind_of(source: str) -> Kind:
    suffix = PurePosixPath(source.strip()).suffix.lower()
    if suffix in CODE:
        return "code"
    return "document" if suffix in DOCUMENTS else "other"


def _visible(text: str) -> str:
    """The text as a model would read it: no terminal sequences, no invisible characters, one form of each letter."""
    text = SEQUENCES.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(TAGS))
        unseen = {ord(each): None for each in set(text) if unicodedata.category(each) == "Cf"}
        text = text.translate(unseen)
    return CAMEL.sub(" ", text)


def _excerpt(base: str, at: int) -> str:
    before = base[max(at - 60, 0) : at]
    start = at - len(before.split()[-1]) if before and not before[-1].isspace() else at
    window = base[max(start, 0) : at + WINDOW]
    if at + WINDOW < len(base):
        window = re.sub(r"\S+\Z", "", window) or window[:EXCERPT]
    return one_line(redact(window), EXCERPT)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
