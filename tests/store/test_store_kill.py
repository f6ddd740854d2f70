"""Real processes that are killed, that write at the same time, and that find the disk full or read-only."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from store_records import RUN, journal, rows

from maabarium.errors import StoreError
from maabarium.store import Store

NAMESPACE = ("unshare", "-Urm")


def in_child(work) -> int:
    """Run `work` in a forked process; returns its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def append_rest(path: Path, run_id: str) -> None:
    with Store.open(path) as store:
        for transition in journal(run_id)[len(store.journal(run_id)) :]:
            store.append(run_id, transition)


def test_a_killed_writer_leaves_a_prefix_and_exactly_its_rows(tmp_path):
    whole = tuple(journal())
    states = []
    with Store.open(tmp_path / "reference.db") as reference:
        states.append(rows(reference))
        for transition in whole:
            reference.append(RUN, transition)
            states.append(rows(reference))
    began = time.perf_counter()
    os.waitpid(in_child(lambda: append_rest(tmp_path / "timed.db", RUN)), 0)
    whole_time = time.perf_counter() - began
    chance, path = random.Random(11), tmp_path / "killed.db"
    kills = 0
    lengths = set()
    reach, before = 0.7, 0  # of the time that all takes: longer when nothing was written, shorter when all was
    for _ in range(60):
        child = in_child(partial(append_rest, path, RUN))
        time.sleep(chance.uniform(0, reach * whole_time))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        kills += os.WIFSIGNALED(status)
        with Store.open(path) as store:
            found = store.journal(RUN)
            assert found == whole[: len(found)]
            assert rows(store) == states[len(found)]
            lengths.add(len(found))
        if len(found) == len(whole):
            path, before, reach = tmp_path / f"killed-{len(lengths)}-{chance.random()}.db", 0, reach * 0.8
        else:
            reach, before = (reach * 1.15 if len(found) == before else reach), len(found)
    assert kills >= 15 and len(lengths) >= 5  # or the kills came too early or too late to test anything
    append_rest(path, RUN)
    with Store.open(path) as store:
        assert rows(store) == states[-1] and store.integrity() == []


def test_processes_open_a_new_database_and_write_runs_at_once(tmp_path):
    path, runs = tmp_path / "data" / "m.db", [f"0000000{i}" for i in range(4)]
    children = [in_child(lambda run=run: append_rest(path, run)) for run in runs]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    with Store.open(path) as store:
        assert all(store.journal(run) == tuple(journal(run)) for run in runs)
        assert store.integrity() == []
        assert store._db.journal_mode == "wal"


def test_a_full_database_is_a_sentence_and_stays_consistent(tmp_path):
    whole = journal()
    with Store.open(tmp_path / "m.db") as store:
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages + 8}")
        kept = 0
        with pytest.raises(StoreError, match="no room left"):
            for transition in whole:
                store.append(RUN, transition)
                kept += 1
        assert 0 < kept < len(whole)
        assert store.journal(RUN) == tuple(whole[:kept]) and store.integrity() == []
        store._db.execute("PRAGMA max_page_count = 100000")
        for transition in whole[kept:]:
            store.append(RUN, transition)
    with Store.open(tmp_path / "again.db") as other, Store.open(tmp_path / "m.db") as store:
        for transition in whole:
            other.append(RUN, transition)
        assert rows(store) == rows(other)


def in_namespace(script: str, folder: Path) -> str:
    """Run a script with mounts of its own on `folder`; what it prints."""
    try:
        probe = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        probe = 127
    if probe:
        pytest.skip("user namespaces are not to be had here, so nothing can be mounted")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-c", script, str(folder)], capture_output=True, text=True, env=environment,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


HEAD = """
import os, subprocess, sys
from pathlib import Path
from store_records import RUN, journal, rows
from maabarium.errors import StoreError
from maabarium.store import Store
folder = Path(sys.argv[1])
def mount(*options):
    subprocess.run(["mount", "-t", "tmpfs", *options, "none", str(folder)], check=True)
"""
FULL = """
mount("-o", "size=1m")
whole, kept = journal(experiments=200), 0
store = Store.open(folder / "m.db")
try:
    for transition in whole:
        store.append(RUN, transition)
        kept += 1
except StoreError as error:
    print(error)
assert 0 < kept < len(whole)
assert store.journal(RUN) == tuple(whole[:kept]) and store.integrity() == []
mount("-o", "remount,size=32m")
for transition in whole[kept:]:
    store.append(RUN, transition)
assert store.journal(RUN) == tuple(whole) and store.integrity() == []
"""
READONLY = """
mount()
with Store.open(folder / "m.db") as store:
    for transition in journal():
        store.append(RUN, transition)
if not os.fork():
    killed = Store.open(folder / "killed.db")
    for transition in journal():
        killed.append(RUN, transition)
    os.kill(os.getpid(), 9)
os.wait()
assert (folder / "killed.db-wal").stat().st_size > 0
mount("-o", "remount,ro")
with Store.open(folder / "m.db", readonly=True) as store:
    assert store.journal(RUN) == tuple(journal())
with Store.open(folder / "killed.db", readonly=True) as store:
    assert store.journal(RUN) == tuple(journal())
for name in ("m.db", "new.db", "new/m.db"):
    try:
        Store.open(folder / name)
    except StoreError as error:
        print(error)
"""


def test_full_disk(tmp_path):
    assert f"there is no room left for {tmp_path}/m.db" in in_namespace(HEAD + FULL, tmp_path)


def test_readonly_mount(tmp_path):
    said = in_namespace(HEAD + READONLY, tmp_path).splitlines()
    assert len(said) == 3 and all(str(tmp_path) in line and "database" in line for line in said), said
