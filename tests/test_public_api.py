"""What the packages export exists, is listed once, and is all there is; the manual of hooks is true."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pluggy
import pytest

import maabarium
from maabarium.plugins.hookspecs import hookspec
from maabarium.plugins.manager import KINDS, build_plugins, hookspecs

ROOT = Path(__file__).parents[1]
PLUGINS_PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
IN_THE_TARGET = "maabarium_pytest.target."
"""Modules that are run by another interpreter, by scripts."""


def module_names() -> list[str]:
    names = []
    for package in ("maabarium", "maabarium_pytest"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if not name.endswith("__main__") and not name.startswith(IN_THE_TARGET)]


def test_all_of_maabarium_is_its_public_names() -> None:
    public = {
        name
        for name in dir(maabarium)
        if not name.startswith("_") and not isinstance(getattr(maabarium, name), ModuleType)
    }
    assert set(maabarium.__all__) == public - {"annotations", "TYPE_CHECKING"}
    assert list(maabarium.__all__) == sorted(set(maabarium.__all__))


def test_a_public_name_is_what_a_type_checker_takes_it_for() -> None:
    """Names are imported when they are asked for; the imports that a checker reads say the same."""
    tree = ast.parse(Path(maabarium.__file__).read_text(encoding="utf-8"))
    homes = {alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
             for alias in node.names if node.module and node.module.startswith("maabarium.")}  # fmt: skip
    assert sorted(homes) == maabarium.__all__
    for name, home in homes.items():
        assert getattr(maabarium, name) is getattr(importlib.import_module(str(home)), name)
    with pytest.raises(AttributeError, match="no attribute 'Evaluatoin'"):
        maabarium.Evaluatoin  # noqa: B018 - a slip of the pen


def test_what_plug_in_authors_need_is_exported() -> None:
    assert {"Evaluation", "Gate", "Measurement", "Proposal", "FileEdit", "hookimpl"} <= set(maabarium.__all__)


@pytest.mark.parametrize("name", module_names())
def test_exported_names_exist(name: str) -> None:
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", [])
    assert [one for one in listed if not hasattr(module, one)] == []
    assert len(listed) == len(set(listed))
    assert module.__doc__, f"{name} does not say what it is for"


def test_versions_agree() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{maabarium.__version__}"' in pyproject
    assert f"## {maabarium.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def specified() -> dict[str, list[str]]:
    """Every hook with the names of its arguments, as pluggy understands them."""
    manager = pluggy.PluginManager("maabarium")
    manager.add_hookspecs(hookspecs)
    return {
        name: list(inspect.signature(getattr(hookspecs, name)).parameters)
        for name in vars(manager.hook)
        if name.startswith("maabarium_")
    }


def documented() -> dict[str, list[str]]:
    """The table of hooks in docs/plugins.md."""
    rows = re.findall(r"^\| `(maabarium_\w+)` \| ([^|]+) \|", PLUGINS_PAGE, flags=re.MULTILINE)
    return {name: re.findall(r"`(\w+)`", arguments) for name, arguments in rows}


def test_the_page_lists_every_hook_with_its_arguments() -> None:
    assert documented() == specified()


def test_every_function_of_the_specification_is_a_hook() -> None:
    named = {n for n, value in vars(hookspecs).items() if n.startswith("maabarium_") and inspect.isfunction(value)}
    assert named == set(specified())
    assert isinstance(hookspec, pluggy.HookspecMarker)


@pytest.mark.parametrize("name", specified())
def test_a_hook_is_documented_with_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, name)) or ""
    assert "Example:" in text
    assert f"def {name}(" in text


def test_the_page_lists_every_registry() -> None:
    section = PLUGINS_PAGE.split("## Registries")[1].split("\n## ")[0]
    assert tuple(re.findall(r"^\| (\w+) \| (?!a factory)", section, flags=re.MULTILINE)) == tuple(KINDS)


def test_our_own_contributions_come_through_entry_points() -> None:
    assert build_plugins(entry_points=False).get_plugins() == set()
    assert {"maabarium", "maabarium_pytest"} <= {name for name, _ in build_plugins().list_name_plugin()}
