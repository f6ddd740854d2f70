"""What dead runs left, damaged and old databases; what is put in order with `--fix`, and what is not."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from maabarium.doctor.findings import Finding
from maabarium.doctor.storage_checks import check_storage, repair_storage, schema_of
from maabarium.sandbox.process_tree import RUN_MARK, pid_namespace
from maabarium.state_paths import StatePaths
from maabarium.store import Store
from maabarium.store.schema import APPLICATION_ID, SCRIPTS, VERSION
from maabarium.workspace.lock import Flock


@pytest.fixture
def state_paths(tmp_path: Path) -> StatePaths:
    data = tmp_path / "data"
    return StatePaths(tmp_path, data / "maabarium.db", data / "maabarium.log", tmp_path / "cache" / "maabarium")


def found(state_paths: StatePaths, name: str, git_dir: Path | None = None) -> list[Finding]:
    return [finding for finding in check_storage(state_paths, git_dir) if finding.name == name]


def sentences(state_paths: StatePaths) -> list[str]:
    return [finding.sentence for finding in repair_storage(state_paths)]


def test_nothing_yet(state_paths: StatePaths, tmp_path: Path) -> None:
    findings = [finding for finding in check_storage(state_paths) if finding.name != "processes"]
    assert {finding.status for finding in findings} == {"pass"}
    assert not list(tmp_path.iterdir())


def test_a_sound_database(state_paths: StatePaths) -> None:
    with Store.open(state_paths.database):
        pass
    assert found(state_paths, "database")[0].sentence.startswith(f"schema {VERSION}, 0 runs")
    assert [finding.status for finding in found(state_paths, "integrity")] == ["pass"]


def test_a_damaged_database(state_paths: StatePaths) -> None:
    with Store.open(state_paths.database) as store:
        digest = "0" * 64
        store._db.table("blobs").insert({"sha256": digest, "size": 3, "data": b"\0abc"})
        store._db.conn.commit()
    (finding,) = found(state_paths, "integrity")
    assert finding.status == "fail" and digest in finding.sentence
    raw = bytearray(state_paths.database.read_bytes())
    raw[:16] = b"something else.."
    state_paths.database.write_bytes(raw)
    (finding,) = found(state_paths, "database")
    assert finding.status == "fail" and "is not an SQLite database" in finding.sentence
    assert sentences(state_paths) == [f"made the cache folder {state_paths.cache}"]  # a damaged one is left alone


def test_somebody_elses_database(state_paths: StatePaths) -> None:
    state_paths.database.parent.mkdir()
    with sqlite3.connect(state_paths.database) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute(f"PRAGMA user_version = {VERSION}")
    other.close()
    (finding,) = found(state_paths, "database")
    assert finding.status == "fail" and "belongs to another program" in finding.sentence


@pytest.mark.skipif(VERSION < 2, reason="there is no older schema")
def test_an_old_schema_is_lifted_when_asked(state_paths: StatePaths) -> None:
    state_paths.database.parent.mkdir()
    with sqlite3.connect(state_paths.database) as old:
        old.executescript(SCRIPTS[0])
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("PRAGMA user_version = 1")
    old.close()
    (finding,) = found(state_paths, "database")
    assert finding.status == "warn" and finding.fix == "maabarium doctor --fix"
    assert schema_of(state_paths.database) == 1  # looking changes nothing
    assert any("from schema 1 to" in said for said in sentences(state_paths))
    assert found(state_paths, "database")[0].status == "pass"


def test_folders_and_locks_of_dead_runs(state_paths: StatePaths, tmp_path: Path) -> None:
    git_dir = tmp_path / ".git"
    git_dir.mkdir()
    dead, alive = state_paths.cache / "demo-1" / "runs" / "deadbeef", state_paths.cache / "demo-1" / "runs" / "cafe"
    for folder in (dead, alive):
        (folder / "slot-0").mkdir(parents=True)
        (folder / "alive").touch()
    (git_dir / "maabarium-old.lock").touch()
    living = Flock(alive / "alive")
    held = Flock(git_dir / "maabarium-new.lock")
    assert living.acquire() and held.acquire()
    try:
        (worktrees,) = found(state_paths, "worktrees")
        assert worktrees.status == "warn" and worktrees.sentence.endswith("in the cache: deadbeef")
        (locks,) = found(state_paths, "locks", git_dir)
        assert locks.status == "warn" and "maabarium-old.lock" in locks.sentence
        assert dead.exists() and (git_dir / "maabarium-old.lock").exists()
        done = [finding.sentence for finding in repair_storage(state_paths, git_dir)]
        assert "removed the folders of 1 dead run(s) from the cache" in done
        assert "removed 1 lock file(s) of dead runs" in done
        assert not dead.exists() and alive.exists()
        assert [path.name for path in git_dir.iterdir()] == ["maabarium-new.lock"]
        assert found(state_paths, "worktrees")[0].status == found(state_paths, "locks", git_dir)[0].status == "pass"
        assert not [said for said in sentences(state_paths) if "process" not in said]  # nothing is left to do
    finally:
        living.release()
        held.release()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_processes_of_a_dead_program(state_paths: StatePaths) -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    mark = f"{pid_namespace()}.{gone.pid}.1.{os.urandom(4).hex()}"
    child = subprocess.Popen(["/bin/sleep", "60"], env={RUN_MARK: mark})
    try:
        deadline = time.monotonic() + 10
        while found(state_paths, "processes")[0].status == "pass" and time.monotonic() < deadline:
            time.sleep(0.02)  # it has not become `sleep` yet
        assert "still run" in found(state_paths, "processes")[0].sentence
        assert any("process(es) that a killed Maabarium had left" in said for said in sentences(state_paths))
        assert child.wait(10) < 0
    finally:
        child.kill()
        child.wait()


def test_private_repositories_without_a_target_stay(state_paths: StatePaths, tmp_path: Path) -> None:
    gone = tmp_path / "gone" / ".git" / "objects"
    for name, target in (("lost-1", gone), ("kept-2", tmp_path), ("lost-3", gone)):
        info = state_paths.cache / name / "repository.git" / "objects" / "info"
        info.mkdir(parents=True)
        (info / "alternates").write_text(f"{target}\n")
    (finding,) = found(state_paths, "private repositories")
    assert finding.status == "warn" and "lost-1" in finding.sentence and "kept-2" not in finding.sentence
    assert finding.fix.endswith(f"rm -r {state_paths.cache / 'lost-1'} {state_paths.cache / 'lost-3'}")
    repair_storage(state_paths)
    assert (state_paths.cache / "lost-1").exists()
    for number in range(4, 9):
        (state_paths.cache / "lost-1").rename(state_paths.cache / f"lost-{number}")
        shutil.copytree(state_paths.cache / f"lost-{number}", state_paths.cache / "lost-1")
    (finding,) = found(state_paths, "private repositories")
    assert finding.sentence.endswith("lost-1, lost-3, lost-4, lost-5, lost-6 and 2 more")
    assert finding.fix.endswith(f"{state_paths.cache / 'lost-6'} (2 more are named then)")


def test_a_repair_that_cannot_be_made(state_paths: StatePaths) -> None:
    state_paths.cache.parent.write_text("a file where the folder should be")
    findings = repair_storage(state_paths)
    assert "fail" in {finding.status for finding in findings}
    assert any(str(state_paths.cache) in finding.sentence for finding in findings)
    (finding,) = found(state_paths, "cache folder")
    assert finding.status == "fail"
