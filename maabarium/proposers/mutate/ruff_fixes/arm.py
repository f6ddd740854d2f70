"""Ruff's fixes as an arm: all rules for numbers that are read off the text, a short list for speed.

For speed a fix is only proposed where the line map says that the code runs, if there is a line map.
"""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType

from maabarium.code.python_file import parse
from maabarium.code.splices import Edit, splice
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.file_arm import FileArm, FileChange
from maabarium.proposers.mutate.ruff_fixes.fixes import RuffFix, find_fixes, fixable_rules
from maabarium.safe_text import one_line

__all__ = ["SPEED", "RuffFixes", "oldest_python"]

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
    0.25: "PIE810 SIM401 SIM911 PLW0108 C416 C417 C419 PERF101 PERF102 FURB122 FURB142 UP031 UP032",
    0.2: "PLR6201 RUF019 RUF051 FURB132 PLW3301 C400 C405 C406 C409 C410 C411 C418 C420 FURB148 FURB187 "
    "FURB118 RUF007 UP028 FLY002 SIM905",
    0.15: "PLR1714 SIM101 SIM118 FURB171 PIE804 C408 RUF005 PLC0208 PIE800 FURB113 FURB140 RUF058 SIM110 RUF010 "
    "FURB116 FURB162 FURB163 FURB188 RUF046 RUF057 UP012 UP018",
    0.1: "FURB110 FURB168 FURB169 PLC1802 PLC2801 B009 B010 PIE807 UP008 FURB145 FURB166",
}  # fmt: skip
SPEED = MappingProxyType({rule: chance for chance, rules in SPEED_BY_CHANCE.items() for rule in rules.split()})
"""Rules whose fixes may save time -> the chance that one in hot code does."""
LINT, SHORTER, LONGER = 0.5, 0.25, 0.05
"""Chances that a fix moves a number that is read off the text: by a rule that `lint` counts, by whether it shortens."""
FORMAT_CALL, F_STRING = "UP031", "UP032"
"""`%` becomes a call of `format`, which is slower; the second rule makes an f-string of it."""


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
        return [_changes(content, names, next(found)) if names is not None else () for _, content, names in read]

    def weight(self, change: FileChange, heat: float, request: ProposalRequest) -> float:
        """For speed by the short list and the heat; for text by whether the fix shortens it, in their share."""
        objectives = request.blueprint.objectives
        static = [metric for metric in objectives if str(metric.source) in STATIC]
        weight = change.prior * heat if len(static) < len(objectives) else 0.0
        if static:
            pyflakes = re.match(r"F\d", change.operator) and any(str(metric.source) == "lint" for metric in static)
            growth = sum(len(edit.text.encode()) - (edit.end - edit.start) for edit in change.edits)
            chance = LINT if pyflakes else SHORTER if growth < 0 else LONGER
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
        minors += [int(minor) for minor in re.findall(r"(?:>|=|\^)\s*3\.(\d{1,2})\b", str(_requirement(said)))]
    return min(max(min(minors), 7), 14) if minors else None


def _requirement(said: dict[str, object]) -> object:
    project = said.get("project")
    return project.get("requires-python") if isinstance(project, dict) else None


def _named_lines(content: bytes) -> list[tuple[range, str]] | None:
    """The lines of functions and classes with their qualified names, outer ones first; None if not UTF-8 Python."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return None
    module = parse(content)
    if module is None:
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


def _changes(content: bytes, names: Sequence[tuple[range, str]], fixes: Iterable[RuffFix]) -> tuple[FileChange, ...]:
    bom = b"\xef\xbb\xbf"
    return tuple(
        FileChange(
            operator=fix.rule,
            prior=SPEED.get(fix.rule, 0.0),
            name=next((name for lines, name in reversed(names) if fix.lines.start in lines), "<module>"),
            what=one_line(fix.title, 60),
            why=f"{one_line(fix.message, 100)} (Ruff's {fix.rule})",
            lines=fix.lines,
            edits=fix.edits,
            raw=content.removeprefix(bom),
            encoding="utf-8-sig" if content.startswith(bom) else "utf-8",
        )
        for fix in fixes
    )


def _with_f_strings(
    files: Sequence[tuple[str, bytes]], found: Sequence[Sequence[RuffFix]], minor: int | None
) -> Iterator[list[RuffFix]]:
    """The fixes; those that make a call of `format` go on to the f-string, where Ruff can make one of it."""
    calls = [
        (number, fix, splice(files[number][1].removeprefix(b"\xef\xbb\xbf"), fix.edits) or b"")
        for number, fixes in enumerate(found)
        for fix in fixes
        if fix.rule == FORMAT_CALL and len(fix.edits) == 1
    ]
    further = find_fixes([(files[number][0], text) for number, _, text in calls], {F_STRING}, minor)
    joined: dict[int, RuffFix] = {}
    for (_, fix, text), strings in zip(calls, further, strict=True):
        (edit,) = fix.edits
        stop = edit.start + len(edit.text.encode())
        for string in strings:
            if edit.start <= string.span[0] and string.span[1] <= stop:
                new = (splice(text, string.edits) or b"")[edit.start : stop + string.growth].decode()
                joined[id(fix)] = RuffFix(
                    fix.rule, fix.message, string.title, fix.lines, (Edit(edit.start, edit.end, new),)
                )
    for fixes in found:
        yield [joined.get(id(fix), fix) for fix in fixes]
