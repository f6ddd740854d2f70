"""All operators over modules of the standard library: nothing raises, everything compiles, only the sites change."""

from __future__ import annotations

import ast
import difflib
import warnings
from collections import Counter
from pathlib import Path

import pytest

from maabarium.proposers.mutate.rewrites.arm import ALL_OPERATORS, find

LIBRARY = Path(ast.__file__).parent
SMALL, LARGE = 2_000, 20_000
ADDING = 12
"""Lines that a rewrite may add or take away beyond the function it works on: imports, constants, a helper."""


def sample() -> list[Path]:
    """Some sixty modules of middling size, spread over the alphabet."""
    folders = (LIBRARY, LIBRARY / "email", LIBRARY / "json", LIBRARY / "logging", LIBRARY / "xml" / "dom")
    modules = sorted(path for folder in folders for path in folder.glob("*.py"))
    fitting = [path for path in modules if SMALL <= path.stat().st_size <= LARGE]
    return fitting[:: max(1, len(fitting) // 60)][:60]


def definitions(tree: ast.Module) -> Counter[str]:
    """Functions and classes of a module by name."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return Counter(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_standard_library() -> None:
    found: Counter[str] = Counter()
    modules = sample()
    for path in modules:
        content = path.read_bytes()
        before = definitions(ast.parse(content))
        old = content.splitlines()
        for change in find(content, ALL_OPERATORS):
            found[change.operator] += 1
            new = change.content().splitlines()
            after = definitions(ast.parse(change.content()))
            assert not before - after, f"{path.name}: {change.summary} lost a definition"
            assert sum((after - before).values()) <= 1
            blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
            touched = [range(a, b) for tag, a, b, _, _ in blocks if tag != "equal"]
            lines_changed = sum(len(lines) for lines in touched)
            assert lines_changed <= max(ADDING, len(change.lines) + ADDING), f"{path.name}: {change.summary}"
    assert len(modules) >= 40
    assert len(found) >= 8, found
    assert sum(found.values()) >= 80, found


def test_warnings_of_the_file_are_not_ours() -> None:
    content = b'def f(x):\n    if x is 1: return "\\d"\n    return sorted(x)[:2]\n'
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(find(content, ALL_OPERATORS))) == 1
