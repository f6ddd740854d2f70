"""A kept program and its sessions: what one of them does reaches neither the program nor another session.

`poison.py` is what is tried and the witness that looks; here are the parent and the kept program, which has left things
about on purpose.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kept_backend import forking_runner, keep, session_of

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.processes import Clockface, Command, Completed
from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.kept import Kept
from maabarium.sandbox.selection import available

HERE = Path(__file__).parent
POISON = HERE / "poison.py"
HELD = [reach.level for reach in available(SANDBOXES) if reach.ok and reach.backend == "namespaces"]
pytestmark = pytest.mark.skipif(not HELD, reason="there are no namespaces on this machine")
ATTACKS = [
    node.name
    for node in ast.parse(POISON.read_text("utf-8")).body
    if isinstance(node, ast.FunctionDef) and [ast.unparse(one) for one in node.decorator_list] == ["attack"]
]
HANGS = ("stop_and_hang", "be_traced_by_what_is_above")
"""These end at their deadline."""

TRAPS = """
import ctypes, socket
import forks_memory
libc = ctypes.CDLL(None, use_errno=True)
assert min(libc.shmget(77, 4096, 0o1666), libc.semget(77, 1, 0o1666), libc.msgget(77, 0o1666)) >= 0
assert libc.syscall(ctypes.c_long(240 if os.uname().machine == "x86_64" else 180), b"kept", os.O_CREAT, 0o600, None) > 0
held = [socket.create_server(("127.0.0.1", 40404)), os.pipe(), open("/tmp/kept", "w"), open("/dev/shm/kept", "w")]
for name in ("\\0kept", "/tmp/kept.socket"):
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].bind(name)
    held[-1].listen()
"""
"""Sockets, descriptors, files and System V objects of the kept program; a real one is not fit with them."""


SLOTS = ("one", "two", "three")


class World:
    """A kept program and three slots for its sessions."""

    def __init__(self, folder: Path, code: str = TRAPS, **options: Any) -> None:
        self.slots = folder / "slots"
        before = descendants()
        for name in ("kept", *SLOTS):
            (self.slots / name).mkdir(parents=True)
        self.cancel = threading.Event()
        limits = {"level": "standard", "processes": 60, "memory_mb": 600, "written_mb": 40} | options
        runner = forking_runner(SandboxOptions.model_validate(limits), self.cancel)
        readable = (POISON, HERE / "forks_memory.py")
        self.kept: Kept = keep(runner, self.slots / "kept", readable=readable, code=code)
        self.processes = [pid for pid in descendants() if pid not in before]
        self.others = len(before)

    def run(self, slot: str, argv: list[str], **more: Any) -> Completed:
        """One session in a slot."""
        return self.kept.run(self.command(argv, **more), self.slots / slot)

    def command(self, argv: list[str], **more: Any) -> Command:
        """What a session is told."""
        inside = self.slots / "kept"
        more = {"cwd": inside, "timeout": 20, "writable": (inside,)} | more
        return session_of(Command([sys.executable, *argv], **more))

    def witness(self, slot: str, *words: str) -> dict[str, Any]:
        """What a session in this slot sees; its name is left out, for it is not to matter."""
        done = self.run(slot, [str(POISON), "witness", *words])
        assert done.returncode == 0, done.output
        seen: dict[str, Any] = json.loads(done.output.replace(f"slots/{slot}", "slots/NAME"))
        return seen


@pytest.fixture(
    scope="module",
    params=[
        "standard",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("strict", "standard without Landlock")),
    ],
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    level, _, lacks = request.param.partition(" ")
    if level not in HELD:
        pytest.skip(f"{level} cannot be held on this machine")
    patch = pytest.MonkeyPatch()
    if lacks:
        patch.setattr("maabarium.sandbox.launcher.syscalls.landlock_abi", lambda: 0)
    before = descendants(), opened()
    world = World(tmp_path_factory.mktemp("kept"), level=level)
    for slot in SLOTS:
        world.witness(slot)
    yield world
    world.kept.close()
    patch.undo()
    assert (descendants(), opened()) == before


@pytest.fixture(scope="module")
def clean(world: World) -> dict[str, Any]:
    """What a session sees that nobody disturbed."""
    return world.witness("one")


def descendants() -> list[int]:
    """Living processes beneath this one."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] != b"Z":
                parents[int(entry.name)] = int(fields[1])
    found = [os.getpid()]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def opened() -> int:
    """How many descriptors this process holds."""
    return len(names_in(Path("/proc/self/fd")))


