"""Confined programs do ordinary work: channel, clock, pinning, sockets of their own, another interpreter."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kept_backend import BACKENDS, KEPT

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.processes import Clockface, Command, Completed
from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.cgroups import Group, controllers
from maabarium.sandbox.selection import available

HELD = [(reach.backend, reach.level) for reach in available(SANDBOXES) if reach.ok]
HELD += [(KEPT, level) for backend, level in HELD if backend == "namespaces"]
pytestmark = pytest.mark.skipif(not HELD, reason="nothing confines on this machine")
Runner = Callable[..., Completed]


def marked(pair: tuple[str, str]) -> Any:
    """`strict` adds caps and refusals to the same walls: ordinary work is tried there on request."""
    return pytest.param(pair, marks=[pytest.mark.slow] if pair[1] == "strict" else [], id=f"{pair[0]}-{pair[1]}")


@pytest.fixture(params=[marked(pair) for pair in HELD])
def confined(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runner]:
    """Run Python source (or an argv) at one level of one backend; no descriptor may be left."""
    backend, level = request.param
    tree = tmp_path / "slots" / "tree"
    tree.mkdir(parents=True)
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))

    def runner(source: str | list[str], *, timeout: float = 20, **more: Any) -> Completed:
        options = SandboxOptions.model_validate({"level": level, **more.pop("options", {})})
        argv = [sys.executable, "-I", "-c", textwrap.dedent(source)] if isinstance(source, str) else source
        command = Command(argv, tree, more.pop("env", {}), timeout, writable=(tree, *more.pop("writable", ())), **more)
        return BACKENDS[backend](options, threading.Event()).run(command)

    runner.backend, runner.tree = backend, tree  # type: ignore[attr-defined]
    yield runner
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_conversation_over_the_channel(confined: Runner) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    clocks: list[float] = []

    def watch(clock: Clockface) -> bool:
        clocks.append(clock.cpu())
        ours.send(ours.recv(100).upper())
        return len(clocks) < 2

    with ours, theirs:
        done = confined(
            """
            import os, socket, time
            wire = socket.socket(fileno=int(os.environ["MAABARIUM_CHANNEL"]))
            wire.send(b"one")
            print(wire.recv(100), flush=True)
            start = time.process_time()
            while time.process_time() - start < 0.2: pass
            wire.send(b"two")
            print(wire.recv(100), flush=True)
            """,
            channel=theirs,
            listen=ours,
            watch=watch,
        )
    assert done.output == "b'ONE'\nb'TWO'\n"
    assert 0.19 < clocks[1] - clocks[0] < 0.6
    assert clocks[0] < 0.2, "what the launcher used is not the program's"


def test_a_run_whose_answer_is_known_is_ended_with_all_it_started(confined: Runner) -> None:
    ours, theirs = socket.socketpair()
    heard: list[bytes] = []

    def watch(clock: Clockface) -> bool:
        heard.append(ours.recv(100))
        return True

    started = time.monotonic()
    with ours, theirs:
        done = confined(
            """
            import os, time
            if os.fork() == 0: time.sleep(60)
            print("so far", flush=True)
            os.write(int(os.environ["MAABARIUM_CHANNEL"]), b"lost")
            time.sleep(60)
            """,
            channel=theirs,
            listen=ours,
            watch=watch,
            enough=lambda: b"lost" in heard,
        )
    assert time.monotonic() - started < 30
    assert done.stopped and done.output == "so far\n" and not (done.timed_out or done.interrupted or done.out_of_memory)


def test_clock_counts_children_that_nobody_waits_for(confined: Runner) -> None:
    done = confined(
        """
        import os, signal, time
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if os.fork() == 0:
            start = time.process_time()
            while time.process_time() - start < 0.3: pass
            os._exit(0)
        time.sleep(0.1)
        try: os.wait()
        except ChildProcessError: pass
        """
    )
    assert not done.cpu_complete or 0.29 < done.cpu < 0.8


def test_pinned(confined: Runner) -> None:
    assert confined("import os; print(len(os.sched_getaffinity(0)))", pin=True).output == "1\n"


def test_descriptors_home_and_environment(confined: Runner) -> None:
    done = confined(
        """
        import os, pathlib, tempfile
        def is_open(number):
            try: return bool(os.fstat(number))
            except OSError: return False
        print([number for number in range(3, 300) if is_open(number)])
        home = pathlib.Path.home()
        print(list(home.iterdir()), tempfile.NamedTemporaryFile().name.startswith(os.environ["TMPDIR"]))
        (home / "x").write_text("x")
        print(sorted(name for name in os.environ if "KEY" in name or "SECRET" in name))
        """
    )
    lines = done.output.splitlines()
    assert lines == ["[]", "[] True", "[]"], done.output


def test_what_is_written_in_the_tree_stays(confined: Runner) -> None:
    assert confined("open('made', 'w').write('x')").returncode == 0
    assert (confined.tree / "made").read_text() == "x"  # type: ignore[attr-defined]


def test_readable_and_writable_are_granted(confined: Runner, tmp_path: Path) -> None:
    if confined.backend == KEPT:  # type: ignore[attr-defined]
        pytest.skip("all that a session may write to lies in its folder")
    for name in ("seen", "filled", "hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    source = f"""
        import pathlib, sys
        for name in ("seen", "filled", "hidden"):
            file = pathlib.Path({str(tmp_path)!r}) / name / "file"
            for act in (file.read_text, lambda: file.write_text("new")):
                try: act(); print(1, end="")
                except OSError: print(0, end="")
        """
    done = confined(source, readable=(tmp_path / "seen",), writable=(tmp_path / "filled",))
    assert done.output == "101100"
    assert confined(source, options={"readable": [str(tmp_path / "hidden")]}).output == "000010"


@pytest.mark.parametrize("entry", ["relative/path", "/", "../up"])
def test_a_readable_path_that_cannot_be_meant(confined: Runner, entry: str) -> None:
    with pytest.raises(SandboxError, match="must be an absolute path"):
        confined("pass", options={"readable": [entry]})


def test_loopback_of_its_own(confined: Runner) -> None:
    if confined.backend == "landlock":  # type: ignore[attr-defined]
        pytest.skip("no sockets there, as docs/sandbox.md says")
    done = confined(
        """
        import multiprocessing, socket
        server = socket.create_server(("127.0.0.1", 0))
        socket.create_connection(server.getsockname()).close()
        print(multiprocessing.Lock().acquire())
        """
    )
    assert done.output == "True\n", done.output


def test_network_when_it_is_granted(confined: Runner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = (
            f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]})); print('connected')"
        )
        assert confined(source, options={"network": True}).output == "connected\n"
        assert "connected" not in confined(source).output


def test_pytest_runs_and_subprocesses_work(confined: Runner) -> None:
    tree = confined.tree  # type: ignore[attr-defined]
    (tree / "test_it.py").write_text(
        "import subprocess, sys, threading\n"
        "def test_it(tmp_path):\n"
        "    assert subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout == b'1\\n'\n"
        "    thread = threading.Thread(target=lambda: (tmp_path / 'x').touch())\n"
        "    thread.start(); thread.join()\n"
        "    assert (tmp_path / 'x').exists()\n"
    )
    done = confined([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:maabarium", "."])
    assert done.returncode == 0, done.output


def test_another_interpreter(confined: Runner, tmp_path: Path) -> None:
    """A virtual environment in a place that is hidden otherwise is seen when it is the program."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    (packages / "theirs.py").write_text("name = 'theirs'\n")
    done = confined([str(tmp_path / "venv" / "bin" / "python"), "-c", "import theirs; print(theirs.name)"])
    assert done.output == "theirs\n"


