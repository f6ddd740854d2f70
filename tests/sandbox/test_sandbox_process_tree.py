"""Finding and ending all processes of a run, and those of a program that was killed itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maabarium.errors import SandboxError
from maabarium.sandbox import process_tree
from maabarium.sandbox.process_tree import RUN_MARK, ProcessTree, end_strays, is_orphaned, is_stray, new_mark

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_marks_differ_and_nest() -> None:
    outer = new_mark(None)
    inner = new_mark(outer)
    assert inner.startswith(f"{outer}:") and inner != new_mark(outer)


def test_the_mark_alone_finds_a_process_of_another_session() -> None:
    """As when a child forked before the limit was set on its parent."""
    mark = new_mark(None)
    tree = ProcessTree(mark)
    leader = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
    other = subprocess.Popen(["/bin/sleep", "60"], env={RUN_MARK: mark}, start_new_session=True)
    stranger = subprocess.Popen(["/bin/sleep", "60"], env={RUN_MARK: new_mark(None)}, start_new_session=True)
    try:
        tree.adopt(leader.pid)
        # The kernel shows a new program's environment an instant after `exec`, when Popen has returned already.
        assert wait_for(lambda: sorted(tree.members()[0]) == sorted([leader.pid, other.pid]))
        tree.kill()
        assert leader.wait() == -signal.SIGKILL
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    # It was our own child, so the tree buried it; Popen then reports 0 for a status it could not get.
    assert other.wait() in (0, -signal.SIGKILL)


def test_the_session_alone_is_enough(monkeypatch: pytest.MonkeyPatch, living: Callable[[str], list[int]]) -> None:
    """Where the limit cannot be set and the environment was cleaned."""
    seconds = f"60.{os.getpid()}{time.monotonic_ns()}"
    monkeypatch.setattr(process_tree.resource, "prlimit", refuse)
    group_of_its_own = (
        f"import os; os.fork() or (os.setpgid(0, 0), os.execve('/bin/sleep', ['sleep', '{seconds}'], {{}}))"
    )
    leader = subprocess.Popen([sys.executable, "-I", "-S", "-c", group_of_its_own], start_new_session=True)
    tree = ProcessTree(new_mark(None))
    tree.adopt(leader.pid)
    assert wait_for(lambda: [Path(f"/proc/{pid}/comm").read_text() for pid in living(seconds)] == ["sleep\n"])
    tree.kill()
    leader.wait()
    assert living(seconds) == []


def refuse(*arguments: object) -> None:
    raise ValueError("not here")


def test_a_process_that_does_not_die_is_an_error_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process stuck in the kernel cannot be made here; one that is not hit looks the same."""
    child = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
    tree = ProcessTree(new_mark(None))
    tree.adopt(child.pid)
    monkeypatch.setattr(process_tree, "KILL_SECONDS", 0.05)
    monkeypatch.setattr(ProcessTree, "_kill_one", lambda self, pid: None)
    monkeypatch.setattr(ProcessTree, "_kill_group", lambda self, group: None)
    with pytest.raises(SandboxError, match=f"processes {child.pid} of an evaluation do not die"):
        tree.kill()
    child.kill()
    child.wait()


def test_a_tree_without_a_process_has_nothing_to_kill() -> None:
    ProcessTree(new_mark(None)).kill()


def test_our_own_group_is_never_hit() -> None:
    ProcessTree(new_mark(None))._kill_group(os.getpgrp())


def test_what_a_killed_program_left_behind_is_ended(tmp_path: Path, living: Callable[[str], list[int]]) -> None:
    token = f"stray{os.urandom(8).hex()}"
    source = f"""
import sys, threading
sys.path[:0] = {sys.path!r}
from pathlib import Path
from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.processes import Command
from maabarium.sandbox import subprocess_sandbox
command = Command(["/bin/sh", "-c", "setsid sleep 60 & sleep 60"], Path({str(tmp_path)!r}), dict(TOKEN={token!r}))
subprocess_sandbox(SandboxOptions(), threading.Event()).run(command)
"""
    program = subprocess.Popen([sys.executable, "-c", source], env={**os.environ, "TMPDIR": str(tmp_path)})
    try:
        assert wait_for(lambda: len([pid for pid in living(token) if pid != program.pid]) == 3)
        left = [pid for pid in living(token) if pid != program.pid]
        assert not any(is_stray(pid) for pid in left)  # their starter lives
    finally:
        program.kill()
        program.wait()
    assert all(is_stray(pid) for pid in left)
    end_strays()  # a run of another test may do so at the same time
    assert wait_for(lambda: living(token) == [])


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize(
    "mark", ["", "x", "1.2.3", "1.2.3.4", "a.b.c.d", pytest.param(new_mark(None), id="a living owner")]
)
def test_marks_of_others_are_left_alone(mark: str) -> None:
    assert not is_orphaned(mark)
