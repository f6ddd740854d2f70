"""The gate: nothing of the program runs before it is opened, and then it runs as itself."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maabarium.plugins.processes import Command, Completed
from maabarium.sandbox.cgroups import Group
from maabarium.sandbox.clock import probe_clock
from maabarium.sandbox.door import PlainDoor, Start, find_program
from maabarium.sandbox.process_tree import ProcessTree

Runner = Callable[..., Completed]


def door_of(argv: list[str], cwd: Path) -> PlainDoor:
    return PlainDoor(Start(Command(argv, cwd), dict(os.environ), "mark", {}, Group({})))


def test_nothing_happens_before_it_opens(tmp_path: Path) -> None:
    door = door_of(["/bin/sh", "-c", "echo $$; cat; touch here"], tmp_path)
    child = subprocess.Popen(door.argv, stdin=door.stdin, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    assert child.poll() is None and not (tmp_path / "here").exists()
    door.open(child.pid, probe_clock(door.tree))
    assert child.communicate(timeout=20)[0] == f"{child.pid}\n"  # the same process, with nothing to read
    assert (tmp_path / "here").exists()
    door.close()  # twice is no error


def test_nothing_happens_when_it_never_opens(tmp_path: Path) -> None:
    door = door_of(["/bin/touch", "here"], tmp_path)
    child = subprocess.Popen(door.argv, stdin=door.stdin, cwd=tmp_path)
    door.close()
    assert child.wait(timeout=20) == 125
    assert not (tmp_path / "here").exists()


def test_arguments_arrive_as_they_are(run: Runner) -> None:
    odd = ["it's", "$HOME", "a b", "", "-n", "*", "`id`", "\n", "ü"]
    done = run(["/usr/bin/env", "printf", "<%s>", *odd])
    assert done.output == "".join(f"<{word}>" for word in odd)


def test_a_daemon_cannot_win_the_race_against_a_slow_parent(
    run: Runner, monkeypatch: pytest.MonkeyPatch, living: Callable[[str], list[int]]
) -> None:
    """A parent that gets its turn late: without a gate this daemon was gone before it was marked."""
    adopt = ProcessTree.adopt

    def slowly(tree: ProcessTree, pid: int) -> None:
        time.sleep(0.3)
        adopt(tree, pid)

    monkeypatch.setattr(ProcessTree, "adopt", slowly)
    seconds = f"60.{os.getpid()}{time.monotonic_ns()}"
    done = run(["/bin/sh", "-c", f"(setsid env -i sleep {seconds} </dev/null &); sleep 0.1; ulimit -n"],
               options={"open_files": 77})  # fmt: skip
    assert done.output == "77\n"
    assert living(seconds) == []


def test_programs_are_looked_for_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    find_program("sh", "/usr/bin:/bin", tmp_path)
    find_program("/bin/sh", "", tmp_path)
    for name, error in (("plain", FileNotFoundError), ("./none", FileNotFoundError), ("/", PermissionError)):
        with pytest.raises(error):
            find_program(name, "/usr/bin:/bin", tmp_path)
    if os.getuid() != 0 or not os.access(tmp_path / "plain", os.X_OK):
        with pytest.raises(PermissionError, match="not executable"):
            find_program("./plain", "", tmp_path)
