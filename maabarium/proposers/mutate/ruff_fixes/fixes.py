"""What Ruff would fix in some files, as exact edits: the real program, asked for its machine-readable answer.

It runs on copies in an empty temporary folder, without configuration, cache or environment of the user's, and for
a bounded time. Only the program that was installed beside this interpreter is used, never one that a target, a
`PATH` or a working directory offers. Knows no request and no objective.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maabarium.code.splices import Edit, splice

__all__ = ["RuffFix", "find_fixes", "find_ruff", "fixable_rules"]

SECONDS = 60.0
"""For all files of one question; Ruff reads some MB a second."""


@dataclass(frozen=True)
class RuffFix:
    """One fix of one diagnostic; the edits speak of the UTF-8 bytes of the file without a byte order mark."""

    rule: str
    message: str
    """What Ruff objects to."""
    title: str
    """What the fix does."""
    lines: range
    edits: tuple[Edit, ...]

    @property
    def span(self) -> tuple[int, int]:
        """From the first to the last byte that is replaced."""
        return min(edit.start for edit in self.edits), max(edit.end for edit in self.edits)

    @property
    def growth(self) -> int:
        """By how many bytes the file becomes longer."""
        return sum(len(edit.text.encode()) - (edit.end - edit.start) for edit in self.edits)


def find_ruff() -> Path | None:
    """The program that was installed with the package `ruff` for this interpreter."""
    user = sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user"))
    folders = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent), user)
    return next((path for folder in folders if (path := Path(folder, "ruff")).is_file()), None)


def fixable_rules() -> frozenset[str]:
    """Codes of all rules of the installed Ruff that have fixes and can be selected; none without Ruff."""
    found = _run(["rule", "--all", "--output-format", "json"], None)
    rules = found if isinstance(found, list) else []
    return frozenset(
        rule["code"]
        for rule in rules
        if "not available" not in rule["fix"] and not {"Removed", "Deprecated"} & set(rule.get("status") or ())
    )


def find_fixes(
    files: Sequence[tuple[str, bytes]], rules: Collection[str], minor: int | None = None
) -> list[list[RuffFix]]:
    """The fixes of these rules in each file (path, UTF-8 content), unsafe ones included, in the order of the text.

    `minor` is the oldest Python 3 that the files are for. Files that do not parse have no fixes; there are none at
    all when Ruff is missing, fails or takes too long.
    """
    found: list[list[RuffFix]] = [[] for _ in files]
    if not rules or not files:
        return found
    texts = [content.removeprefix(b"\xef\xbb\xbf") for _, content in files]
    starts = [(0, *(found.end() for found in re.finditer(rb"\r\n|\r|\n", text))) for text in texts]
    with tempfile.TemporaryDirectory(prefix="maabarium-ruff-") as folder:
        for number, ((path, _), text) in enumerate(zip(files, texts, strict=True)):
            copy = Path(folder, str(number), Path(path).name)
            copy.parent.mkdir()
            copy.write_bytes(text)
        target = [] if minor is None else ["--target-version", f"py3{minor}"]
        options = ["--isolated", "--no-cache", "--preview", "--unsafe-fixes", "--exit-zero", "--output-format", "json"]
        answer = _run(["check", *options, *target, "--select", ",".join(sorted(rules)), "."], folder)
    for diagnostic in answer if isinstance(answer, list) else ():
        number = int(Path(diagnostic["filename"]).parent.name)
        fix = _read(diagnostic, texts[number], starts[number])
        if fix is not None:
            found[number].append(fix)
    return found


def _run(arguments: Sequence[str], folder: str | None) -> Any:
    """Ruff's answer; None when there is none."""
    ruff = find_ruff()
    if ruff is None:
        return None
    try:
        done = subprocess.run(
            [ruff, *arguments], cwd=folder or "/", env={}, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=SECONDS, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _read(diagnostic: Mapping[str, Any], text: bytes, starts: Sequence[int]) -> RuffFix | None:
    """The fix of one diagnostic; None when it has none that may be applied."""
    fix = diagnostic["fix"]
    if not fix or fix["applicability"] not in ("safe", "unsafe") or not diagnostic["code"]:
        return None
    edits = tuple(
        Edit(_offset(text, starts, edit["location"]), _offset(text, starts, edit["end_location"]), edit["content"])
        for edit in fix["edits"]
    )
    if not edits or splice(text, edits) in (None, text):
        return None
    lines = range(diagnostic["location"]["row"], diagnostic["end_location"]["row"] + 1)
    return RuffFix(diagnostic["code"], diagnostic["message"], fix["message"] or "", lines, edits)


def _offset(text: bytes, starts: Sequence[int], place: Mapping[str, int]) -> int:
    """Byte offset of a row and a column, both from 1; columns count characters."""
    if place["row"] > len(starts):
        return len(text)
    start = starts[place["row"] - 1]
    end = starts[place["row"]] if place["row"] < len(starts) else len(text)
    return start + len(text[start:end].decode()[: place["column"] - 1].encode())
