"""Ctrl-C, SIGTERM and SIGHUP in the middle of an evaluation, and how the tree of processes ends."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import sqlite3
import subprocess
import termios
import time
from typing import Any

import pytest
from host_target import Target

from maabarium_pytest.signals import children_of


def started(target: Target, **streams: Any) -> subprocess.Popen[str]:
    """A run whose baseline sleeps, when its test has begun to: it leaves a mark in its tree."""
    target.write("tests/test_app.py", "import pathlib, time\n\n\ndef test_app():\n    pathlib.Path('began').touch()\n"
                 "    time.sleep(60)\n")  # fmt: skip
    target.commit()
    process = subprocess.Popen(
        target.argv("--maabarium", "bp.toml"),
        cwd=target.root,
        env=target.environment,
        text=True,
        **(streams or {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}),
    )
    deadline = time.monotonic() + 20
    while not any(target.root.parent.glob("cache/maabarium/**/began")):
        assert process.poll() is None and time.monotonic() < deadline, "the test never began"
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_in_order(target: Target, number: signal.Signals) -> None:
    process = started(target)
    children = children_of(process.pid)
    assert children
    process.send_signal(number)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 2, out
    assert "bp.toml c" in out and "1 cancelled in" in out.splitlines()[-1]
    assert "--maabarium-resume=" in out and "maabarium summary" in out
    assert "Traceback" not in out
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110
    assert not list(target.root.parent.glob("cache/maabarium/*/runs/*"))


def test_a_second_signal_leaves_at_once_and_leaves_nobody(target: Target) -> None:
    process = started(target)
    children = children_of(process.pid)
    os.kill(process.pid, signal.SIGSTOP)  # so that both are pending when it goes on
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 2
    assert re.search(r"left at once; go on with --maabarium \S*bp\.toml --maabarium-resume=\w+$", out.strip()), out
    deadline = time.monotonic() + 2
    while any(os.path.exists(f"/proc/{pid}") for pid in children) and time.monotonic() < deadline:  # noqa: PTH110
        time.sleep(0.02)
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110


def test_a_closed_terminal_ends_the_run_in_order(target: Target) -> None:
    """The terminal is gone when its SIGHUP arrives: nothing can be printed, and the end is stored all the same."""
    ours, theirs = pty.openpty()
    process = started(target, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=lead_a_session)
    os.close(theirs)
    os.close(ours)
    assert process.wait(timeout=20) == 2
    with sqlite3.connect(target.root / "data/maabarium.db") as database:
        states = database.execute("SELECT state FROM runs").fetchall()
    database.close()
    assert states == [("interrupted",)]


def lead_a_session() -> None:
    """Take standard input for the controlling terminal, as a shell in a new window does."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