def at_rest(world: World, most: int, ready: int) -> None:
    """Wait until nothing is left but the program and what is ready for the next sessions, each with a helper and a
    process 1, and so many descriptors at most."""
    processes = world.others + len(world.processes) + 3 * ready
    deadline = time.monotonic() + 10
    while (len(descendants()), opened() <= most) != (processes, True):
        assert time.monotonic() < deadline, (descendants(), opened())
        time.sleep(0.01)


def names_in(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


def listen(ours: socket.socket) -> Any:
    def watch(clock: Clockface) -> bool:
        return bool(ours.recv(100))

    return watch


@pytest.mark.parametrize("name", ATTACKS)
def test_poison_does_not_reach_another_session(world: World, clean: dict[str, Any], name: str) -> None:
    at_rest(world, opened() + 100, len(SLOTS))
    before = opened()
    ready, go = world.slots / "two" / "ready", world.slots / "two" / "go"
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.witness, "two", "wait")
        while not ready.exists() and not waiting.done():
            time.sleep(0.005)
        timeout = 1.0 if name in HANGS else 20
        talk = {"channel": theirs, "listen": ours, "watch": listen(ours)} if name == "send_descriptors" else {}
        done = world.run("one", [str(POISON), name], timeout=timeout, **talk)
        go.touch()
        beside = waiting.result()
    assert "tried" in done.output and done.timed_out is (name in HANGS), done
    assert beside.pop("waited") == [0, "secret", True, True] and beside.pop("the same") == []
    assert names_in(world.slots) == ["kept", "one", "three", "two"]
    for slot in ("kept", "two", "three"):
        assert names_in(world.slots / slot) == []
    shutil.rmtree(world.slots / "one")
    (world.slots / "one").mkdir()
    for seen in (beside, world.witness("one"), world.witness("three")):
        assert {key: value for key, value in seen.items() if value != clean[key]} == {}
    at_rest(world, before, len(SLOTS))


# --- the program and its sessions ---


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Keep programs that a test may spoil; afterwards nothing of them is left."""
    before = descendants(), opened()
    worlds: list[World] = []

    def make(code: str = "", **options: Any) -> World:
        worlds.append(World(tmp_path / str(len(worlds)), code, **options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.kept.close()
    assert (descendants(), opened()) == before


def python(source: str) -> list[str]:
    """Words of a command."""
    return ["-c", source]


def test_a_program_killed_in_the_middle_of_a_session_is_named(fresh: Callable[..., World]) -> None:
    world = fresh()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.run, "one", python("open('up', 'w'); import time; time.sleep(60)"))
        while not (world.slots / "one" / "up").exists():
            time.sleep(0.005)
        os.kill(program_of(world), signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(SandboxError, match="was the program killed"):
            running.result()
    assert time.monotonic() - began < 10
    with pytest.raises(SandboxError, match="the kept program does not answer"):
        world.run("two", python("pass"))


def program_of(world: World) -> int:
    """The number that the kept program has out here; `facts` have that of the inside."""
    inside = str(world.kept.facts["pid"]).encode()
    found = []
    for pid in world.processes:
        numbers = Path(f"/proc/{pid}/status").read_bytes().partition(b"NSpid:")[2].split(b"\n")[0].split()
        if numbers[-1] == inside:
            found.append((len(numbers), pid))
    return min(found)[1]  # those of sessions are deeper


def test_a_program_that_is_stopped_is_no_endless_wait(fresh: Callable[..., World], monkeypatch: Any) -> None:
    world = fresh()
    monkeypatch.setattr("maabarium.sandbox.fork_door.READY", 0.5)
    os.kill(program_of(world), signal.SIGSTOP)
    with pytest.raises(SandboxError, match="the kept program does not answer"):
        world.run("one", python("pass"))


@pytest.mark.parametrize("pause", [0.0, 0.002, 0.005, 0.01, 0.02])
def test_closing_while_the_next_session_is_made_ready(fresh: Callable[..., World], pause: float) -> None:
    world = fresh()
    for slot in SLOTS:
        world.run(slot, python("pass"))
    time.sleep(pause)
    world.kept.close()


def test_closing_ends_sessions_that_run(fresh: Callable[..., World]) -> None:
    world = fresh()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.run, "one", python("open('up', 'w'); import time; time.sleep(60)"))
        while not (world.slots / "one" / "up").exists():
            time.sleep(0.005)
        world.kept.close()
        with pytest.raises(SandboxError):
            running.result()


def test_all_ends_with_the_parent(tmp_path: Path, living: Callable[[str], list[int]]) -> None:
    """SIGKILL to Maabarium, while one session runs and others wait."""
    token = f"token{os.getpid()}{time.monotonic_ns()}"
    source = f"""
