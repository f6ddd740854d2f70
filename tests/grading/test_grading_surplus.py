"""Plug-ins that came with Maabarium are loaded where something of the target or its rules speaks of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maabarium_pytest.grading.suite import surplus_plugins

BOTH = ("anyio", "hypothesispytest")
ASKS = """
def test_loaded(request):
    listed = request.config.pluginmanager.list_name_plugin()
    found = {name[:4] for name, plugin in listed if plugin is not None}
"""


@pytest.mark.parametrize(
    ("path", "content", "left"),
    [
        ("tests/test_a.py", "def test_a(): pass\n", BOTH),
        ("tests/test_a.py", "import pytest\n@pytest.mark.anyio\nasync def test_a(): pass\n", BOTH[1:]),
        ("tests/helpers/given.py", "from hypothesis import given\n", BOTH[:1]),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--hypothesis-seed=1"\nanyio_mode = "auto"\n', ()),
        ("app/core.py", "import anyio, hypothesis\n", BOTH),
        ("notes.md", "anyio and hypothesis\n", BOTH),
        ("__pycache__/old.py", "import anyio\n", BOTH),
    ],
)
def test_what_is_named_stays(tmp_path: Path, path: str, content: str, left: tuple[str, ...]) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(content)
    assert surplus_plugins(tmp_path, ["app/core.py"], []) == left


def test_rules_count_and_what_cannot_be_read_does_not(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    assert surplus_plugins(tmp_path, [], [b"x = 1", b"import hypothesis"]) == ("anyio",)


@pytest.mark.parametrize(("more", "loaded"), [("", False), ("import hypothesis\n", True)])
def test_they_are_really_off_and_on(target: Any, more: str, loaded: bool) -> None:
    target.options = {"args": []}
    target.write({"calc.py": "", "test_calc.py": f"{more}{ASKS}    assert ('hypo' in found) is {loaded}\n"})
    assert target.grade().failed_gate is None


def test_arguments_of_the_blueprint_bring_one_back(target: Any) -> None:
    target.options = {"args": ["-p", "anyio"]}
    target.write({"calc.py": "", "test_calc.py": f"{ASKS}    assert 'anyi' in found\n"})
    assert target.grade().failed_gate is None
