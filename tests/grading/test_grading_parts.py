"""Rules on disk, target files, static numbers, requirements, and the child's code on old Pythons."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from maabarium.errors import EvaluationError
from maabarium_pytest.grading.requirements import missing_packages
from maabarium_pytest.grading.rules import FOLDER, mounted, read_rules
from maabarium_pytest.grading.static import UnreadableFile, measure_text
from maabarium_pytest.grading.suite import TARGET_CODE
from maabarium_pytest.grading.targets import find_targets, import_path, module_names


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "blueprint"
    (folder / "rules" / "deep").mkdir(parents=True)
    for name in ("test_a.py", "conftest.py", "data.bin", "deep/test_b.py", "helper.py"):
        (folder / "rules" / name).write_text("# " + name)
    return folder


def test_rules_of_a_folder_a_file_and_a_glob(rules: Path) -> None:
    whole = read_rules(rules, ["rules"])
    assert set(whole.tests) == {"test_a.py", "deep/test_b.py"}
    assert set(whole.contents) == {"test_a.py", "conftest.py", "data.bin", "deep/test_b.py", "helper.py"}
    single = read_rules(rules, ["rules/test_a.py"])
    assert (single.tests, set(single.contents)) == (("test_a.py",), {"test_a.py", "conftest.py"})
    assert read_rules(rules, ["rules/test_*.py"]).digest == single.digest != whole.digest


def test_rules_that_are_not_there_or_clash(rules: Path) -> None:
    with pytest.raises(EvaluationError, match="names no file"):
        read_rules(rules, ["nothing/*.py"])
    with pytest.raises(EvaluationError, match="no test file"):
        read_rules(_only_helpers(rules), ["more"])
    (rules / "other").mkdir()
    (rules / "other" / "test_a.py").write_text("")
    with pytest.raises(EvaluationError, match=r"would both be rules/test_a\.py"):
        read_rules(rules, ["rules", "other"])


def _only_helpers(folder: Path) -> Path:
    (folder / "more").mkdir()
    (folder / "more" / "helper.py").write_text("")
    return folder


def test_mounted_rules_are_compared_and_removed(rules: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / FOLDER).mkdir(parents=True)
    (tree / FOLDER / "left_over.py").write_text("")
    with mounted(read_rules(rules, ["rules"]), tree) as state:
        assert sorted(Path(file).name for file in state.files) == ["test_a.py", "test_b.py"]
        assert not (tree / FOLDER / "left_over.py").exists()
        file = tree / FOLDER / "deep" / "test_b.py"
        assert file.stat().st_mode & 0o222 == 0
        file.chmod(0o600)
        file.write_text("pass")
    assert "rules/deep/test_b.py was changed" in state.changed
    assert not (tree / FOLDER).exists()


def test_targets_and_their_names(tmp_path: Path) -> None:
    for name in ("src/pkg/__init__.py", "src/pkg/a.py", "lib/deep/__init__.py", "lib/deep/b.py", "one.py", "x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link.py").symlink_to("one.py")
    targets = find_targets(tmp_path, ["**/*.py", "!one.py"])
    assert targets.paths == ("lib/deep/__init__.py", "lib/deep/b.py", "src/pkg/__init__.py", "src/pkg/a.py")
    assert import_path(tmp_path, targets) == [str(tmp_path), str(tmp_path / "src"), str(tmp_path / "lib")]
    assert module_names(tmp_path, targets)["deep.b"] == "lib/deep/b.py"
    assert module_names(tmp_path, targets)["pkg"] == "src/pkg/__init__.py"


CODE = b"""# coding: latin-1
import os
NAME = '\xe9'
def f(x):
    def g(y):
        return 1 if y else 2
    if x and NAME:
        return g
class A:
    def m(self):
        for i in range(3):
            print(i)
"""


@pytest.mark.parametrize(("source", "value"), [("complexity", 4), ("lint", 1), ("size", 11)])
def test_static(source: str, value: float) -> None:
    assert measure_text(source, [("a.py", CODE)]) == value
    assert measure_text(source, [("a.py", CODE), ("b.py", CODE)]) == 2 * value


def test_static_of_broken_text() -> None:
    assert 0 < measure_text("maintainability", [("a.py", CODE), ("b.py", b"")]) <= 100
    for bad in (b"def f(:\n", b"x = '\xff'\n", b"x = " + b"(" * 10_000, b"\0"):
        with pytest.raises(UnreadableFile) as caught:
            measure_text("lint", [("bad.py", bad)])
        assert caught.value.path == "bad.py"


def test_static_keeps_the_texts_warnings_to_itself() -> None:
    assert measure_text("size", [("a.py", b"x = '\\d' is 1\n")]) == 1


def test_static_refuses_a_giant() -> None:
    with pytest.raises(UnreadableFile, match="up to 1,000,000"):
        measure_text("size", [("giant.py", b"x = 1\n" * 200_000)])


def test_requirements(target: Any, tmp_path: Path) -> None:
    target.sources = frozenset({"coverage", "benchmark:test_x"})
    assert missing_packages(target.blueprint, tmp_path) == []
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    target.options = {"python": str(bare)}
    problems = missing_packages(target.blueprint, tmp_path)
    text = "\n".join(map(str, problems))
    assert "has no pytest" in text and f'{bare} -m pip install "pytest-benchmark"' in text and '"coverage"' in text
    bare.write_text("#!/bin/sh\necho hello\n")
    assert "is not an interpreter" in str(missing_packages(target.blueprint, tmp_path)[0])


@pytest.mark.parametrize("path", sorted(TARGET_CODE.glob("*.py")), ids=lambda path: path.name)
def test_child_code_is_python_3_9_and_stands_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        for name in names:
            assert name.partition(".")[0] in {*sys.stdlib_module_names, "pytest", "coverage"}
