"""The example plug-in, installed as its users would, and a loop that keeps what it measured to be smaller."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from maabarium.plugins.manager import build_plugins, contributions
from maabarium.run.prepared import prepare_run
from maabarium.run.record import RunOptions
from maabarium.run.run import open_run

PLUGIN = Path(__file__).parents[1] / "examples" / "plugins" / "wheel-size"

BACKEND = '''"""A build backend of a few lines, so that the test needs no other."""
import pathlib
import zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "parcel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w") as wheel:
        wheel.writestr("parcel.py", pathlib.Path("parcel.py").read_text())
        wheel.writestr("parcel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: parcel\\nVersion: 1.0\\n")
        wheel.writestr("parcel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("parcel-1.0.dist-info/RECORD", "")
    return name
'''
LARGE = f'PADDING = "{"x" * 4096}"\n\n\ndef weigh():\n    return 3\n'
SMALL = "def weigh():\n    return 3\n"
WRONG = "def weigh():\n    return 4\n"
BLUEPRINT = """
[blueprint]
name = "lighter"
version = "1"
description = "a smaller wheel"
[domain]
repo_path = "parcel"
target_files = ["parcel.py"]
language = "python"
isolation = "snapshot"
[constraints]
max_iterations = 2
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0.0
[[metrics.metrics]]
name = "wheel"
weight = 1.0
direction = "minimize"
description = "size of the wheel in KiB"
source = "wheel-size:wheel_kb"
[proposer]
kind = "scripted"
path = "proposals.jsonl"
"""


def plugin_project() -> dict[str, object]:
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    assert isinstance(project, dict)
    return project


def forget() -> None:
    sys.modules.pop("maabarium_wheel_size", None)


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The plug-in on the path with the metadata that an installer would write of its pyproject.toml."""
    project = plugin_project()
    site = tmp_path / "site"
    info = site / "maabarium_wheel_size-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"]
    assert isinstance(groups, dict)
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (site / "maabarium_wheel_size.py").write_bytes((PLUGIN / "maabarium_wheel_size.py").read_bytes())
    monkeypatch.syspath_prepend(site)
    yield site
    forget()


@pytest.fixture
def blueprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    parcel = tmp_path / "work" / "parcel"
    parcel.mkdir(parents=True)
    (parcel / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "parcel"\nversion = "1.0"\n'
    )
    (parcel / "backend.py").write_text(BACKEND)
    (parcel / "parcel.py").write_text(LARGE)
    (parcel / "test_parcel.py").write_text("import parcel\n\n\ndef test_weigh():\n    assert parcel.weigh() == 3\n")
    proposals = [
        {"summary": text, "file_patches": [{"path": "parcel.py", "operation": "modify", "content": content}]}
        for text, content in (("smaller, but wrong", WRONG), ("drop the padding", SMALL))
    ]
    (parcel.parent / "proposals.jsonl").write_text("".join(json.dumps(one) + "\n" for one in proposals))
    path = parcel.parent / "lighter.toml"
    path.write_text(BLUEPRINT)
    return path


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="the plug-in builds wheels with pip")
@pytest.mark.slow
def test_a_loop_keeps_the_smaller_wheel(registered: Path, blueprint: Path) -> None:
    plugins = build_plugins()
    assert "wheel-size" in contributions(plugins, "evaluators")
    with open_run(prepare_run(blueprint, RunOptions(), plugins)) as run:
        baseline, wrong, smaller = run.outcomes()
    assert baseline.verdict == "baseline", baseline.reason
    assert (wrong.verdict, wrong.failing) == ("rejected", ("test_parcel.py::test_weigh",))
    assert smaller.verdict == "promoted", smaller.reason
    (metric,) = smaller.metrics
    assert metric.source == "wheel-size:wheel_kb"
    assert metric.raw is not None and metric.baseline is not None
    assert metric.baseline - metric.raw == pytest.approx((len(LARGE) - len(SMALL)) / 1024)


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="the plug-in builds wheels with pip")
def test_a_target_that_cannot_be_built_is_a_failed_gate(registered: Path, blueprint: Path) -> None:
    (blueprint.parent / "parcel" / "backend.py").write_text("def build_wheel(*_):\n    raise SystemExit('no wheel')\n")
    with open_run(prepare_run(blueprint, RunOptions(), build_plugins())) as run:
        (baseline,) = run.outcomes()
    assert run.end is not None and run.end.state == "failed"
    (gate,) = [gate for gate in baseline.gates if not gate.passed]
    assert gate.name == "wheel-size:wheel"
    assert baseline.reason


@pytest.mark.skipif(
    not (importlib.util.find_spec("pip") and importlib.util.find_spec("hatchling")), reason="needs pip and hatchling"
)
def test_the_plug_in_installs(tmp_path: Path) -> None:
    site = tmp_path / "site"
    source = tmp_path / "wheel-size"
    source.mkdir()
    for file in ("pyproject.toml", "maabarium_wheel_size.py"):
        (source / file).write_bytes((PLUGIN / file).read_bytes())
    argv = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*argv, "--target", str(site), str(source)], check=True, capture_output=True, timeout=60)
    (found,) = importlib.metadata.distributions(path=[str(site)])
    (entry,) = found.entry_points
    assert (entry.group, entry.name, entry.value) == ("maabarium", "wheel-size", "maabarium_wheel_size")
    assert (site / "maabarium_wheel_size.py").read_bytes() == (PLUGIN / "maabarium_wheel_size.py").read_bytes()
