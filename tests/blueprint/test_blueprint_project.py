from __future__ import annotations

from pathlib import Path

import pytest

from maabarium.blueprint.metadata import read_metadata
from maabarium.blueprint.project import InitFacts, inspect_project


def project(root: Path, **files: str) -> InitFacts:
    return inspect_project(root, write(root, files))


def write(root: Path, files: dict[str, str]) -> tuple[str, ...]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return tuple(sorted(files))


@pytest.mark.parametrize(
    ("files", "packages"),
    [
        (["src/pkg/__init__.py", "src/pkg/a.py", "setup.py"], ("src/pkg/**/*.py",)),
        (["src/ns/pkg/__init__.py", "tests/test_a.py"], ("src/ns/**/*.py",)),
        (["ns/pkg/__init__.py", "tests/test_a.py"], ()),
        (["pkg/__init__.py", "tests/__init__.py", "docs/conf.py", "examples/x/__init__.py"], ("pkg/**/*.py",)),
        (["one.py", "setup.py", "conftest.py", "noxfile.py", "test_one.py"], ("one.py",)),
        (["src/one.py", "src/two.py"], ("src/one.py", "src/two.py")),
        (["pkg/__init__.py", ".venv/lib/x/__init__.py", "build/lib/pkg/__init__.py"], ("pkg/**/*.py",)),
        (["tests/test_a.py", "README.md"], ()),
        ([], ()),
    ],
)
def test_layouts_are_found_from_the_files_alone(tmp_path, files, packages):
    assert inspect_project(tmp_path, write(tmp_path, dict.fromkeys(files, ""))).packages == packages


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\nname = "my.pkg"\n[tool.setuptools.packages.find]\nwhere = ["lib"]\n'),
        (
            "pyproject.toml",
            '[tool.poetry]\nname = "my.pkg"\npackages = [{include = "pkg", from = "lib"}, {include = "tests"}]\n',
        ),
        ("pyproject.toml", '[project]\nname = "my.pkg"\n[tool.hatch.build.targets.wheel]\npackages = ["lib/pkg"]\n'),
        ("setup.cfg", "[metadata]\nname = my.pkg\n[options]\npackages = find:\npackage_dir =\n    = lib\n"),
        ("setup.py", 'from setuptools import setup\nsetup(name="my.pkg", package_dir={"": "lib"}, packages=["pkg"])\n'),
    ],
)
def test_packaging_metadata_names_the_source_folder(tmp_path, name, text):
    files = {name: text, "lib/pkg/__init__.py": "", "other/__init__.py": "", "tests/test_a.py": ""}
    facts = project(tmp_path, **files)
    assert facts.packages == ("lib/pkg/**/*.py",)
    assert facts.name == "my-pkg"
    assert facts.module == "pkg"


def test_the_package_of_the_project_goes_before_tooling_beside_it(tmp_path):
    facts = project(
        tmp_path,
        **{
            "pyproject.toml": '[project]\nname = "attr"\n',
            "attr/__init__.py": "",
            "attrs/__init__.py": "",
            "zoo/__init__.py": "",
        },
    )
    assert facts.packages == ("attr/**/*.py", "attrs/**/*.py")


def test_tests_and_foreign_code_inside_the_product_are_protected(tmp_path):
    facts = project(
        tmp_path,
        **{
            "pkg/__init__.py": "",
            "pkg/tests/deep/test_a.py": "",
            "pkg/_vendor/six/__init__.py": "",
            "pkg/sub/tests/test_b.py": "",
        },
    )
    assert facts.protected == ("pkg/_vendor/**", "pkg/sub/tests/**", "pkg/tests/**")
    assert facts.has_tests and facts.tests == ("pkg/sub/tests", "pkg/tests/deep")


def test_benchmarks_and_the_own_interpreter_are_found(tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text("")
    text = "def test_fast(benchmark): ...\ndef test_plain(tmp_path): ...\n"
    facts = project(tmp_path, **{"pkg/__init__.py": "", "tests/test_speed.py": text})
    assert facts.benchmarks == ("test_fast",)
    assert facts.python == ".venv/bin/python"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "= = ="),
        ("pyproject.toml", 'tool = 3\nproject = [1]\n'),
        ("pyproject.toml", '[project]\nname = 3\n[tool.setuptools]\npackages = "x"\npackage-dir = {"" = "../.."}\n'),
        ("setup.cfg", "no section\n"),
        ("setup.cfg", "[metadata]\nname = %(x)s\n[metadata]\n"),
        ("setup.py", "def ("),
        ("setup.py", "setup(name=f'{x}', packages=find_packages(), package_dir={'': where})"),
    ],
)  # fmt: skip
def test_odd_metadata_is_passed_over(tmp_path, name, text):
    facts = project(tmp_path, **{name: text, "pkg/__init__.py": ""})
    assert facts.packages == ("pkg/**/*.py",)
    assert read_metadata(tmp_path).roots == ()


def test_paths_that_no_pattern_can_name_are_passed_over(tmp_path):
    paths = ("a\udcff/__init__.py", "b[1]/__init__.py", "pkg/__init__.py", "nul\n/__init__.py")
    assert inspect_project(tmp_path, paths).packages == ("pkg/**/*.py",)