import sys, threading
sys.path[:0] = {sys.path!r}
from pathlib import Path
from test_sandbox_kept import World, python
world = World(Path({str(tmp_path)!r}))
for slot in ("one", "two"): world.run(slot, python("pass"))
world.run("one", python("import os, time; os.fork(); open('up', 'w'); time.sleep(60)"))
"""
    parent = subprocess.Popen([sys.executable, "-c", source], env=os.environ | {"MAABARIUM_RUN_MARK": token})
    deadline = time.monotonic() + 20
    while not (tmp_path / "slots" / "one" / "up").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(living(token)) > 5
    parent.kill()
    parent.wait()
    while living(token) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert living(token) == []


def test_cancel_ends_sessions_and_starts_no_more(fresh: Callable[..., World]) -> None:
    world = fresh()
    threading.Timer(0.3, world.cancel.set).start()
    assert world.run("one", python("import time; time.sleep(60)")).interrupted
    assert world.run("one", python("pass")).interrupted


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit('no such plug-in')", "no such plug-in"),
        ("import os; os._exit(3)", "ended"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended"),
        ("import time; time.sleep(60)", "was not ready"),
    ],
)
def test_a_program_that_does_not_become_ready(
    fresh: Callable[..., World], monkeypatch: Any, code: str, said: str
) -> None:
    monkeypatch.setattr("maabarium.sandbox.kept.READY", 2.0)
    with pytest.raises(SandboxError, match=said):
        fresh(code)


def test_where_no_session_can_be_forked_none_is_kept(fresh: Callable[..., World]) -> None:
    """As where the kernel grants one level of user namespaces only."""
    with pytest.raises(SandboxError, match=r"could not be set up: .*unshare"):
        fresh("with open('/proc/sys/user/max_user_namespaces', 'w') as file: file.write('0')")


def test_without_the_clock_of_the_kernel_none_is_kept(fresh: Callable[..., World], monkeypatch: Any) -> None:
    """As in containers: `kernel.perf_event_paranoid`."""

    def forbidden(pid: int) -> None:
        raise PermissionError(1, "perf_event_open: Operation not permitted")

    monkeypatch.setattr("maabarium.sandbox.kept.PerfClock", forbidden)
    with pytest.raises(SandboxError, match=r"no program can be kept here: .*perf_event_open"):
        fresh()


def test_many_sessions_at_once(fresh: Callable[..., World]) -> None:
    world = fresh(processes=200)
    with ThreadPoolExecutor(6) as pool:
        source = "import os, time; time.sleep(0.02); open('mine', 'w').write('{0}'); print('{0}', os.listdir('..'))"
        slots = ["one", "two", "three"] * 8
        outputs = list(pool.map(lambda n: world.run(slots[n], python(source.format(n))).output, range(24)))
    assert outputs == [f"{number} ['kept']\n" for number in range(24)]


# --- sessions that are made ready before they are wanted ---


def refused(*_: Any) -> None:
    """No session can be started any more."""
    raise SandboxError("refused")


def inode(path: str) -> list[str]:
    """Words of a command that prints which file this is inside."""
    return python(f"import os; print(os.stat({path!r}).st_ino)")


def test_a_session_that_is_ready_is_taken(fresh: Callable[..., World], monkeypatch: Any) -> None:
    world = fresh()
    assert world.run("one", python("print(1)")).output == "1\n"
    at_rest(world, opened() + 100, 1)
    monkeypatch.setattr(world.kept, "_session", refused)
    assert world.run("one", python("print(2)"), timeout=5).output == "2\n"


@pytest.mark.parametrize("more", [{"timeout": 40}, {"env": {"OTHER": "1"}}, {"pin": True}, {"writable": ()}])
def test_one_that_was_made_ready_for_another_command_is_not_taken(fresh: Callable[..., World], more: Any) -> None:
    world = fresh()
    world.run("one", python("pass"))
    taken = (
        "import os, resource; print(os.environ.get('OTHER'), len(os.sched_getaffinity(0)), os.access('.', os.W_OK)); "
    )
    taken += "print(resource.getrlimit(resource.RLIMIT_CPU)[0]); open('made', 'w')"
    done = world.run("one", python(taken), **more)
    cores, seconds = len(os.sched_getaffinity(0)), more.get("timeout", 20) * (os.cpu_count() or 1) + 5
    said = done.output.splitlines()
    assert said[0].split()[:2] == ["1" if "env" in more else "None", "1" if "pin" in more else str(cores)]
    assert said[1] == str(seconds) and (done.returncode == 0) is ("writable" not in more)


def test_a_folder_that_was_made_anew_is_the_one_that_is_seen(fresh: Callable[..., World]) -> None:
    world = fresh()
    for _ in range(3):
        world.run("one", inode("."))
        at_rest(world, opened() + 100, 1)
        shutil.rmtree(world.slots / "one")
        (world.slots / "one").mkdir()
        done = world.run("one", python("import os; print(os.stat('.').st_ino); open('made', 'w')"))
        assert int(done.output) == (world.slots / "one").stat().st_ino
        assert names_in(world.slots / "one") == ["made"]


@pytest.mark.parametrize("name", ["tree", "scratch", "scratch/home", "scratch/tmp"])
def test_any_folder_that_was_made_anew_is_the_one_that_is_seen(fresh: Callable[..., World], name: str) -> None:
    world = fresh()
    inside = world.slots / "kept"
    private = {"HOME": str(inside / "scratch" / "home"), "TMPDIR": str(inside / "scratch" / "tmp")}
    where = {"cwd": inside / "tree", "env": private, "writable": (inside / "tree", inside / "scratch")}
    for slot in ("kept", "one"):
        for folder in ("tree", "scratch/home", "scratch/tmp"):
            (world.slots / slot / folder).mkdir(parents=True)
    source = """
