"""What a run is graded by has a fingerprint: it changes with every file and option that may change a verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_target import Target

from maabarium.plugins.manager import build_plugins
from maabarium.run.binding import bind_blueprint
from maabarium.run.record import RunOptions, new_record
from maabarium.workspace.repository import Repository


def fingerprint(target: Target, cache: Path) -> str:
    path = target.root / "bp.toml"
    binding = bind_blueprint(path, build_plugins())
    repository = Repository.create(binding.target, "0123abcd", cache)
    try:
        return new_record(binding, path, RunOptions(), repository, "maabarium/speed").grader_hash
    finally:
        repository.close()


@pytest.mark.parametrize(
    "name",
    ["tests/test_app.py", "tests/conftest.py", "conftest.py", "pyproject.toml", "scoring/test_speed.py",
     "scoring/conftest.py", "scoring/data.csv"],
)  # fmt: skip
def test_it_changes_with_every_file_that_grades(target: Target, tmp_path: Path, name: str) -> None:
    target.write("bp.toml", (target.root / "bp.toml").read_text().replace('"scoring/test_speed.py"', '"scoring"'))
    target.commit()
    before = fingerprint(target, tmp_path / "cache")
    assert fingerprint(target, tmp_path / "cache") == before
    file = target.root / name
    target.write(name, (file.read_text() if file.exists() else "") + "\n")
    target.commit()
    assert fingerprint(target, tmp_path / "cache") != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "pytest"', 'kind = "pytest"\nargs = ["-m", "fast"]'),
        ("weight = 1.0", "weight = 1.0, noisy = true"),
        ('target_files = ["app/**/*.py"]', 'target_files = ["app/**/*.py"]\nprotected = ["docs/**"]'),
    ],
)
def test_it_changes_with_every_option_that_grades(target: Target, tmp_path: Path, old: str, new: str) -> None:
    target.write("docs/page.md", "text\n")
    target.commit()
    before = fingerprint(target, tmp_path / "cache")
    text = (target.root / "bp.toml").read_text()
    assert old in text
    target.write("bp.toml", text.replace(old, new))
    assert fingerprint(target, tmp_path / "cache") != before


def test_it_stays_when_files_change_that_grade_nothing(target: Target, tmp_path: Path) -> None:
    target.write("notes.txt", "")
    target.commit()
    before = fingerprint(target, tmp_path / "cache")
    for name in ("app/__init__.py", "notes.txt"):
        target.write(name, "SPEED = 3\n")
        target.commit()
    assert fingerprint(target, tmp_path / "cache") == before
