"""What of an interpreter is shown: its own folders, and of editable installs what can be imported only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from maabarium.sandbox.interpreter import folders_of_program


@pytest.fixture
def python(tmp_path: Path) -> str:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60)
    return str(tmp_path / "venv" / "bin" / "python")


def checkout(folder: Path) -> Path:
    for name in ("pkg/__init__.py", "pkg/core.py", "single.py", ".env", ".git/config", "data/runs.db"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


def shown(python: str, tmp_path: Path) -> set[str]:
    return {entry for entry in folders_of_program(python, "", tmp_path) if "checkout" in entry}


def test_a_path_of_an_editable_install(python: str, tmp_path: Path) -> None:
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    place = checkout(tmp_path / "checkout")
    (site / "editable.pth").write_text(f"# a comment\n{place}\n/nowhere/at/all\n")
    assert shown(python, tmp_path) == {str(place / "pkg"), str(place / "single.py")}


@pytest.mark.parametrize("named", ["pkg", "pkg/__init__.py"])
def test_an_import_hook_of_an_editable_install(python: str, tmp_path: Path, named: str) -> None:
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    place = checkout(tmp_path / "checkout")
    (site / "__editable__.pkg.pth").write_text("import __editable___pkg_finder; __editable___pkg_finder.install()\n")
    hook = f"MAPPING = {{'pkg': {str(place / named)!r}}}\n\ndef install():\n    pass\n"
    (site / "__editable___pkg_finder.py").write_text(hook)
    assert shown(python, tmp_path) == {str(place / "pkg")}


def test_a_broken_hook_shows_nothing_more(python: str, tmp_path: Path) -> None:
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    place = checkout(tmp_path / "checkout")
    (site / "odd.pth").write_text("import odd_hook\n")
    (site / "odd_hook.py").write_bytes(b"\xff\xfe not python " + str(place).encode())
    assert shown(python, tmp_path) == set()
