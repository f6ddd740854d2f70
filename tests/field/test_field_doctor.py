"""`maabarium doctor BLUEPRINT` holds the user's plain pytest beside ours: what agrees, and what differs how."""

from __future__ import annotations

import json

import pytest
from field_project import FieldProject
from hypothesis import given
from hypothesis import strategies as st

from maabarium.doctor.plain_pytest import Plain, differences
from maabarium.records import Evaluation, TestResult


def finding(project: FieldProject) -> dict[str, str]:
    project.size()
    project.commit()
    done = project.maabarium("doctor", "bp.toml", "--json")
    (found,) = [each for each in json.loads(done.stdout) if each["name"] == "plain pytest"]
    return dict(found)


def test_a_project_that_agrees_passes_and_nothing_is_left_in_it(project: FieldProject) -> None:
    found = finding(project)
    assert found["status"] == "pass" and "1 tests" in found["sentence"], found
    assert project.git("status", "--porcelain", "--ignored") == ""


def test_a_file_that_is_in_no_commit_is_a_difference_with_its_cause(project: FieldProject) -> None:
    reads = "import pathlib\n\n\ndef test_it():\n    assert pathlib.Path('tests/a.dat').read_text() == '7'\n"
    project.write({".gitignore": "*.dat\n", "tests/a.dat": "7", "tests/test_file.py": reads})
    found = finding(project)
    assert found["status"] == "warn"
    assert "tests/test_file.py::test_it: passed in plain pytest, failed in our session" in found["sentence"]
    assert "FileNotFoundError" in found["sentence"]


@pytest.mark.slow
def test_a_pytest_that_cannot_start_is_told(project: FieldProject) -> None:
    project.write({"pytest.ini": "[pytest]\npythonpath = .\naddopts = --mypy-nothing=3\n"})
    project.size()
    project.commit()
    found = json.loads(project.maabarium("doctor", "bp.toml", "--json").stdout)
    assert any("--mypy-nothing" in each["sentence"] for each in found if each["status"] != "pass")


IDS = [f"test_{letter}" for letter in "abcdefg"]
outcomes = st.dictionaries(st.sampled_from(IDS), st.sampled_from(["passed", "failed", "skipped"]))


@given(outcomes, outcomes, st.sets(st.sampled_from(IDS)))
def test_every_id_that_differs_is_named_and_no_other(tmp_path_factory, plain, ours, flaky):
    evaluation = Evaluation(
        tests=tuple(TestResult(id=id, outcome=outcome) for id, outcome in ours.items()), flaky=tuple(sorted(flaky))
    )
    found = differences(Plain(plain), evaluation, tmp_path_factory.getbasetemp(), ())
    told = {word.rstrip(",;:") for sentence in found for word in sentence.split() if word.startswith("test_")}
    wanted = {id for id in plain.keys() | ours.keys() if plain.get(id) != ours.get(id)} - flaky
    assert told <= wanted and bool(found) == bool(wanted)
