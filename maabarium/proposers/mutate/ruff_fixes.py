"""The arm `ruff`: each fix that Ruff knows is one proposal, and the measurement decides.

Ruff runs on copies in an empty temporary folder, without configuration, cache or environment of the user's, and for
a bounded time. Only the program that was installed beside this interpreter is used, never one that a target, a
`PATH` or a working directory offers.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from maabarium.code.edits import Edit, splice
from maabarium.code.python_file import parse_strictly
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import FileArm, FileChange
from maabarium.safe_text import one_line

__all__ = ["SPEED", "RuffFixes", "find_fixes", "find_ruff", "fixable_rules", "oldest_python"]

SECONDS = 60.0
"""For all files of one question; Ruff reads some MB a second."""

STATIC = frozenset({"complexity", "lint", "maintainability", "size"})
"""Sources that are read off the text."""
FORMAT = re.compile(r"(?:COM|CPY|D|DOC|E[1235]|ERA|I|Q|W)\d+|PLR2044|RUF10\d")
"""Rules about comments, docstrings, quotes, blanks and the order of imports, of which only `maintainability` knows."""

SPEED_BY_CHANCE = {
    0.6: "RUF017",
    0.5: "FURB192",
    0.4: "RUF055",
    0.35: "RUF015 PLC0207",
    0.3: "PLR1733 PLR1736 C401 C402 C403 C404 C413 C414 FURB129 PERF401 PERF403 FURB161",
    0.25: "PIE810 SIM401 SIM911 PLW0108 C416 C417 PERF101 PERF102 FURB122 FURB142 UP031 UP032",
    0.2: "PLR6201 RUF019 RUF051 FURB132 PLW3301 C400 C405 C406 C409 C410 C411 C418 C420 FURB148 FURB187 "
    "FURB118 RUF007 UP028 FLY002 SIM905",
    0.15: "PLR1714 SIM101 SIM118 FURB171 PIE804 C408 RUF005 PLC0208 PIE800 FURB113 FURB140 RUF058 SIM110 RUF010 "
    "FURB116 FURB162 FURB163 FURB188 RUF046 RUF057 UP012 UP018",
    0.1: "C419 FURB110 FURB168 FURB169 PLC1802 PLC2801 B009 B010 PIE807 UP008 FURB145 FURB166",
}  # fmt: skip
SPEED = MappingProxyType({rule: chance for chance, rules in SPEED_BY_CHANCE.items() for rule in rules.split()})
"""Rules whose fixes may save time -> the chance that one in hot code does."""
LINT, SHORTER, LONGER = 0.5, 0.25, 0.05
"""Chances that a fix moves a number that is read off the text: by a rule that `lint` counts, by whether it shortens."""
FORMAT_CALL, F_STRING = "UP031", "UP032"
"""`%` becomes a call of `format`, which is slower; the second rule makes an f-string of it."""


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
) -> list[list[FileChange]]:
    """The fixes of these rules in each file (path, UTF-8 content), unsafe ones included, in the order of the text.

    The places in which they stand have no names yet. `minor` is the oldest Python 3 that the files are for. Files
    that do not parse have no fixes; there are none at all when Ruff is missing, fails or takes too long.
    """
    found: list[list[FileChange]] = [[] for _ in files]
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
        fix = _read(diagnostic, files[number][1], texts[number], starts[number])
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


def _read(diagnostic: Mapping[str, Any], content: bytes, text: bytes, starts: Sequence[int]) -> FileChange | None:
    """The fix of one diagnostic; None when it has none that may be applied."""
    fix, rule = diagnostic["fix"], diagnostic["code"]
    if not fix or fix["applicability"] not in ("safe", "unsafe") or not rule:
        return None
    edits = tuple(
        Edit(_offset(text, starts, edit["location"]), _offset(text, starts, edit["end_location"]), edit["content"])
        for edit in fix["edits"]
    )
    if not edits or splice(text, edits) in (None, text):
        return None
    return FileChange(
        operator=rule,
        prior=SPEED.get(rule, 0.0),
        name="<module>",
        what=one_line(fix["message"] or "", 60),
        why=f"{one_line(diagnostic['message'], 100)} (Ruff's {rule})",
        lines=range(diagnostic["location"]["row"], diagnostic["end_location"]["row"] + 1),
        edits=edits,
        raw=text,
        encoding="utf-8" if len(text) == len(content) else "utf-8-sig",
    )


def _offset(text: bytes, starts: Sequence[int], place: Mapping[str, int]) -> int:
    """Byte offset of a row and a column, both from 1; columns count characters."""
    if place["row"] > len(starts):
        return len(text)
    start = starts[place["row"] - 1]
    end = starts[place["row"]] if place["row"] < len(starts) else len(text)
    return start + len(text[start:end].decode()[: place["column"] - 1].encode())


class RuffFixes(FileArm):
    """The arm `ruff`."""

    name = "ruff"

    @functools.cached_property
    def fixable(self) -> frozenset[str]:
        """The rules of the installed Ruff that have fixes."""
        return fixable_rules()

    def find(self, files: Sequence[tuple[str, bytes]], request: ProposalRequest) -> Iterable[Sequence[FileChange]]:
        """What Ruff would fix in each file, by the rules that the objectives of the blueprint ask for."""
        read = [(path, content, _named_lines(content)) for path, content in files]
        python = [(path, content) for path, content, names in read if names is not None]
        minor = oldest_python(request)
        found = iter(_with_f_strings(python, find_fixes(python, self._rules(request), minor), minor))
        return [[_named(fix, names) for fix in next(found)] if names is not None else [] for _, _, names in read]

    def weight(self, change: FileChange, heat: float, request: ProposalRequest) -> float:
        """For speed by the short list and the heat; for text by whether the fix shortens it, in their share."""
        objectives = request.blueprint.objectives
        static = [metric for metric in objectives if str(metric.source) in STATIC]
        weight = change.prior * heat if len(static) < len(objectives) else 0.0
        if static:
            pyflakes = re.match(r"F\d", change.operator) and any(str(metric.source) == "lint" for metric in static)
            chance = LINT if pyflakes else SHORTER if _growth(change) < 0 else LONGER
            share = sum(metric.weight for metric in static) / sum(metric.weight for metric in objectives)
            weight = max(weight, chance * share)
        return weight

    def _rules(self, request: ProposalRequest) -> frozenset[str]:
        sources = {str(metric.source) for metric in request.blueprint.objectives}
        wanted = set(SPEED) if sources - STATIC else set()
        if static := sources & STATIC:
            wanted |= {rule for rule in self.fixable if "maintainability" in static or not FORMAT.fullmatch(rule)}
        return self.fixable & wanted


def oldest_python(request: ProposalRequest) -> int | None:
    """The minor version of the oldest Python that the target's `pyproject.toml` names; None when none does."""
    folders = {parent for path in request.targets for parent in PurePosixPath(path).parents}
    minors = []
    for folder in folders:
        try:
            said = tomllib.loads(request.files.read(str(folder / "pyproject.toml")).decode())
        except (KeyError, ValueError):
            continue
        project = said.get("project")
        wanted = str(project.get("requires-python")) if isinstance(project, dict) else ""
        minors += [int(minor) for minor in re.findall(r"(?:>|=|\^)\s*3\.(\d{1,2})\b", wanted)]
    return min(max(min(minors), 7), 14) if minors else None


