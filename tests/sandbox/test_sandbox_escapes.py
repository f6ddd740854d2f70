"""Escapes, tried for real: at `standard` and `strict` none works, and the parent goes on; `trusted` says which do.

`attempts.py` is what is tried, `escapes.py` the parent that plants bait and looks what happened.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kept_backend import BACKENDS, KEPT

from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.processes import Command, Completed
from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.selection import available

HERE = Path(__file__).parent
NOBODY = 65534
HELD = {(reach.backend, reach.level) for reach in available(SANDBOXES) if reach.ok}
HELD |= {(KEPT, level) for backend, level in HELD if backend == "namespaces"}
CONFINED = [
    (backend, level)
    for backend in BACKENDS
    for level in ("standard", "strict")
    if (backend, level) in HELD or backend in ("namespaces", KEPT)
]
"""What is to hold here. The namespaces are named so that their absence is seen as a skip, not as nothing."""

KNOWN = {"landlock": {"host_name"}}
"""What a backend openly does not hide, see docs/sandbox.md."""

BY_PRIVILEGE = {
    "raw_packets", "raw_icmp", "write_site_packages", "write_kernel_setting", "open_core_pattern",
    "mode_of_the_interpreter", "secret_by_bind_mount", "secret_by_handle", "password_hashes", "kernel_log",
    "nice_ourselves_up", "real_time", "join_a_namespace", "mount_something", "make_the_root_writable", "change_root",
    "set_the_clock", "set_the_host_name", "reboot", "swap", "watch_the_whole_machine",
    "capabilities",
}  # fmt: skip
"""What works at `trusted` for root only."""
ALWAYS = {
    "tcp_over_ipv4", "udp_over_ipv4", "unix_stream_by_path", "unix_datagram_by_path", "unix_datagram_from_a_pair",
    "abstract_stream", "abstract_datagram", "write_home", "write_shell_start_file", "write_git_configuration",
    "write_git_hook", "write_host_temporary", "write_host_shared_memory", "write_other_worktree", "write_database",
    "rename_to_outside", "hard_link_then_write", "symlink_then_write", "climb_with_dots", "mode_outside",
    "times_outside", "truncate_outside", "make_folder_outside", "remove_outside", "secret_by_path",
    "secret_by_symlink", "secret_by_hard_link", "dotenv", "git_history", "ssh_key", "cloud_credentials", "database",
    "rules_originals", "other_worktree", "list_home", "parents_environment", "parents_root", "parents_descriptors",
    "other_processes_command_line", "host_name", "signal_parent", "signal_victim", "limit_victim", "slow_victim",
    "pin_victim", "drop_the_runs_mark", "owner_outside", "system_v_memory",
}  # fmt: skip
"""What works at `trusted` for everybody."""


def launchers() -> list[tuple[str, dict[str, Any]]]:
    """Who tries: root as itself and an ordinary user, or whoever we are."""
    if os.getuid() != 0:
        return [("user", {})]
    return [("root", {}), ("user", {"user": NOBODY, "group": NOBODY, "extra_groups": []})]


def interpreter_for(who: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """A Python that the user may execute, and its environment; skips when there is none."""
    path = os.pathsep.join([str(HERE.parents[1]), *(entry for entry in sys.path if entry)])
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    wanted = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for python in (sys.executable, f"/usr/bin/{wanted}", f"/usr/local/bin/{wanted}"):
        more = {} if python == sys.executable else {"PYTHONPATH": path}
        probe = [python, "-c", "import maabarium.sandbox"]
        try:
            if subprocess.run(probe, env=env | more, capture_output=True, cwd="/", check=False, **who).returncode == 0:
                return python, env | more
        except OSError:
            continue
    pytest.skip("an ordinary user can execute no Python of this version here")


@pytest.fixture
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are private."""
    folder = Path("/var/tmp") / f"maabarium-escapes-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def round_of(backend: str, level: str, who: dict[str, Any], ground: Path) -> dict[str, Any]:
    python, env = interpreter_for(who)
    (ground / "setuid").mkdir()
    shutil.copy(str(shutil.which("id")), ground / "setuid" / "id")
    if os.getuid() == 0:
        (ground / "setuid" / "id").chmod(0o4755)
        os.chown(ground, who.get("user", 0), who.get("group", 0))
    done = subprocess.run(
        [python, str(HERE / "escapes.py"), backend, level, str(ground)],
        env=env, capture_output=True, text=True, check=False, timeout=100, cwd="/", **who,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(("name", "who"), launchers(), ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize(("backend", "level"), CONFINED)
def test_nothing_gets_out(backend: str, level: str, name: str, who: dict[str, Any], ground: Path) -> None:
    if (backend, level) not in HELD:
        pytest.skip(f"{backend} cannot hold {level} on this machine")
    answer = round_of(backend, level, who, ground)
    assert len(answer["answers"]) >= 90, answer["output"]
    out = {name for name, said in answer["answers"].items() if not said.startswith("refused")}
    assert out == KNOWN.get(backend, set())
    # Refused by the world outside, not by a mistake of the attempt itself.
    slips = ("NameError", "TypeError", "AttributeError", "KeyError", "ImportError", "SyntaxError")
    assert not [said for said in answer["answers"].values() if any(slip in said for slip in slips)]
    assert (answer["code"], answer["victim"]) == (0, "alive")


@pytest.mark.parametrize(("name", "who"), launchers(), ids=lambda value: value if isinstance(value, str) else "")
def test_trusted_says_what_gets_out(name: str, who: dict[str, Any], ground: Path) -> None:
    """The same attempts prove here that they can work at all."""
    answer = round_of("subprocess", "trusted", who, ground)
    out = {name for name, said in answer["answers"].items() if not said.startswith("refused")}
    assert out >= ALWAYS
    if name == "user":
        assert not BY_PRIVILEGE & out
    for kept in ("secret_in_environment", "secret_by_descriptor", "raise_a_hard_limit"):
        assert kept not in out


# --- what takes a whole run each ---


def marked(pair: tuple[str, str]) -> Any:
    """`strict` adds caps and refusals to the same walls: what takes a whole run each is run there on request."""
    return pytest.param(pair, marks=[pytest.mark.slow] if pair[1] == "strict" else [], id=f"{pair[0]}-{pair[1]}")


@pytest.fixture(params=[marked(pair) for pair in CONFINED if pair in HELD])
def confined(
    request: pytest.FixtureRequest, tmp_path: Path, living: Callable[[str], list[int]]
) -> Iterator[Callable[..., Completed]]:
    """Run a program at one level of one backend; afterwards none of its processes may be left."""
    backend, level = request.param
    token = f"60.{os.getpid()}{time.monotonic_ns()}"

    def runner(source: str, timeout: float = 20, **options: Any) -> Completed:
        sandbox = BACKENDS[backend](SandboxOptions.model_validate({"level": level, **options}), threading.Event())
        tree = tmp_path / "tree"
        tree.mkdir(exist_ok=True)
        argv = [sys.executable, "-I", "-S", "-c", PRELUDE + source, token]
        return sandbox.run(Command(argv, tree, {}, timeout, writable=(tree,)))

    yield runner
    assert living(token) == []


PRELUDE = """
import os, sys, time, signal, subprocess
token = sys.argv[1]
def nap():
    os.execv("/bin/sleep", ["sleep", token])
"""


def test_fork_bomb(confined: Callable[..., Completed]) -> None:
    done = confined(
        """
count = 0
try:
    while count < 3000:
        if os.fork() == 0:
            time.sleep(60)
        count += 1
except OSError:
    pass
print(count, flush=True)
""",
        processes=60,
    )
    assert 20 < int(done.output.split()[0]) <= 62
    # that nothing of it is left is asserted by the fixture, for its own processes: others start some meanwhile


def test_everybody_forks(confined: Callable[..., Completed]) -> None:
    """The real bomb: every child goes on forking, and all of them ignore what they can."""
    done = confined(
        """
for number in (1, 2, 3, 13, 15): signal.signal(number, signal.SIG_IGN)
while True:
    try:
        if os.fork() == 0: os.setsid()
    except OSError:
        time.sleep(0.01)
""",
        timeout=0.7,
        processes=60,
    )
    assert done.timed_out and done.duration < 10


def test_fork_chain(confined: Callable[..., Completed]) -> None:
    """Each process lives only long enough to start the next one, in a session of its own."""
    done = confined(
        """
for _ in range(3):
    if os.fork() == 0:
        while True:
            if os.fork(): os._exit(0)
            os.setsid()
os._exit(3)
"""
    )
    assert done.returncode == 3


def test_daemons_that_hold_the_pipe(confined: Callable[..., Completed]) -> None:
    started = time.monotonic()
    done = confined(
        """
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
        if os.fork(): os._exit(0)
        os.closerange(3, 100)
        os.execve("/bin/sleep", ["sleep", token], {})
time.sleep(0.1)
print("left", flush=True)
"""
    )
    assert (done.returncode, done.output) == (0, "left\n")
    assert time.monotonic() - started < 10


def test_deadline_against_one_that_ignores_signals(confined: Callable[..., Completed]) -> None:
    done = confined(
        "for number in range(1, 32):\n    if number not in (9, 19): signal.signal(number, signal.SIG_IGN)\n"
        "print('in', flush=True)\nwhile True: pass",
        timeout=1.5,
    )
    assert done.timed_out and done.output == "in\n" and done.duration < 20


def test_memory_hog(confined: Callable[..., Completed]) -> None:
    done = confined(
        "kept = []\ntry:\n    while True: kept.append(b'x' * 10_000_000)\nexcept MemoryError: print(len(kept))",
        memory_mb=300,
    )
    assert done.returncode != 0 or int(done.output) < 31


def test_memory_of_many(confined: Callable[..., Completed]) -> None:
    """No single process is too large; together they are."""
    done = confined(
        """
for _ in range(5):
    if os.fork() == 0:
        kept = b"x" * 100_000_000
        time.sleep(30)
time.sleep(30)
""",
        memory_mb=300,
        timeout=15,
    )
    assert not done.timed_out and done.returncode != 0
    assert "memory" in done.output or done.out_of_memory


def test_disk_hog_in_the_tree(confined: Callable[..., Completed], tmp_path: Path) -> None:
    done = confined(
        """
chunk = b"x" * 1_000_000
for number in range(3000):
    with open(f"file{number}", "wb") as file: file.write(chunk)
""",
        written_mb=40,
    )
    assert done.returncode == -9 and "wrote more than 40 MB" in done.output
    assert sum(entry.stat().st_size for entry in (tmp_path / "tree").iterdir()) < 1_500_000_000


def test_disk_hog_in_temporary_folders(confined: Callable[..., Completed]) -> None:
    done = confined(
        """
chunk = b"x" * 1_000_000
written = 0
try:
    for place in (os.environ["TMPDIR"], os.environ["HOME"]):
        for number in range(1500):
            with open(f"{place}/file{number}", "wb") as file: file.write(chunk)
            written += 1
except OSError: pass
print(written)
""",
        written_mb=40,
    )
    assert done.returncode == -9 or int(done.output) <= 80


def test_one_large_file(confined: Callable[..., Completed]) -> None:
    done = confined("open('large', 'wb').write(b'x' * 30_000_000)", file_mb=10)
    assert done.returncode != 0


def test_output_flood(confined: Callable[..., Completed]) -> None:
    assert confined("while True: os.write(1, b'x' * 65536)", output_mb=1).flooded


def test_too_many_files(confined: Callable[..., Completed]) -> None:
    done = confined("kept = [open('/dev/null') for _ in range(500)]", open_files=64)
    assert done.returncode != 0 and "Too many open files" in done.output


def test_killing_what_is_above(confined: Callable[..., Completed]) -> None:
    done = confined(
        """
for victim in (os.getppid(), 1):
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
        try: os.kill(victim, number)
        except OSError: pass
print("still here", flush=True)
"""
    )
    assert (done.returncode, done.output) == (0, "still here\n")


def test_signals_and_status_come_through(confined: Callable[..., Completed]) -> None:
    fault = confined("os.kill(os.getpid(), 11)")
    assert fault.returncode == (-11 if fault.signals_seen else 139) and "SIGSEGV" in fault.ending
    assert confined("os.kill(os.getpid(), 9)").out_of_memory
    assert confined("raise SystemExit(7)").returncode == 7


def test_a_status_above_128_is_no_signal(confined: Callable[..., Completed]) -> None:
    """A shell says 128 + n of a signal, and any program may end so; only a sandbox that sees no signals guesses."""
    done = confined("raise SystemExit(137)")
    assert done.returncode == 137 and done.ending == "status 137, as shells say of SIGKILL"
    assert done.out_of_memory is not done.signals_seen
