"""What rules files measure, read off their syntax trees without running them.

A name that is computed, or a `score` that is handed on to a function, cannot be known this way: it is reported as
`*`, and callers then take no name for missing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from maabarium.code.python_file import parse_strictly
from maabarium.errors import Problem

__all__ = ["ANY", "RuleFiles", "find_rules", "rule_scores", "timed_scores"]

ANY = "*"
_METHODS = frozenset({"measure", "timer", "points"})


@dataclass(frozen=True)
class RuleFiles:
    """The Python files behind `[evaluator] rules` and `holdout`, and the entries that lead nowhere."""

    paths: tuple[Path, ...]
    problems: tuple[Problem, ...] = ()


def find_rules(folder: Path, rules: tuple[str, ...], key: str = "evaluator.rules") -> RuleFiles:
    """Resolve entries (files or folders) relative to the blueprint's folder."""
    paths: dict[Path, None] = {}
    problems = []
    for index, entry in enumerate(rules):
        where, place = f"{key}[{index}]", folder / entry
        try:
            found = sorted(place.rglob("*.py")) if place.is_dir() else [place] if place.is_file() else []
        except (OSError, ValueError):
            found = []
        if not found:
            problems.append(Problem(where, f"there is no rules file {entry!r} in {folder.name or folder}"))
        paths.update(dict.fromkeys(found))
    return RuleFiles(tuple(paths), tuple(problems))


def rule_scores(paths: Iterable[Path]) -> frozenset[str]:
    """Names given to `score.measure`, `score.timer`, `score.points` and `mark.points`; `*` for computed ones.

    Files that cannot be read or parsed contribute nothing: they fail when they are collected, with a traceback.
    """
    return frozenset(name for path in paths for _, name in _calls(path))


def timed_scores(paths: Iterable[Path]) -> frozenset[str]:
    """Names given to `score.timer`: work per second by a clock, and therefore noisy."""
    return frozenset(name for path in paths for method, name in _calls(path) if method == "timer")


def _calls(path: Path) -> Iterator[tuple[str, str]]:
    try:
        tree = parse_strictly(path.read_bytes())
    except (OSError, SyntaxError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if method in _METHODS and isinstance(node.func, ast.Attribute) and _is_scoring(node.func.value):
            yield method, _first_name(node)
        elif any(isinstance(given, ast.Name) and given.id == "score" for given in _given(node)):
            yield "", ANY


def _is_scoring(owner: ast.expr) -> bool:
    """`score`, or the `mark` of `pytest.mark.points`."""
    return (isinstance(owner, ast.Name) and owner.id in ("score", "mark")) or (
        isinstance(owner, ast.Attribute) and owner.attr == "mark"
    )


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _first_name(call: ast.Call) -> str:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "name"]
    first = next(iter([*call.args, *named]), None)
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ANY
