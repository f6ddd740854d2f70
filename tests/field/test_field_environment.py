"""Variables of the environment that a target needs, and versions that come from history."""

from __future__ import annotations

import pytest
from field_project import FieldProject

CORE = """
import os
import time

MODE = os.environ["APP_MODE"]


def double(x):
    return x * 2
"""
TESTS = """
import os
import subprocess
import sys
import time
from app.core import MODE, double


def test_double():
    assert double(2) == 4 and MODE == "test = 1" and os.environ["EMPTY"] == ""


def test_time_zone():
    assert time.strftime("%H", time.localtime(0)) == "09" and os.environ["TZ"] == "Asia/Tokyo"


def test_program():
    code = "import os; print(os.environ['APP_MODE'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "test = 1\\n"
"""


def test_variables_reach_cold_and_warm_sessions(project: FieldProject) -> None:
    project.write({"app/core.py": CORE, "tests/test_core.py": TESTS})
    project.write({"tests/conftest.py": "import os\n\nassert os.environ['APP_MODE']\n"})
    project.size(evaluator='env = { APP_MODE = "test = 1", TZ = "Asia/Tokyo", EMPTY = "" }')
    project.environment |= {"APP_MODE": "test = 1", "TZ": "Asia/Tokyo", "EMPTY": ""}
    project.assert_plain_is_green()
    project.loop().assert_green()


VERSION = """
from importlib.metadata import PackageNotFoundError, version


def _from_history():
    import os, subprocess

    given = os.environ.get("SETUPTOOLS_SCM_PRETEND_VERSION")
    if given:
        return given
    done = subprocess.run(["git", "describe", "--always"], capture_output=True, text=True)
    if done.returncode:
        raise LookupError("setuptools-scm was unable to detect version for the folder")
    return done.stdout.strip()


__version__ = _from_history()
"""


def test_a_version_from_history_is_answered_by_a_line(project: FieldProject) -> None:
    project.write({"app/__init__.py": VERSION})
    project.size()
    project.commit()
    project.assert_plain_is_green()
    run = project.loop(commit=False)
    line = 'env = { SETUPTOOLS_SCM_PRETEND_VERSION = "1.0" }'
    assert run.status == 1 and line in run.output, run.output
    project.size(evaluator=line)
    project.loop().assert_green()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{ PYTEST_ADDOPTS = "-x" }', "write the options into evaluator.args"),
        ('{ PYTHONPATH = "src" }', "pythonpath"),
        ('{ "NOT A NAME" = "x" }', "letters, digits and _"),
        ("{ DEBUG = 1 }", "text in quotes"),
        ('{ MAABARIUM_CHANNEL = "3" }', "choose another name"),
    ],
)
def test_bad_variables_are_problems(project: FieldProject, line: str, words: str) -> None:
    project.size(evaluator=f"env = {line}")
    project.commit()
    done = project.maabarium("validate", "bp.toml")
    assert done.returncode == 4 and words in done.stdout + done.stderr, done.stdout + done.stderr