def test_a_program_that_is_not_there_is_named(confined: Runner, tmp_path: Path) -> None:
    if confined.backend == KEPT:  # type: ignore[attr-defined]
        pytest.skip("a session executes nothing")
    with pytest.raises(SandboxError, match="could not be started"):
        confined(["no-such-program"])
    with pytest.raises(SandboxError, match="could not be started"):
        confined(["./no-such-program"])


def test_cancel_and_many_threads(confined: Runner) -> None:
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(lambda n: confined(f"import time; time.sleep(0.05 * ({n} % 3)); print({n})"), range(8)))
    assert [(done.returncode, done.output) for done in outputs] == [(0, f"{n}\n") for n in range(8)]


@pytest.mark.parametrize(("backend", "level"), HELD)
def test_cancel(backend: str, level: str, tmp_path: Path) -> None:
    cancel = threading.Event()
    sandbox = BACKENDS[backend](SandboxOptions.model_validate({"level": level}), cancel)
    threading.Timer(0.4, cancel.set).start()
    began = time.monotonic()
    done = sandbox.run(Command(["/bin/sleep", "60"], tmp_path, timeout=30, writable=(tmp_path,)))
    assert done.interrupted and time.monotonic() - began < 10


@pytest.mark.parametrize(("backend", "level"), HELD)
def test_everything_dies_with_the_parent(
    backend: str, level: str, tmp_path: Path, living: Callable[[str], list[int]]
) -> None:
    """SIGKILL to Maabarium itself: the leash closes, and the sandbox ends what it holds."""
    token = f"60.{os.getpid()}{time.monotonic_ns()}"
    source = f"""
import sys, threading
sys.path[:0] = {sys.path!r}
from pathlib import Path
from maabarium.blueprint.schema import SandboxOptions
from kept_backend import BACKENDS
from maabarium.plugins.processes import Command
sandbox = BACKENDS[{backend!r}](SandboxOptions(level={level!r}), threading.Event())
script = "(setsid sleep {token} &); echo up > up; sleep {token}"
sandbox.run(Command(["/bin/sh", "-c", script], Path({str(tmp_path)!r}), writable=(Path({str(tmp_path)!r}),)))
"""
    parent = subprocess.Popen([sys.executable, "-c", source])
    deadline = time.monotonic() + 20
    while not (tmp_path / "up").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (tmp_path / "up").exists() and living(token)
    parent.kill()
    parent.wait()
    while living(token) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [pid for pid in living(token) if pid != os.getpid()] == []


def test_groups_are_removed() -> None:
    group = Group({"pids": 10})
    process = subprocess.Popen(["/bin/sleep", "60"])
    try:
        group.join(process.pid)
        assert group.bound == set(controllers()) & {"pids"}
    finally:
        process.kill()
        process.wait()
        group.close()
    for folder in controllers().values():
        assert not list(folder.glob(f"maabarium-{os.getpid()}-*"))
