"""Killed runs, resumed, must end like the one that nobody disturbed; see `benchmarks/crash` for more of them."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest
from crash_case import differences
from crash_stage import Stage
from crash_state import harm, has_run, state

from maabarium.errors import UsageProblem
from maabarium.plugins.manager import build_plugins
from maabarium.run.prepared import prepare_run
from maabarium.run.record import RunOptions

ITERATIONS = 1
TIMEOUT = 120


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A stage on which a run went through; it keeps one winner."""
    stage = Stage(tmp_path_factory.mktemp("reference") / "stage", iterations=ITERATIONS).build()
    assert stage.start().wait(TIMEOUT) == 0, stage.output()
    assert harm(stage) == []
    return stage


@pytest.fixture(scope="module")
def expected(finished):
    return state(finished)


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path / "stage", iterations=ITERATIONS).build()


def finish(stage, expected):
    """Resume to the end, and compare."""
    assert stage.start(resume=has_run(stage)).wait(TIMEOUT) == 0, stage.output()
    assert differences(expected, state(stage)) == []
    assert harm(stage) == []


def test_killed_at_every_transition(stage, expected):
    """Nine times: each process stores one transition and dies then, or just before the next."""
    deaths, ways = 0, ("after:1", "before:2")
    while (status := stage.start(resume=has_run(stage), die=ways[deaths % 2]).wait(TIMEOUT)) == -signal.SIGKILL:
        deaths += 1
        if deaths == 5:
            stage.commit()
        assert deaths == len(types(stage)), stage.output()
    assert status == 0, stage.output()
    assert deaths >= len(expected["events"]) - 1 == 9
    assert differences(expected, state(stage)) == []
    assert harm(stage) == []


def types(stage):
    """The types of the transitions that are stored."""
    with closing(sqlite3.connect(stage.database)) as connection:
        return [row[0] for row in connection.execute("SELECT type FROM events ORDER BY sequence")]


@pytest.mark.slow
def test_killed_with_git_in_the_middle_of_moving_the_branch(stage, expected):
    assert stage.start(die="after:8").wait(TIMEOUT) == -signal.SIGKILL
    assert types(stage)[-1] == "promoting"
    lock = stage.target / ".git/refs/heads/maabarium/stall.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    finish(stage, expected)


@pytest.mark.slow
def test_killed_before_a_measurement_and_the_cache_cleared_away(stage, expected):
    assert stage.start(die="after:5").wait(TIMEOUT) == -signal.SIGKILL
    assert types(stage)[-1] == "proposed"
    shutil.rmtree(stage.root / "cache")
    finish(stage, expected)


def test_killed_by_the_clock_with_all_of_its_group(tmp_path, expected):
    stage = Stage(tmp_path / "stage", by_pytest=True, iterations=ITERATIONS).build()
    process = stage.start()
    deadline = time.monotonic() + TIMEOUT
    while stage.transitions() < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(TIMEOUT) == -signal.SIGKILL
    finish(stage, expected)


def test_resuming_what_has_ended_changes_nothing(finished, expected):
    assert finished.start(resume=True).wait(TIMEOUT) == 0, finished.output()
    assert differences(expected, state(finished)) == []


def test_sigterm_and_resume_ends_equal(stage, expected):
    process = stage.start()
    deadline = time.monotonic() + TIMEOUT
    while stage.transitions() < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT) == 1, stage.output()
    between = state(stage)
    assert between["runs"][0]["state"] == "interrupted"
    assert between["experiments"][-1]["promotion_outcome"] == "cancelled"
    assert harm_but_the_branch(stage) == []
    assert stage.start(resume=True).wait(TIMEOUT) == 0, stage.output()
    found = state(stage)
    assert [event["type"] for event in found["events"] if is_interruption(event)] == ["decided", "run_finished"]
    found["events"] = [event for event in found["events"] if not is_interruption(event)]
    for number, event in enumerate(found["events"], start=1):
        event["sequence"] = number
    shifted = {row["sha256"]: row for row in found.pop("event_blobs")}
    assert shifted.keys() == {row["sha256"] for row in expected["event_blobs"]}
    assert differences({k: v for k, v in expected.items() if k != "event_blobs"}, found) == []
    assert harm(stage) == []


def harm_but_the_branch(stage):
    return [line for line in harm(stage) if "maabarium/stall is too much or missing" not in line]


def is_interruption(event):
    payload = event["payload"]
    return payload.get("state") == "interrupted" or payload.get("outcome", {}).get("verdict") == "cancelled"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("loop/proposals.jsonl", "its proposals file changed"),
        ("loop/rules/test_steps.py", "its rules or evaluator changed"),
        ("loop/rules/conftest.py", "its rules or evaluator changed"),
    ],
)
def test_resume_is_refused_when_the_question_changed(finished, tmp_path, path, said):
    copy = tmp_path / "target"
    shutil.copytree(finished.target, copy)
    resume = RunOptions(resume="last")
    prepare_run(copy / "loop/stall.toml", resume, build_plugins())
    with (copy / path).open("a") as file:
        file.write("\n# changed\n")
    with pytest.raises(UsageProblem, match=said):
        prepare_run(copy / "loop/stall.toml", resume, build_plugins())


def test_resume_without_a_run_says_so(stage):
    done = stage.start(resume=True)
    assert done.wait(TIMEOUT) == 4
    assert "no database" in stage.output() and "Traceback" not in stage.output()
    assert subprocess.run(["git", "status", "--porcelain"], cwd=stage.target, capture_output=True).stdout == b""
