"""Runs that really work, and runs that were killed, as status and show tell them apart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runs import git, make_project
from target_texts import LEAN

from maabarium.store import Store

TIMEOUT = 60.0
SLOW = """\
import os
import time


def test():
    parent, end = os.getppid(), time.monotonic() + 30
    while os.getppid() == parent and time.monotonic() < end:
        time.sleep(0.05)
"""
"""A suite that takes long, but ends with whoever started it."""


def begin(top: Path, database: Path) -> subprocess.Popen[bytes]:
    """Start a run whose baseline takes long."""
    make_project(top)
    (top / "tests/test_a.py").write_text(SLOW)
    (top / "pyproject.toml").write_text(f'[tool.pytest.ini_options]\naddopts = "{LEAN}"\n')
    git(top, "commit", "-q", "-a", "-m", "slow")
    text = (top / "demo.toml").read_text().replace('name = "demo"', f'name = "{top.name}"')
    (top / "demo.toml").write_text(f'{text}[sandbox]\nlevel = "trusted"\n')
    command = [sys.executable, "-m", "maabarium", "run", "demo.toml", "--database", str(database)]
    with (top.parent / f"{top.name}.txt").open("wb") as output:
        return subprocess.Popen(command, cwd=top, stdout=output, stderr=output, stdin=subprocess.DEVNULL)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], tuple[str, subprocess.Popen[bytes]]]]:
    """Starts a run of a target of that name; all share one database."""
    database, processes = tmp_path / "runs.db", list[subprocess.Popen[bytes]]()

    def start(name: str) -> tuple[str, subprocess.Popen[bytes]]:
        process = begin(tmp_path / name, database)
        processes.append(process)
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and process.poll() is None:
            if database.exists():
                with Store.open(database) as store:
                    for run in store.runs(5, name):
                        return run.run_id, process
            time.sleep(0.05)
        raise AssertionError((tmp_path / f"{name}.txt").read_text())

    yield start
    for process in processes:
        process.kill()
        process.wait()


def states(cli: Any, database: Path) -> dict[str, str]:
    """Of each run, as `status --json` says."""
    result = cli("status", "--json", "--database", database)
    assert result.exit_code == 0, result.stderr
    return {run["run_id"]: run["state"] for run in json.loads(result.stdout)}


def test_a_killed_run_is_interrupted_and_the_others_still_run(
    cli: Any, project: Path, tmp_path: Path, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "runs.db"
    (first, one), (second, two) = started("one"), started("two")
    assert states(cli, database) == {first: "running", second: "running"}
    assert "resume" not in cli("status", "--database", database).stderr
    os.kill(one.pid, signal.SIGKILL)
    one.wait(TIMEOUT)
    assert states(cli, database) == {first: "interrupted", second: "running"}
    said = cli("status", "--database", database)
    assert said.stderr == f"go on  maabarium resume {first}\n"
    assert " interrupted " in said.stdout.splitlines()[2]
    shown = cli("show", first, "--database", database).stdout
    assert "interrupted: its process is gone" in shown and f"maabarium resume {first}" in shown
    assert "still under way" in cli("show", second, "--database", database).stdout
    with Store.open(database) as store:  # nothing stored was changed by looking
        assert {run.state for run in store.runs(5)} == {"running"}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert states(cli, database) == {first: "interrupted", second: "running"}
    two.send_signal(signal.SIGINT)
    two.wait(TIMEOUT)
    assert states(cli, database) == {first: "interrupted", second: "interrupted"}
