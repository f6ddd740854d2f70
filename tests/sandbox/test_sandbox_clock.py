"""The CPU clock of a tree: what it sees, from where, and what happens where the kernel forbids it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maabarium.plugins.processes import Clockface, Completed
from maabarium.sandbox.clock import (
    PerfClock,
    SummedClock,
    clock_seconds,
    group_seconds,
    open_perf_event,
    probe_clock,
    proc_seconds,
)
from maabarium.sandbox.launcher import syscalls
from maabarium.sandbox.process_tree import ProcessTree, new_mark

Runner = Callable[..., Completed]

BURN = """
import os, signal, sys, threading, time
def burn(seconds=0.2):
    start = time.thread_time()
    while time.thread_time() - start < seconds: pass
done = os.pipe()
"""
WAYS = {
    "itself": "burn()",
    "a thread": "t = threading.Thread(target=burn); t.start(); t.join()",
    "a child waited for": "p = os.fork() or (burn(), os._exit(0)); os.wait()",
    "a child reaped by the kernel": (
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\np = os.fork() or (burn(), os._exit(0))\n"
        "try: os.wait()\nexcept ChildProcessError: pass"
    ),
    "a child still alive": "p = os.fork() or (burn(), os.write(done[1], b'x'), time.sleep(60))\nos.read(done[0], 1)",
    "a daemon": (
        "p = os.fork() or (os.setsid(), os.fork() or (burn(), os.write(done[1], b'x')), os._exit(0))\n"
        "os.wait(); os.read(done[0], 1)"
    ),
}


def perf_allowed() -> bool:
    try:
        os.close(open_perf_event())
    except OSError:
        return False
    return True


needs_perf = pytest.mark.skipif(not perf_allowed(), reason="the kernel forbids perf_event_open here")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@needs_perf
@pytest.mark.parametrize("way", WAYS)
def test_the_kernels_clock_sees_all_ways_to_burn(run: Runner, way: str) -> None:
    done = run(BURN + WAYS[way])
    assert done.returncode == 0, done.output
    assert 0.2 < done.cpu < 0.5
    assert done.cpu_complete


@needs_perf
def test_only_what_the_child_executes_counts() -> None:
    clock = PerfClock()
    try:
        start = time.thread_time()
        while time.thread_time() - start < 0.05:
            pass
        assert clock.read() == 0
        subprocess.run(["/bin/true"], check=True)
        assert 0 < clock.read() < 0.05
    finally:
        clock.close()


def test_an_unknown_machine_has_no_kernel_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "MACHINE", "vax")
    with pytest.raises(OSError, match="unknown on vax"):
        open_perf_event()


@needs_proc
def test_without_permission_the_fallback_counts_and_says_so(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(syscalls.NUMBERS[os.uname().machine], "perf_event_open", 9999)  # the kernel answers ENOSYS
    assert isinstance(probe_clock(ProcessTree("mark")), SummedClock)
    done = run(BURN + WAYS["a child waited for"] + "\nburn(0.1)")
    assert 0.28 < done.cpu < 0.5
    assert not done.cpu_complete


@needs_proc
@pytest.mark.parametrize(("total", "enough"), [(proc_seconds, 0.2), (group_seconds, 1.0)])  # ps: whole seconds
def test_the_fallbacks_count_the_living_and_never_go_back(total: Callable[[ProcessTree], float], enough: float) -> None:
    if total is group_seconds and not Path("/bin/ps").exists():
        pytest.skip("needs ps")
    tree = ProcessTree(new_mark(None))
    child = subprocess.Popen([sys.executable, "-c", BURN + "os.fork(); burn(60)"], start_new_session=True)
    try:
        tree.adopt(child.pid)
        clock = SummedClock(tree, total)
        deadline = time.monotonic() + 15
        while clock.read() < enough and time.monotonic() < deadline:
            time.sleep(0.05)
        seen = clock.read()
        assert seen >= enough
    finally:
        tree.kill()
        assert child.wait() == -signal.SIGKILL
    assert clock.read() >= seen
    assert not clock.complete


@pytest.mark.parametrize(
    ("text", "seconds"), [("0:01.50", 1.5), ("12:34", 754), ("01:00:01", 3601), ("2-00:00:01", 172801)]
)
def test_times_of_ps(text: str, seconds: float) -> None:
    assert clock_seconds(text) == seconds


@needs_perf
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_program_that_drops_the_event_is_noticed(tmp_path: Path) -> None:
    """Executable but not readable: the kernel detaches the counter of an ordinary user's process."""
    program = Path("/var/tmp") / f"unreadable-{os.getpid()}"
    shutil.copy("/bin/dash", program)
    program.chmod(0o111)
    source = f"""
import os, sys, threading
from pathlib import Path
sys.path[:0] = {sys.path!r}
from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.processes import Command
from maabarium.sandbox import subprocess_sandbox
os.setgroups([]); os.setgid(65534); os.setuid(65534)
loop = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
sandbox = subprocess_sandbox(SandboxOptions(), threading.Event())
for shell in ("/bin/dash", {str(program)!r}):
    done = sandbox.run(Command([shell, "-c", loop], Path("/tmp")))
    print(done.returncode, done.cpu > 0.05, done.cpu_complete)
"""
    try:
        done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=30)
    finally:
        program.unlink()
    assert (done.stdout, done.stderr) == ("0 True True\n0 True False\n", "")


