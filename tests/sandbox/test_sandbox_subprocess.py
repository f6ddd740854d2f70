"""The one door: what a run reports, and what it leaves in the parent (nothing)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Completed, Sandbox, SandboxFactory
from maabarium.sandbox import SANDBOXES, subprocess_sandbox

Runner = Callable[..., Completed]

ORDINARY = """
import os, sys, threading
from pathlib import Path
sys.path[:0] = {path!r}
from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.processes import Command
from maabarium.sandbox import subprocess_sandbox
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sandbox = subprocess_sandbox(SandboxOptions(memory_mb=500), threading.Event())
loop = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; ulimit -v"
script = "(setsid env -i sleep {seconds} </dev/null &); sleep 0.05; " + loop
done = sandbox.run(Command(["/bin/sh", "-c", script], Path("/tmp")))
print(done.returncode, done.output.strip(), done.cpu > 0.01)
"""


def test_it_is_what_the_contract_says(cancel: threading.Event) -> None:
    factory: SandboxFactory = SANDBOXES["subprocess"]
    sandbox: Sandbox = factory(SandboxOptions(), cancel)
    assert (sandbox.name, sandbox.level) == ("subprocess", "trusted")


@pytest.mark.parametrize("level", ["standard", "strict"])
def test_a_level_it_cannot_hold_is_refused(cancel: threading.Event, level: str) -> None:
    with pytest.raises(SandboxError, match=f'level = "{level}" cannot be held'):
        subprocess_sandbox(SandboxOptions.model_validate({"level": level}), cancel)


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_codes(run: Runner, code: int) -> None:
    done = run(f"raise SystemExit({code})")
    assert done.returncode == code
    assert not (done.timed_out or done.flooded or done.interrupted or done.out_of_memory)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT])
def test_signals(run: Runner, number: signal.Signals) -> None:
    assert run(f"import os; os.kill(os.getpid(), {int(number)})").returncode == -number


def test_a_status_above_128_is_told_from_a_signal(run: Runner) -> None:
    for argv in (["/bin/sh", "-c", "exit 137"], ["/bin/sh", "-c", "sh -c 'kill -9 $$'; exit $?"]):
        done = run(argv)
        assert (done.returncode, done.ending) == (137, "status 137, as shells say of SIGKILL")
        assert not done.out_of_memory
    assert run(["/bin/sh", "-c", "kill -9 $$"]).ending == "SIGKILL"
    assert run(["/bin/sh", "-c", "exit 250"]).ending == "status 250"


def test_killed_by_somebody_else_looks_like_out_of_memory(run: Runner) -> None:
    assert run("import os; os.kill(os.getpid(), 9)").out_of_memory


def test_both_streams_in_order_and_nothing_to_read(run: Runner) -> None:
    done = run("import sys; print(1, flush=True); print(2, file=sys.stderr, flush=True); print(repr(sys.stdin.read()))")
    assert done.output == "1\n2\n''\n"


def test_output_is_kept_raw_and_bad_bytes_are_shown(run: Runner) -> None:
    done = run(r"import os; os.write(1, b'\x1b[31mred\xff\x00gr\xc3\xb6n')")
    assert done.output == "\x1b[31mred\\xff\x00grön"


def test_clocks_and_memory_are_reported(run: Runner) -> None:
    done = run(
        """
        import time
        x = b"x" * 300_000_000
        start = time.process_time()
        while time.process_time() - start < 0.2: pass
        time.sleep(0.2)
        """
    )
    assert 0.2 < done.cpu < done.duration
    assert 0.4 < done.duration < 15
    assert 300_000_000 < done.peak_rss < 400_000_000
    assert done.cpu_complete or not Path("/proc/sys/kernel/perf_event_paranoid").exists()


def test_our_own_memory_is_not_reported_as_the_childs(run: Runner) -> None:
    ballast = bytearray(os.urandom(1024)) * 100_000  # we are larger than the child
    done = run("import time; time.sleep(0.2)")
    assert len(ballast) == 102_400_000
    assert 1_000_000 < done.peak_rss < 60_000_000


def test_pinned_to_one_core(run: Runner) -> None:
    source = "import os, time; time.sleep(0.05); print(len(os.sched_getaffinity(0)))"
    assert run(source, pin=True).output == "1\n"
    assert run(source).output == f"{len(os.sched_getaffinity(0))}\n"


def test_session_and_working_folder_are_its_own(run: Runner, tmp_path: Path) -> None:
    done = run("import os; print(os.getpid() == os.getsid(0) == os.getpgrp(), os.getcwd())")
    assert done.output == f"True {tmp_path}\n"


@pytest.mark.parametrize("argv", [["./no-such-program"], ["no-such-program"], [], ["/"], ["/bin/true", "a\0b"]])
def test_what_cannot_be_started_is_named(run: Runner, argv: list[str]) -> None:
    with pytest.raises(SandboxError, match="could not be started"):
        run(argv)


def test_a_missing_folder_is_named(cancel: threading.Event, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="gone"):
        subprocess_sandbox(SandboxOptions(), cancel).run(Command(["/bin/true"], tmp_path / "gone"))


def test_descriptors_of_the_parent_stay_out(run: Runner, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        assert run("import os; print(sorted(os.listdir('/proc/self/fd')))").output == "['0', '1', '2', '3']\n"


def test_private_folder_goes_away_even_when_locked(run: Runner) -> None:
    done = run(
        """
        import os, pathlib
        home = pathlib.Path(os.environ["HOME"])
        (home / "a" / "b").mkdir(parents=True)
        (home / "a" / "b" / "file").write_text("x")
        (home / "a").chmod(0)
        print(home, os.environ["TMPDIR"] == str(home), end="")
        """
    )
    folder, same = done.output.split()
    assert same == "True" and not Path(folder).exists()


def test_an_error_in_watch_ends_the_process_and_comes_through(run: Runner) -> None:
    ours, theirs = socket.socketpair()

    def broken(clocks: object) -> bool:
        raise ZeroDivisionError

    with ours, theirs, pytest.raises(ZeroDivisionError):
        run(
            "import os, time; os.write(int(os.environ['MAABARIUM_CHANNEL']), b'x'); time.sleep(60)",
            channel=theirs,
            listen=ours,
            watch=broken,
        )


def test_a_status_taken_by_others_is_an_error_that_says_so(run: Runner) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(SandboxError, match="SIGCHLD"):
            run(["/bin/true"])
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_two_hundred_runs_leave_nothing(run: Runner) -> None:
    threads, children = threading.active_count(), Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    started = time.monotonic()
    assert all(run(["/bin/true"]).returncode == 0 for _ in range(200))
    assert time.monotonic() - started < 30
    assert threading.active_count() == threads
    assert Path(f"/proc/self/task/{os.getpid()}/children").read_text() == children


def test_from_many_threads_each_gets_its_own(run: Runner) -> None:
    """Runs that end at different times must not end one another."""
    source = "import time; time.sleep({0}); print({0})"
    delays = [0.05 * (n % 5) for n in range(20)]
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(lambda delay: run(source.format(delay)), delays))
    assert [(done.returncode, done.output) for done in outputs] == [(0, f"{delay}\n") for delay in delays]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_it_works_for_an_ordinary_user(living: Callable[[str], list[int]]) -> None:
    """Same door, no privilege: limits hold, the clock counts, a daemon with a cleaned environment dies."""
    seconds = f"60.{os.getpid()}{time.monotonic_ns()}"
    source = ORDINARY.format(path=sys.path, seconds=seconds)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout, done.stderr) == ("0 512000 True\n", "")
    assert living(seconds) == []
