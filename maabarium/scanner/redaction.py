"""Keys in text that is quoted: known shapes, long random runs, and what is assigned to a name such as `token`.

For keys that the program knows, `maabarium.secret.redacted` is exact; this is for those it has never seen.
"""

from __future__ import annotations

import re

__all__ = ["redact"]

STARS = "********"
SECRETS = (
    re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,4000}?(?:-----END|\Z)", re.DOTALL),
    re.compile(
        r"\b(?:sk|pk|rk)[-_][\w-]{16,}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bhf_\w{20,}"
    ),
    re.compile(r"\bxox[abeoprs]-[\w-]{10,}|\bA[KS]IA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    re.compile(r"(?<=://)[^/\s:@]{0,100}:[^/\s@]{1,200}(?=@)"),
    re.compile(r"[0-9a-fA-F]{32,}|[A-Za-z0-9+/]{40,}={0,2}"),
)
ASSIGNED = re.compile(
    r"""((?:password|passwd|passphrase|secret|token|api[_-]?key|credential)\w{0,20}["']?\s{0,5}[:=]\s{0,5}["']?)"""
    r"""(?!\*{8})[^\s"',;]{4,}""",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """The text with what looks like a key, a token or an assigned password blotted out."""
    for pattern in SECRETS:
        text = pattern.sub(STARS, text)
    return ASSIGNED.sub(rf"\1{STARS}", text)
