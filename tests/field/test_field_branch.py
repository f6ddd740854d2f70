"""A branch that cannot be moved is noticed before anything is measured, not after all work is done."""

from __future__ import annotations

import shutil

import pytest
from field_project import FieldProject, modify

LONG = "def double(x):\n    result = x * 2\n    return result\n"
SHORT = "def double(x):\n    return x * 2\n"


@pytest.fixture
def shortened(project: FieldProject) -> FieldProject:
    """A project with a candidate that would be kept."""
    project.write({"app/core.py": LONG})
    project.size(modify(SHORT))
    project.commit()
    return project


def test_a_branch_in_another_worktree_is_said_before_the_baseline(shortened: FieldProject) -> None:
    shortened.git("worktree", "add", "-q", "-b", "maabarium/t", "../other")
    run = shortened.loop(commit=False)
    assert run.status == 4 and run.view is None
    assert "maabarium/t is checked out in" in run.output and "check out another branch there" in run.output
    said = shortened.maabarium("doctor", "bp.toml").stdout
    assert "where winners are kept, is checked out in" in said
    # nothing is to be moved: nothing stands in the way
    assert shortened.loop("--maabarium-no-promote", commit=False).verdicts == ["baseline", "rejected"]
    # a worktree whose folder was removed by hand holds nothing
    shutil.rmtree(shortened.root.parent / "other")
    assert shortened.loop(commit=False).verdicts == ["baseline", "promoted"]


def test_the_branch_of_the_checkout_itself(shortened: FieldProject) -> None:
    shortened.git("checkout", "-q", "-b", "maabarium/t")
    run = shortened.loop(commit=False)
    assert run.status == 4 and "check out another branch there" in run.output


def test_a_branch_that_is_being_rebased(shortened: FieldProject) -> None:
    shortened.git("checkout", "-q", "-b", "maabarium/t")
    shortened.write({"note": "one\n"})
    shortened.commit()
    shortened.run(
        [
            "git",
            "-c",
            "sequence.editor=sed -i 1s/pick/edit/",
            "-c",
            "user.name=n",
            "-c",
            "user.email=e@x",
            "rebase",
            "-q",
            "-i",
            "HEAD~1",
        ]
    )
    assert shortened.git("branch", "--show-current") == ""
    run = shortened.loop(commit=False)
    assert run.status == 4 and "maabarium/t is checked out in" in run.output