import os
print(*(len(os.listdir("../" + name)) for name in ("tree", "scratch", "scratch/home")), os.access("..", os.W_OK))
for name in ("tree", "scratch", "scratch/home", "scratch/tmp"): open(f"../{name}/made", "w")
"""
    for _ in range(3):
        done = world.run("one", python(source), **where)
        assert done.output.split() == ["0", "2", "0", "False"]
        at_rest(world, opened() + 100, 1)
        assert names_in(world.slots / "one" / "scratch" / "home") == []  # it was in memory
        assert names_in(world.slots / "one" / "tree") == ["made"]
        (world.slots / "one" / "tree" / "made").unlink()
        (world.slots / "one" / "scratch" / "made").unlink()
        kept = [path for path in ("scratch/home", "scratch/tmp") if path.startswith(f"{name}/")]
        shutil.rmtree(world.slots / "one" / name)
        for path in (name, *kept):
            (world.slots / "one" / path).mkdir(exist_ok=True)


def test_one_that_was_killed_while_it_waited_is_not_taken(fresh: Callable[..., World]) -> None:
    before = descendants()
    world = fresh()
    world.run("one", python("pass"))
    at_rest(world, opened() + 100, 1)
    for pid in {*descendants()} - {*before, *world.processes}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert world.run("one", python("print(2)")).output == "2\n"


def test_helpers_are_buried(fresh: Callable[..., World]) -> None:
    world = fresh()
    for _ in range(20):
        assert world.run("one", python("pass")).returncode == 0
    children = Path(f"/proc/{program_of(world)}/task/{program_of(world)}/children").read_text().split()
    assert len(children) <= 4


# --- what may be forked ---


MAPPED = """
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
def mapped(path, access, protection, flags):
    descriptor = os.open(path, access)
    assert libc.mmap(None, ctypes.c_size_t(4096), protection, flags, descriptor, ctypes.c_long(0)) != 2**64 - 1
    os.close(descriptor)