def test_the_channel_is_watched_with_clocks_that_advance(run: Runner) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    seen: list[tuple[bytes, float, float]] = []

    def watch(clockface: Clockface) -> bool:
        message = ours.recv(100)
        seen.append((message, clockface.cpu(), clockface.wall()))
        if message == b"start":
            ours.send(b"go")
        return message != b"end"

    source = """
        import socket
        channel = socket.socket(fileno=int(os.environ["MAABARIUM_CHANNEL"]))
        channel.send(b"start")
        assert channel.recv(10) == b"go"
        burn(0.1)
        channel.send(b"burnt")
        channel.send(b"end")
        channel.send(b"not heard")
    """
    with ours, theirs:
        done = run(BURN + source.replace("\n        ", "\n"), channel=theirs, listen=ours, watch=watch)
    assert done.returncode == 0, done.output
    assert [message for message, _, _ in seen] == [b"start", b"burnt", b"end"]
    # The child looked at another clock of the kernel; the two differ by microseconds at each context switch.
    assert 0.099 <= seen[1][1] - seen[0][1] < 0.2
    assert 0.099 <= seen[1][2] - seen[0][2] < 10
    assert seen[2][1] <= done.cpu


def test_what_is_left_in_the_channel_at_the_end_is_heard(run: Runner) -> None:
    """Three hundred messages and an exit: all of them arrive, also with our copy of the child's end closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    heard: list[bytes] = []

    def watch(clockface: Clockface) -> bool:
        time.sleep(0.001)  # slower than the child
        heard.append(ours.recv(100))
        return True

    source = """
        import os, socket
        channel = socket.socket(fileno=int(os.environ["MAABARIUM_CHANNEL"]))
        for number in range(300): channel.send(b"%d" % number)
        os._exit(3)
    """
    with ours, theirs:
        done = run(source, channel=theirs, listen=ours, watch=watch)
    assert done.returncode == 3
    assert heard == [b"%d" % number for number in range(300)]


def test_a_closed_channel_does_not_spin(run: Runner) -> None:
    ours, theirs = socket.socketpair()
    calls = 0

    def watch(clockface: Clockface) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            theirs.close()  # now only the child holds it
        ours.recv(100)
        return True

    source = (
        "import os, time; c = int(os.environ['MAABARIUM_CHANNEL']); os.write(c, b'x'); time.sleep(.2)\n"
        "os.close(c); time.sleep(.3)"
    )
    with ours:
        assert run(source, channel=theirs, listen=ours, watch=watch).returncode == 0
    assert calls <= 3
