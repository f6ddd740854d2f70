"""Which server a session is forked from, and when it is another one: what it is made of, renewal, servers that end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from warm_targets import PRODUCT, Kind, changes
from warm_worker import GradedTarget, differences, ending_of

from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.selection import available
from maabarium_pytest.grading import servers
from maabarium_pytest.target.server import Watch, loaded_from

HELD = any(reach.ok and reach.backend == "namespaces" for reach in available(SANDBOXES))
needs_namespaces = pytest.mark.skipif(not HELD, reason="there are no namespaces on this machine")
TEST = "import os\nfrom product import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
TIMED = "import product\n\n\ndef test_rate(score):\n    with score.timer('rate'):\n        product.add(1, 2)\n"
LAYOUT = (
    "import os\n\n\ndef test_layout(score):\n"
    "    score.measure('hash', hash('a') % 1000003)\n"
    "    score.measure('pad', sum(map(len, open('/proc/self/environ').read().split(chr(0)))))\n"
)
SOUND = {"product.py": PRODUCT + "\n\nmore = 1\n"}


# --- what makes a server unfit ---


def run_as(path: Path, text: str) -> None:
    """Run a text as if it stood in this file."""
    exec(compile(text, str(path), "exec"), {"__name__": "tried"})


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """One that is switched off at the end: an audit hook stays for good."""
    made = Watch(str(tmp_path))
    yield made
    made.on = False


def test_what_a_conftest_may_not_do_is_seen(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "numbers.txt").write_text("1")
    run_as(tmp_path / "conftest.py", "import os, sys\nos.environ['A'] = 'b'\nsys.path.append('x')\nsys.path.pop()\n")
    (tmp_path / "data" / "numbers.txt").read_text()  # by others
    run_as(Path("/elsewhere/conftest.py"), f"open({str(tmp_path / 'data' / 'numbers.txt')!r}).close()")
    assert watch.seen == ""
    run_as(tmp_path / "conftest.py", f"open({str(tmp_path / 'data' / 'numbers.txt')!r}).close()")
    assert watch.seen == "a conftest reads data/numbers.txt"  # not the conftest itself, nor what is elsewhere
    run_as(tmp_path / "conftest.py", "import os\nos.system('true')")
    assert watch.seen == "a conftest reads data/numbers.txt"  # the first is told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("open('product.py').close()", "reads product.py"),
        ("import os\nos.close(os.open(b'product.py', os.O_RDONLY))", "reads product.py"),
        ("import pathlib\npathlib.Path('../top/product.py').read_text()", "reads product.py"),
        ("import os\nos.listdir()", "lists ."),
        ("import glob\nglob.glob('part/*')", "lists part"),
        ("import pathlib\nlist(pathlib.Path('part').rglob('*.py'))", "lists part"),
        ("import product_of_this_test", "reads product_of_this_test.py"),
        ("import json.tool, sys\nsys.path_importer_cache.clear()\nimport json.no_such_module", ""),
    ],
)
def test_however_a_conftest_looks_into_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    top = tmp_path / "top"
    (top / "part").mkdir(parents=True)
    for name in ("product.py", "product_of_this_test.py"):
        (top / name).write_text("x = 1\n")
    monkeypatch.chdir(top)
    monkeypatch.syspath_prepend(str(top))
    watch = Watch(str(top))
    try:
        with contextlib.suppress(ImportError):
            run_as(top / "conftest.py", text)
    finally:
        watch.on = False
        sys.modules.pop("product_of_this_test", None)
    assert watch.seen == (f"a conftest {said}" if said else "")


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("import subprocess\nsubprocess.run(['true'])", "subprocess.Popen"),
        ("import os\nos.system('true')", "os.system"),
        ("import os\nos.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)", "os.posix_spawn"),
        ("import socket\nwith socket.socket() as s:\n    s.connect_ex(('127.0.0.1', 9))", "socket.connect"),
    ],
)
def test_a_conftest_that_reaches_out_is_seen(watch: Watch, tmp_path: Path, text: str, event: str) -> None:
    run_as(tmp_path / "elsewhere.txt", "pass")
    run_as(Path("/elsewhere/conftest.py"), text)
    assert watch.seen == ""
    run_as(tmp_path / "conftest.py", text)
    assert watch.seen == f"a conftest calls {event}"


def test_a_watch_that_is_off_sees_nothing(watch: Watch, tmp_path: Path) -> None:
    watch.on = False
    run_as(tmp_path / "conftest.py", "import os\nos.system('true')")
    assert watch.seen == ""


def test_modules_of_the_tree_make_a_server_unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("of_the_tree")
    monkeypatch.setitem(sys.modules, "of_the_tree", module)
    top = os.path.realpath(tmp_path)
    assert loaded_from(top, []) == ""  # no file
    module.__file__ = str(tmp_path / "conftest.py")
    assert loaded_from(top, []) == ""
    assert loaded_from(top, [f"{top}/conftest.py"]) == "a conftest loads of_the_tree"
    module.__file__ = str(tmp_path / "product.py")
    assert loaded_from(top, []) == "a conftest loads of_the_tree"
    assert loaded_from(top + "x", []) == ""  # a neighbour with a longer name
    (tmp_path / "link").symlink_to(tmp_path)
    module.__file__ = str(tmp_path / "link" / "product.py")
    assert loaded_from(top, []) == "a conftest loads of_the_tree"


def test_files_are_told_apart_by_content_and_folders_by_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = servers.contents_of(tmp_path, ["a", "b"])
    assert before["b"] == "" and servers.contents_of(tmp_path, before) == before
    os.utime(tmp_path / "a", (1, 1))
    assert servers.contents_of(tmp_path, before) == before
    (tmp_path / "a").write_text("2")
    assert servers.contents_of(tmp_path, before) != before
    stamps = servers.stamps_of([tmp_path, tmp_path / "gone"])
    assert stamps[tmp_path / "gone"] == 0
    os.utime(tmp_path, (1, 1))
    assert servers.stamps_of(stamps) != stamps


# --- real servers ---


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., GradedTarget]]:
    """Targets with a baseline that was measured by a server; afterwards nothing of them runs."""
    made: list[GradedTarget] = []

    def build(files: dict[str, str], **options: Any) -> GradedTarget:
        for name, text in ({"product.py": PRODUCT, "test_product.py": TEST} | files).items():
            path = tmp_path / name if name.startswith("rules/") else tmp_path / "target" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        target = GradedTarget(tmp_path, True, **{"target_files": ("product.py",)} | options)
        made.append(target)
        baseline = target.grade_baseline()
        assert baseline.failed_gate is None and baseline.server, baseline.failed_gate
        return target

    yield build
    for target in made:
        target.close()
    until = time.monotonic() + 20
    while pids_of_sessions() and time.monotonic() < until:
        time.sleep(0.05)  # one that was being started ahead ends when it is ready
    assert pids_of_sessions() == []


def pids_of_sessions() -> list[int]:
    """Kept programs and what they have forked, beneath this process."""
    words, parents = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words[int(entry.name)] = (entry / "cmdline").read_bytes().split(b"\0")[1:3]
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return [pid for pid in ours if words.get(pid, [])[1:] == [b"server"]]


@needs_namespaces
def test_another_server_when_what_it_was_made_from_changes(make: Any, tmp_path: Path) -> None:
    packages = tmp_path / "watched"
    packages.mkdir()
    target = make(
        {"conftest.py": "LIMIT = 1\n", "pytest.ini": "[pytest]\n", "other.py": "x = 1\n"},
        target_files=("product.py", "other.py", "new_*.py"),
    )
    first = target.screen(SOUND)
    assert first.failed_gate is None and first.server == target.baseline.server
    assert target.screen({"other.py": "x = 2\n"}).server == first.server  # what may change is not loaded
    assert len(target.kept) == 1
    conftest = target.screen({"conftest.py": "LIMIT = 2\n"})  # as a plug-in might bring it about
    assert conftest.server not in ("", first.server) and len(target.kept) == 1
    (evaluator,) = (evaluator for name, evaluator in target.worker.tools()[1] if name == "pytest")
    (server,) = evaluator._servers._kept.values()
    server.stamps = {**server.stamps, packages: packages.stat().st_mtime_ns}
    again = target.screen({"conftest.py": "LIMIT = 2\n"})
    assert again.server == conftest.server
    (packages / "new").mkdir()
    os.utime(packages, (1, 1))
    assert target.screen({"conftest.py": "LIMIT = 2\n"}).server not in ("", conftest.server)


@needs_namespaces
def test_gates_keep_the_hash_seed_and_pairs_renew_it(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "SECONDS", 0.0)
    target = make(
        {"rules/test_layout.py": LAYOUT, "rules/test_rate.py": TIMED},
        more='rules = ["rules"]',
        sources=("score:hash", "score:pad", "score:rate"),
    )
    gates = [target.screen(SOUND).values() for _ in range(2)]
    cold = target.measure("audit", SOUND).candidate
    assert cold is not None and not cold.server
    assert gates[0]["score:hash"] == gates[1]["score:hash"] == target.baseline.values()["score:hash"]
    assert cold.values()["score:hash"] != gates[0]["score:hash"]
    seen = []
    for number in range(servers.PAIRS * 2 + 1):
        pair = target.measure(
            "pair",
            SOUND,
            pair=number,
            side_by_side=frozenset({"score:rate"}),
            sources=frozenset({"score:hash", "score:pad", "score:rate"}),
        )
        assert pair.candidate and pair.champion and not pair.problem
        one, two = (side.values() for side in (pair.candidate, pair.champion))
        assert pair.server and one["score:hash"] == two["score:hash"] and one["score:pad"] == two["score:pad"]
        seen.append((pair.server, one["score:hash"], one["score:pad"]))
    assert len({name for name, _, _ in seen}) == 3 == len(set(seen)) == len({hashed for _, hashed, _ in seen})
    assert len({pad for _, _, pad in seen}) > 1
    assert target.screen(SOUND).server == target.baseline.server


def kill_server() -> None:
    """End the kept programs beneath this process: those that nobody of the same kind has forked."""
    kept = pids_of_sessions()
    for pid in kept:
        with contextlib.suppress(OSError):  # a session that was ready ends with its server
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) not in kept:
                os.kill(pid, signal.SIGKILL)


@needs_namespaces
def test_a_server_that_was_killed_costs_a_cold_session(make: Any) -> None:
    target = make({})
    first = target.screen(SOUND)
    kill_server()
    between = target.screen(SOUND)
    assert between.failed_gate is None and not between.server
    again = target.screen(SOUND)
    assert again.server not in ("", first.server) and differences(again, between) == []
    up = target.worker._made[0].path / "up"
    waits = {"product.py": "import time\nopen('up', 'w').close()\ntime.sleep(2)\n" + PRODUCT}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(target.screen, waits)
        while not up.exists():
            time.sleep(0.01)
        kill_server()
        within = running.result()
    assert within.failed_gate is None and not within.server
    assert target.screen(SOUND).server not in ("", first.server, again.server)


@needs_namespaces
def test_workers_share_a_server(make: Any) -> None:
    target = make({"conftest.py": "LIMIT = 1\n"})
    tried = changes(Kind())[:6] * 2
    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(lambda change: target.screen(change[2]), tried))
    for (_, code, _), evaluation in zip(tried, seen, strict=True):
        assert re.fullmatch(code, ending_of(evaluation)), evaluation.failed_gate
        assert evaluation.server == target.baseline.server
    assert differences(seen[0], seen[6]) == [] and len(target.kept) == 1


@needs_namespaces
def test_a_worker_that_is_cancelled_starts_no_more_and_leaves_nothing(make: Any) -> None:
    target = make({}, timeout=60)
    up = target.worker._made[0].path / "up"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            target.measure, "screen", {"product.py": "open('up', 'w').close()\nwhile True:\n    pass\n"}
        )
        while not up.exists():
            time.sleep(0.01)
        target.cancel.set()
        ended = running.result()
    assert ended.problem or ended.candidate.failed_gate is not None
    target.close()
    assert pids_of_sessions() == []
