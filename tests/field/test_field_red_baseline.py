"""A baseline that does not hold says why, in everything that a person or a program looks at."""

from __future__ import annotations

import json
import re

import pytest
from field_project import FieldProject

TWO_RED = """\
from app.core import double


def test_text():
    assert "one\\ntwo" == "one\\nten"


def test_double():
    print("so it was called")
    assert double(2) == 5
"""
SAID = ["tests/test_core.py::test_double", "assert 4 == 5", "where 4 = double(2)", "plain pytest"]
ENDS = {
    "a module": (
        {"tests/test_core.py": "import nosuchthing\n"},
        ["No module named 'nosuchthing'", "install nosuchthing"],
    ),
    "a module of conftest": ({"tests/conftest.py": "import nosuchthing\n"}, ["install nosuchthing", "conftest.py:1"]),
    "an option": ({"pytest.ini": "[pytest]\npythonpath = .\naddopts = --mypy-nothing=3\n"}, ["install pytest-mypy"]),
    "a syntax": ({"tests/test_core.py": "def test(:\n    pass\n"}, ["SyntaxError", "def test(:", "newer Python"]),
    "a signal": (
        {"tests/test_core.py": "import os, signal\n\n\ndef test_it():\n    os.kill(os.getpid(), signal.SIGSEGV)\n"},
        ["Fatal Python error", "test_core.py", "doctor"],
    ),
    "a status": (
        {"tests/conftest.py": "import os\nos._exit(4)\n"},
        ["status 4", "doctor"],
    ),
    "the network": (
        {"tests/test_core.py": "import socket\n\n\ndef test_it():\n    socket.getaddrinfo('a.example', 80)\n"},
        ["[sandbox] network = true"],
    ),
}


def test_every_front_end_says_which_tests_fail_and_why(project: FieldProject) -> None:
    project.write({"tests/test_core.py": TWO_RED})
    project.size()
    run = project.loop("--maabarium-report=report.md", "--maabarium-report=report.html", "--junitxml=run.xml")
    assert run.status == 1 and "? ^" not in run.output
    summary = run.output[run.output.index("maabarium summary") :]
    failures = run.output[: run.output.index("maabarium summary")]
    faces = {
        "summary": summary,
        "failures": failures,
        "show": project.maabarium("show").stdout,
        "show 0": project.maabarium("show", "last", "0").stdout,
        "history": project.maabarium("history").stdout,
        "markdown": (project.root / "report.md").read_text(),
        "html": (project.root / "report.html").read_text(),
        "junit": (project.root / "run.xml").read_text(),
    }
    for name, text in faces.items():
        missing = [part for part in SAID if part not in text]
        assert not missing, f"{name} lacks {missing}:\n{text}"
    (found,) = json.loads(project.maabarium("history", "--json").stdout)
    assert found["cause"]["kind"] == "a test fails" and "plain pytest" in found["cause"]["remedy"]
    assert [each["id"] for each in found["failures"]] == ["tests/test_core.py::test_text", SAID[0]]
    assert "assert 4 == 5" in found["failures"][1]["detail"]
    assert json.loads(project.maabarium("show", "last", "0", "--json").stdout)["cause"] == found["cause"]


@pytest.mark.parametrize("end", ENDS)
def test_how_a_session_ended_is_told_with_what_to_write(project: FieldProject, end: str) -> None:
    files, parts = ENDS[end]
    project.write(files)
    project.size()
    run = project.loop()
    assert run.status == 1
    summary = run.output[run.output.index("maabarium summary") :]
    missing = [part for part in parts if part not in summary]
    assert not missing, f"{missing}:\n{run.output}"
    assert not re.search(r"(refuses to start|the session|failed|error): *(\n|\(|\? *\^)", summary), summary


@pytest.mark.slow
def test_doctor_says_the_same(project: FieldProject) -> None:
    project.write({"tests/test_core.py": "def test_it(mocker):\n    pass\n"})
    project.size()
    project.commit()
    found = json.loads(project.maabarium("doctor", "bp.toml", "--json").stdout)
    (green,) = [each for each in found if each["name"] == "green"]
    assert green["status"] == "fail" and "fixture 'mocker' not found" in green["sentence"]
    assert "install pytest-mock" in green["fix"]
