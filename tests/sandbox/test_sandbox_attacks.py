"""Processes that try to stay, to flood, to hog and to spy. Each ends, and the parent goes on working."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.processes import Completed
from maabarium.sandbox import subprocess_sandbox

Runner = Callable[..., Completed]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems end the process group only")

DAEMON = """
    import os, sys, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            {inside}
            time.sleep(60)
        os._exit(0)
    os.wait()
    time.sleep(0.1)
    print("done")
"""
HOLDER = "print('daemon', flush=True)"
CLEAN_EXEC = (
    "os.execve(sys.executable, [sys.executable, '-I', '-S', '-c', 'import time; time.sleep(60)', sys.argv[-1]], {})"
)


def test_an_endless_loop_ends_at_the_deadline(run: Runner) -> None:
    done = run("while True: pass", timeout=0.4)
    assert done.timed_out and not done.flooded and not done.interrupted
    assert done.returncode == -signal.SIGKILL
    assert not done.out_of_memory
    assert 0.4 <= done.duration < 20
    assert 0.02 < done.cpu < 10  # how much of the core it got depends on who else is there


def test_ignoring_signals_does_not_help(run: Runner) -> None:
    done = run(
        """
        import signal, time
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
        time.sleep(60)
        """,
        timeout=0.3,
    )
    assert done.timed_out and done.duration < 20


def test_a_child_that_outlives_its_parent_dies(run: Runner) -> None:
    started = time.monotonic()
    done = run("import os, time\nif os.fork() == 0: time.sleep(60)\nprint('parent')")
    assert done.returncode == 0 and done.output == "parent\n"
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("inside", [HOLDER, CLEAN_EXEC], ids=["holds-the-pipe", "cleans-its-environment"])
def test_a_daemon_dies_and_its_hold_on_the_pipe_does_not_matter(run: Runner, inside: str) -> None:
    started = time.monotonic()
    done = run(DAEMON.format(inside=inside))
    assert done.returncode == 0 and "done" in done.output
    assert time.monotonic() - started < 30


def test_a_daemon_of_a_timed_out_process_dies(run: Runner) -> None:
    done = run(DAEMON.format(inside=HOLDER) + "\n    while True: pass", timeout=0.5)
    assert done.timed_out and "daemon" in done.output


def test_a_flood_is_cut_off_in_small_memory(run: Runner) -> None:
    started = time.monotonic()
    done = run(
        "import sys\nfor _ in range(1600): sys.stdout.write('x' * 65536)\nprint('end')", options={"output_mb": 1}
    )
    assert done.flooded and not done.timed_out and not done.out_of_memory
    assert time.monotonic() - started < 10
    assert len(done.output) < 300_000


def test_a_hundred_megabytes_within_the_limit_are_kept_in_part(run: Runner) -> None:
    done = run(
        "import sys\nprint('begin')\nfor _ in range(1600): sys.stdout.write('x' * 65536)\nprint('end')",
        options={"output_mb": 200},
    )
    assert not done.flooded and done.returncode == 0
    assert done.output.startswith("begin\n") and done.output.endswith("xend\n") and "bytes left out" in done.output
    assert len(done.output) < 300_000


def test_fifty_children_in_sessions_of_their_own_die(run: Runner) -> None:
    done = run(
        """
        import os, time
        for _ in range(50):
            if os.fork() == 0:
                os.setsid()
                time.sleep(60)
        print("forked")
        """
    )
    assert done.output == "forked\n"


def test_a_memory_hog_meets_its_limit(run: Runner) -> None:
    done = run("x = bytearray(400_000_000)\nprint('got it')", options={"memory_mb": 200})
    assert done.returncode == 1 and "MemoryError" in done.output


def test_a_large_file_meets_its_limit(run: Runner, tmp_path: Path) -> None:
    done = run("f = open('big', 'wb')\nfor _ in range(40): f.write(b'x' * 100_000); f.flush()", options={"file_mb": 1})
    assert done.returncode == 1 and "File too large" in done.output
    assert (tmp_path / "big").stat().st_size <= 1024 * 1024


def test_open_files_and_core_dumps_are_limited(run: Runner) -> None:
    done = run(
        "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_CORE)[0])",
        options={"open_files": 64},
    )
    assert done.output == "(64, 64) 0\n"


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user to become")
def test_root_is_told_that_the_number_of_processes_is_not_limited(cancel: threading.Event) -> None:
    assert "processes does not bind for root" in " ".join(subprocess_sandbox(SandboxOptions(processes=5), cancel).notes)
    assert subprocess_sandbox(SandboxOptions(), cancel).notes == ()


def test_cancel_from_another_thread_ends_everything_at_once(run: Runner, cancel: threading.Event) -> None:
    threading.Timer(0.3, cancel.set).start()
    started = time.monotonic()
    done = run(DAEMON.format(inside=HOLDER) + "\n    while True: pass")
    assert done.interrupted and not done.timed_out and not done.out_of_memory
    assert time.monotonic() - started < 20  # 0.33 s on an idle machine
    assert run(["/bin/true"]).interrupted  # and nothing starts any more


def test_a_run_inside_a_run_ends_with_the_outer_one(run: Runner, tmp_path: Path) -> None:
    """The inner sandbox scrubs the environment; its mark keeps the outer one in front."""
    done = run(
        f"""
        import sys, threading
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from maabarium.blueprint.schema import SandboxOptions
        from maabarium.plugins.processes import Command
        from maabarium.sandbox import subprocess_sandbox
        print("inner", flush=True)
        code = "import os, time; os.setsid() if os.fork() == 0 else open('started', 'w'); time.sleep(60)"
        command = Command([sys.executable, "-I", "-S", "-c", code, sys.argv[-1]], Path.cwd(), dict())
        subprocess_sandbox(SandboxOptions(), threading.Event()).run(command)
        """,
        timeout=2.5,
    )
    assert done.timed_out and "inner" in done.output
    assert (tmp_path / "started").exists()