"""
"""mmap(2) without the descriptor that Python's own keeps."""
UNFIT = {
    "a thread": (
        "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "2 threads run in it",
    ),
    "a file": ("held = open('/etc/passwd')", "/etc/passwd"),
    "a pipe": ("held = os.pipe()", "pipe:"),
    "a socket": ("held = socket.socketpair()", "socket:"),
    "an event loop": ("import select; held = select.epoll()", "eventpoll"),
    "a memory file": ("held = os.memfd_create('mine')", "memfd:mine"),
    "anonymous shared memory": ("import mmap; held = mmap.mmap(-1, 4096)", "/dev/zero"),
    "a lock of multiprocessing": (
        "sys.path[:] = [*sys.path]; import multiprocessing; held = multiprocessing.Lock()",
        "/dev/shm/",
    ),
    "a file mapped for writing": (
        f"{MAPPED}open('/tmp/new', 'wb').write(bytes(4096)); mapped('/tmp/new', 2, 3, 1)",
        "/tmp/new",
    ),
    "a file mapped for reading that was opened for writing": (
        f"{MAPPED}open('/tmp/new', 'wb').write(bytes(4096)); mapped('/tmp/new', 2, 1, 1)",
        "/tmp/new",
    ),
    "System V memory": (
        "import ctypes; libc = ctypes.CDLL(None); libc.shmat.restype = ctypes.c_void_p\n"
        "held = libc.shmat(libc.shmget(0, 4096, 0o1600), None, 0)",
        "SYSV",
    ),
}
FIT = {
    "nothing": "pass",
    "copies of the standard descriptors": "held = [os.dup(0), os.dup(1), os.dup(2), os.dup(2)]",
    "a file that was closed": "open('/etc/passwd').close()",
    "a file mapped for reading": f"{MAPPED}mapped('/etc/passwd', 0, 1, 1)",
    "a file mapped privately": f"{MAPPED}mapped(sys.executable, 0, 3, 2)",
    "a thread that has ended": (
        "import threading; held = threading.Thread(target=int); held.start(); held.join()\n"
        "while len(os.listdir('/proc/self/task')) > 1: pass"
    ),
    "much of the standard library": "import asyncio, ssl, sqlite3, locale, multiprocessing; 'x'.encode('cp1140')",
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_a_fork_would_lose_or_share_is_named(fresh: Callable[..., World], name: str) -> None:
    code, said = UNFIT[name]
    assert said in fresh(code).kept.facts["unfit"]


@pytest.mark.parametrize("name", FIT)
def test_what_is_fit_to_be_forked(fresh: Callable[..., World], name: str) -> None:
    assert fresh(FIT[name]).kept.facts["unfit"] == ""


def test_copies_of_the_standard_descriptors_are_those_of_the_session(fresh: Callable[..., World]) -> None:
    """Plug-ins keep such copies and write to them later, as the capturing of pytest does."""
    world = fresh("import builtins; builtins.held = [os.dup(0), os.dup(1), os.dup(2)]")
    source = "import builtins, os; print(os.read(held[0], 1)); os.write(held[1], b'one '); os.write(held[2], b'two ')"
    for _ in range(2):
        done = world.run("one", python(f"{source}; import sys; sys.stdout.flush()"))
        assert sorted(done.output.split()) == ["b''", "one", "two"]