def _named_lines(content: bytes) -> list[tuple[range, str]] | None:
    """The lines of functions and classes with their qualified names, outer ones first; None if not UTF-8 Python."""
    try:
        content.decode()
        module = parse_strictly(content)
    except (UnicodeDecodeError, SyntaxError):
        return None
    found: list[tuple[range, str]] = []
    stack: list[tuple[ast.AST, str]] = [(module, "")]
    while stack:
        node, name = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{name}.{node.name}".lstrip(".")
            found.append((range(node.lineno, (node.end_lineno or node.lineno) + 1), name))
        stack.extend((child, name) for child in ast.iter_child_nodes(node))
    return sorted(found, key=lambda each: each[0].start)


def _named(fix: FileChange, names: Sequence[tuple[range, str]]) -> FileChange:
    """The fix with the name of the innermost function or class in which it starts."""
    return replace(fix, name=next((name for lines, name in reversed(names) if fix.lines.start in lines), fix.name))


def _with_f_strings(
    files: Sequence[tuple[str, bytes]], found: Sequence[Sequence[FileChange]], minor: int | None
) -> Iterator[list[FileChange]]:
    """The fixes; those that make a call of `format` go on to the f-string, where Ruff can make one of it."""
    calls = [
        (number, fix, splice(fix.raw, fix.edits) or b"")
        for number, fixes in enumerate(found)
        for fix in fixes
        if fix.operator == FORMAT_CALL and len(fix.edits) == 1
    ]
    further = find_fixes([(files[number][0], text) for number, _, text in calls], {F_STRING}, minor)
    joined: dict[int, FileChange] = {}
    for (_, fix, text), strings in zip(calls, further, strict=True):
        (edit,) = fix.edits
        stop = edit.start + len(edit.text.encode())
        for string in strings:
            if all(edit.start <= each.start and each.end <= stop for each in string.edits):
                new = (splice(text, string.edits) or b"")[edit.start : stop + _growth(string)].decode()
                joined[id(fix)] = replace(fix, what=string.what, edits=(Edit(edit.start, edit.end, new),))
    for fixes in found:
        yield [joined.get(id(fix), fix) for fix in fixes]


def _growth(change: FileChange) -> int:
    """By how many bytes the file becomes longer."""
    return sum(len(edit.text.encode()) - (edit.end - edit.start) for edit in change.edits)
