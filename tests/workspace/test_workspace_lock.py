from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from maabarium.errors import WorkspaceError
from maabarium.workspace.lock import run_lock, sweep
from maabarium.workspace.private import home_of
from maabarium.workspace.target import find_target

HOLDER = """
import sys, time
from pathlib import Path
from maabarium.workspace.lock import run_lock
from maabarium.workspace.target import find_target
with run_lock(find_target(Path(sys.argv[1]), sys.argv[4]), "maabarium/x", sys.argv[3], Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["auto", "snapshot"])
def isolation(request):
    return request.param


@pytest.fixture
def holder(checkout, cache, isolation):
    """Another process that holds the run `other`."""
    command = [sys.executable, "-c", HOLDER, checkout.top, cache, "other", isolation]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def lock_of(checkout, cache, isolation, run_id="mine", branch="maabarium/x"):
    return run_lock(find_target(checkout.top, isolation), branch, run_id, cache)


def test_second_run_on_a_branch_is_refused_with_the_pid(checkout, cache, holder, isolation):
    with pytest.raises(WorkspaceError, match=rf"another run \(process {holder.pid}\) is working on maabarium/x"):
        lock_of(checkout, cache, isolation).__enter__()


def test_other_branch_is_free(checkout, cache, holder, isolation):
    with lock_of(checkout, cache, isolation, branch="maabarium/y"):
        pass


def test_same_run_twice_is_refused(checkout, cache, holder, isolation):
    lock = lock_of(checkout, cache, isolation, run_id="other", branch="maabarium/y")
    with pytest.raises(WorkspaceError, match="under way already"):
        lock.__enter__()
    with lock_of(checkout, cache, isolation, branch="maabarium/y"):  # and it let go of the branch
        pass


def test_killed_run_leaves_no_lock_and_is_swept(checkout, cache, holder, isolation):
    home = home_of(find_target(checkout.top, isolation), cache)
    with lock_of(checkout, cache, isolation, branch="maabarium/y"):
        assert sweep(cache) == []
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        (home / "runs/other/slot-0/tree").mkdir(parents=True)
        assert sweep(cache) == [home / "runs/other"]
        assert (home / "runs/mine").exists()
        with lock_of(checkout, cache, isolation, run_id="next"):
            pass


def test_release_leaves_nothing(checkout, cache, isolation):
    before = sorted((checkout.top / ".git").rglob("*"))
    with lock_of(checkout, cache, isolation):
        pass
    assert sorted((checkout.top / ".git").rglob("*")) == before
    assert not list(cache.glob("*/runs/*"))


def test_folder_that_somebody_is_making_is_left_alone(cache):
    fresh = cache / "t-1/runs/fresh"
    (fresh / "slot-0").mkdir(parents=True)
    assert sweep(cache) == []
    os.utime(fresh, (1, 1))
    assert sweep(cache) == [fresh]
    assert sweep(cache / "nowhere") == []


def test_what_a_kill_left_half_made_or_half_removed_is_swept(cache):
    empty, scratch, new = cache / "t-1/runs/killed", cache / "t-1/.new-abc", cache / "t-1/snapshots/.new-def"
    for folder in (empty, scratch, new):
        folder.mkdir(parents=True)
    os.utime(scratch, (1, 1))
    assert sweep(cache) == [empty]
    assert not empty.exists() and not scratch.exists() and new.exists()
