"""The log: lines that read back, and never an exception."""

from __future__ import annotations

import json
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from math import inf, nan
from pathlib import Path

from maabarium.log import RunLog


def test_lines_read_back_and_hold_no_control_characters(tmp_path):
    log = RunLog(tmp_path / "m.log")
    nasty = "a\x1b[2J\x00\x7f\x9b\udcff\nb"
    assert log.write("warning", "measured", run="3f9c01aa", number=3, detail=nasty, effect=nan, best=inf)
    assert log.write("info", "done")
    raw = (tmp_path / "m.log").read_bytes()
    assert all(32 <= byte < 127 or byte == 10 for byte in raw)
    first, second = map(json.loads, raw.decode().splitlines())
    assert list(first) == ["time", "level", "run", "event", "number", "detail", "effect", "best"]
    assert (first["level"], first["run"], first["event"], first["detail"]) == ("warning", "3f9c01aa", "measured", nasty)
    assert (first["effect"], first["best"]) == ("nan", "inf")
    assert first["time"].endswith("Z") and second["event"] == "done"


def test_a_log_that_cannot_be_written_disturbs_nobody(tmp_path):
    assert RunLog(tmp_path / "no" / "folder.log").write("info", "x") is False
    assert RunLog(tmp_path).write("info", "x") is False
    assert RunLog(Path("/dev/full")).write("info", "x") is False


def test_a_line_cut_short_does_not_swallow_the_next(tmp_path):
    """A file size limit cuts a write as a full disk does."""
    path = tmp_path / "m.log"
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        log = RunLog(path)
        log.write("info", "first")
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 30, resource.RLIM_INFINITY))
        cut = log.write("info", "cut")
        none = log.write("info", "none")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        after = log.write("info", "after")
        os._exit(0 if (cut, none, after) == (False, False, True) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert [json.loads(line)["event"] for line in (lines[0], lines[2])] == ["first", "after"]


def test_threads_write_whole_lines(tmp_path):
    path = tmp_path / "m.log"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: RunLog(path).write("info", "x" * 3000, number=n), range(200)))
    numbers = [json.loads(line)["number"] for line in path.read_text().splitlines()]
    assert sorted(numbers) == list(range(200))
