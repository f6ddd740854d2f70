"""Runs at the same time: on one database, and on one branch."""

from __future__ import annotations

import sqlite3
import time

import pytest
from crash_stage import Stage

from maabarium.errors import WorkspaceError
from maabarium.plugins.manager import build_plugins
from maabarium.run.prepared import prepare_run
from maabarium.run.record import RunOptions
from maabarium.run.run import open_run
from maabarium.store import Store

TIMEOUT = 120


@pytest.mark.slow
def test_two_targets_write_into_one_new_database_at_once(tmp_path):
    database = tmp_path / "shared" / "runs.db"
    stages = [Stage(tmp_path / name, iterations=1).build() for name in ("one", "two")]
    processes = [stage.start(database=database) for stage in stages]
    assert [process.wait(TIMEOUT) for process in processes] == [0, 0], [stage.output() for stage in stages]
    with Store.open(database, readonly=True) as store:
        views = [store.view(run.run_id) for run in store.runs(5)]
        assert {view.run.target for view in views} == {str(stage.target) for stage in stages}
        assert [[outcome.verdict for outcome in view.outcomes] for view in views] == [["baseline", "promoted"]] * 2
        assert store.integrity() == []


def test_two_runs_on_one_branch_are_refused_whatever_database_they_use(tmp_path, monkeypatch):
    stage = Stage(tmp_path / "stage", iterations=1).build()
    monkeypatch.setenv("XDG_CACHE_HOME", str(stage.root / "cache"))
    first = stage.start()
    deadline = time.monotonic() + TIMEOUT
    while not stage.transitions() and time.monotonic() < deadline:
        time.sleep(0.01)
    other = RunOptions(database=tmp_path / "other.db")
    second = prepare_run(stage.target / "loop/stall.toml", other, build_plugins())
    with pytest.raises(WorkspaceError, match=rf"process {first.pid}\) is working on maabarium/stall"), open_run(second):
        pass
    resumed = prepare_run(stage.target / "loop/stall.toml", RunOptions(resume="last"), build_plugins())
    with pytest.raises(WorkspaceError, match=rf"process {first.pid}\)"), open_run(resumed):
        pass
    assert first.wait(TIMEOUT) == 0, stage.output()
    connection = sqlite3.connect(tmp_path / "other.db")
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    connection.close()
