"""Rules of the product-builder blueprint: what makes code a product, counted on the files and never guessed.

Copy this file with the blueprint and change it: it is an ordinary pytest file, and `pytest rules/product.py` in the
top folder of your project prints the same numbers. Each number is a share between 0 and 1. Nothing of the project is
imported, so the numbers do not depend on its environment.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    tomllib = None

FOLDERS = ("src", "lib", "apps", "packages")
ASIDE = {"tests", "test", "docs", "examples", "benchmarks", "build", "dist", "venv", "_vendor", "node_modules"}
DEBRIS = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b|^\s*(breakpoint\(\)|import i?pdb\b)", re.MULTILINE)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@pytest.fixture(scope="module")
def sources() -> dict[Path, str]:
    """Text of every Python file of the product."""
    top = Path.cwd()
    roots = [top / name for name in FOLDERS if (top / name).is_dir()] or [top]
    found = sorted(path for root in roots for path in root.rglob("*.py"))
    kept = [path for path in found if not ASIDE & {part.lower() for part in path.relative_to(top).parts}]
    kept = [path for path in kept if not any(part.startswith(".") for part in path.relative_to(top).parts)]
    return {path: path.read_text("utf-8", "replace") for path in kept if not path.name.startswith("test_")}


@pytest.fixture(scope="module")
def trees(sources) -> dict[Path, ast.Module]:
    """The syntax trees of the files that have one."""
    parsed = {}
    for path, text in sources.items():
        try:
            parsed[path] = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
    return parsed


@pytest.fixture(scope="module")
def documents() -> str:
    """The read-me and the documentation as one text."""
    top = Path.cwd()
    pages = [*top.glob("README*"), *sorted((top / "docs").rglob("*.md")), *sorted((top / "docs").rglob("*.rst"))]
    return "\n".join(page.read_text("utf-8", "replace") for page in pages if page.is_file())


def test_every_file_parses(sources, trees):
    """A gate: a product has no file that cannot be read."""
    assert sources, "no Python file found: change FOLDERS in this rules file"
    assert sorted(set(sources) - set(trees)) == []


def test_product_coherence(score, trees, documents):
    """Exported names exist, and the documents name what is public."""
    exported = [(name, tree) for tree in trees.values() for name in exports(tree)]
    public = {node.name for tree in trees.values() for node in definitions(tree)}
    words = set(re.findall(r"\w+", documents))
    score.measure(
        "product_coherence",
        mean(share(name in bound_names(tree) for name, tree in exported), share(name in words for name in public)),
    )


def test_ux_quality(score, trees):
    """What a user meets says what it is: public names, command-line options, and errors."""
    public = [node for tree in trees.values() for node in definitions(tree)]
    calls = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    options = [call for call in calls if called(call) in ("add_argument", "option")]
    raised = [
        node.exc for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc
    ]
    score.measure(
        "ux_quality",
        mean(
            share(ast.get_docstring(node) is not None for node in public),
            share(any(keyword.arg == "help" for keyword in call.keywords) for call in options),
            share(not isinstance(error, ast.Call) or bool(error.args or error.keywords) for error in raised),
        ),
    )


def test_shipping_readiness(score, sources, documents):
    """No debris in the code, and packaging that says what this is."""
    score.measure(
        "shipping_readiness",
        mean(share(not DEBRIS.search(text) for text in sources.values()), share(packaging(documents))),
    )


def packaging(documents: str) -> list[bool]:
    """What a package index would ask for."""
    project = {}
    if tomllib is not None and Path("pyproject.toml").is_file():
        project = tomllib.loads(Path("pyproject.toml").read_text("utf-8")).get("project", {})
    dynamic = project.get("dynamic", [])
    fields = ("name", "version", "description", "license", "readme", "requires-python")
    return [field in project or field in dynamic for field in fields] + [len(documents.split()) >= 50]


def definitions(tree: ast.Module) -> list:
    """Public classes and functions at the top of a module."""
    return [node for node in tree.body if isinstance(node, DEFINITIONS) and not node.name.startswith("_")]


def exports(tree: ast.Module) -> list[str]:
    """Names in a literal `__all__`."""
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, (ast.List, ast.Tuple))):
            continue
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            return [entry.value for entry in node.value.elts if isinstance(entry, ast.Constant)]
    return []


def bound_names(tree: ast.Module) -> set[str]:
    """Every name that a module defines, assigns or imports anywhere."""
    names = {node.name for node in ast.walk(tree) if isinstance(node, DEFINITIONS)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return names


def called(call: ast.Call) -> str:
    """The last part of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def share(truths) -> float | None:
    """The share of what holds; None when there was nothing to ask."""
    answers = [bool(truth) for truth in truths]
    return sum(answers) / len(answers) if answers else None


def mean(*shares: float | None) -> float:
    """The mean of the shares that there are."""
    known = [one for one in shares if one is not None]
    return sum(known) / len(known) if known else 0.0
