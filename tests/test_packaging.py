"""What is shipped: files of the wheel, metadata of the installation, scripts."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import maabarium

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HATCHLING = importlib.util.find_spec("hatchling") is not None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """A wheel of this checkout, built without a network."""
    if not HATCHLING:
        pytest.skip("hatchling, the build backend, is not installed here")
    folder = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return zipfile.Path(found)


def shipped(root: Path) -> list[str]:
    """Every file of both packages that the version control knows, or would."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "maabarium", "maabarium_pytest"]
    done = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (root / name).is_file()]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_the_wheel_has_every_file_of_both_packages(wheel: zipfile.Path) -> None:
    missing = [name for name in shipped(ROOT) if not wheel.joinpath(name).exists()]
    assert missing == []


def test_the_wheel_has_what_is_not_code(wheel: zipfile.Path) -> None:
    assert wheel.joinpath("maabarium/py.typed").exists()
    assert wheel.joinpath("maabarium_pytest/py.typed").exists()
    assert wheel.joinpath("maabarium_pytest/target/boot.py").exists()
    assert wheel.joinpath("maabarium_pytest/empty.ini").exists()
    templates = [one.name for one in wheel.joinpath("maabarium/report").iterdir() if one.name.endswith(".j2")]
    assert len(templates) >= 2
    tops = {one.name for one in wheel.iterdir()}
    assert tops == {"maabarium", "maabarium_pytest", f"maabarium-{maabarium.__version__}.dist-info"}


def test_the_wheel_declares_its_entry_points_and_licence(wheel: zipfile.Path) -> None:
    info = wheel.joinpath(f"maabarium-{maabarium.__version__}.dist-info")
    text = info.joinpath("entry_points.txt").read_text()
    for line in ("maabarium = maabarium.cli:main", "maabarium = maabarium_pytest.plugin"):
        assert line in text
    assert info.joinpath("licenses", "LICENSE").exists()


def test_entry_points_load() -> None:
    found = {
        (entry.group, entry.name): entry.load() for entry in importlib.metadata.distribution("maabarium").entry_points
    }
    assert {("console_scripts", "maabarium"), ("pytest11", "maabarium")} <= set(found)
    assert {("maabarium", "maabarium"), ("maabarium", "maabarium_pytest")} <= set(found)
    assert callable(found["console_scripts", "maabarium"])


def test_the_installation_is_the_version_that_is_imported() -> None:
    assert importlib.metadata.version("maabarium") == maabarium.__version__ == PYPROJECT["project"]["version"]


def test_the_command_answers_as_script_and_as_module() -> None:
    for argv in ([str(Path(sys.executable).parent / "maabarium")], [sys.executable, "-m", "maabarium"]):
        done = subprocess.run([*argv, "--version"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert maabarium.__version__ in done.stdout


def test_the_checks_for_main_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    text = script.read_text(encoding="utf-8")
    assert all(command in text for command in ("pip install", "\npytest", "\nruff check", "\nmypy"))
