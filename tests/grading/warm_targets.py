"""Small targets of different kinds, and the changes that are tried on each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from warm_worker import Edits

__all__ = ["KINDS", "PRODUCT", "RULES", "Kind", "changes"]

PRODUCT = '''\
"""Adds.

>>> add(1, 2)
3
"""


def add(a, b):
    return a + b
'''
TEST = "from product import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
RULE = "import pytest\nimport product\n\n\n"
RULES = RULE + (
    "def test_scores(score):\n    score.measure('worth', product.add(40, 2))\n\n\n"
    "@pytest.mark.points('p', 2)\n@pytest.mark.parametrize('n', [0, 1])\n"
    "def test_points(n):\n    assert product.add(n, 0) == n\n"
)
COLLECTION = "forked from a warm pytest"
START = "forked from a warm interpreter"


@dataclass(frozen=True)
class Kind:
    """One target: its files beside the product, how its sessions are forked, and options of `GradedTarget`."""

    files: dict[str, str] = field(default_factory=dict)
    sessions: str = COLLECTION
    """A regular expression for `Evaluation.sessions`."""
    options: dict[str, Any] = field(default_factory=dict)
    product: str = "product.py"
    rules: bool = False
    more_changes: tuple[tuple[str, str, Edits], ...] = ()
    """Name, reason code, edits."""


def changes(kind: Kind) -> list[tuple[str, str, Edits]]:
    """Name, reason code (empty: sound), and edits, for any kind."""
    file = kind.product
    return [
        ("smaller", "|tests_lost", {file: PRODUCT.partition("\n\n\n")[2]}),
        ("sound", "", {file: PRODUCT + "\n\ndef more():\n    return 1\n"}),
        ("wrong", "gate_failed", {file: PRODUCT.replace("a + b", "a - b")}),
        ("not importable", "import_failed|crashed", {file: "import not_there_at_all\n" + PRODUCT}),
        ("leaves at import", "import_failed|tests_lost|crashed", {file: "raise SystemExit(3)\n"}),
        ("ends at once", "tests_lost|crashed", {file: "import os\nos._exit(0)\n"}),
        ("segmentation fault", "crashed", {file: "import ctypes\nctypes.string_at(0)\n" + PRODUCT}),
        ("deleted", "import_failed|crashed", {file: None}),
        *kind.more_changes,
    ]


PLAIN = """\
import unittest

import pytest
from product import add


def test_add():
    assert add(1, 2) == 3


ODD = ["", "a b", "\\u00e9\\n", "[x]::y", "\\x00", "/..", "\\ud800", "%s", "a" * 200]


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_odd_ids(text):
    assert add(text, "") == text


@pytest.mark.parametrize("number", [0.1, 1e300, None, True, add])
def test_ids_of_values(number):
    assert add


@pytest.mark.xfail(reason="known")
def test_known():
    assert add(1, 1) == 3


@pytest.mark.xfail
def test_unexpected():
    assert add(1, 1) == 2


@pytest.mark.skip(reason="later")
def test_later():
    raise AssertionError


@pytest.mark.skipif("sys.platform == 'linux'")
def test_elsewhere():
    raise AssertionError


class Cases(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = add(1, 1)

    def test_shared(self):
        self.assertEqual(self.shared, 2)

    @unittest.expectedFailure
    def test_expected(self):
        self.assertEqual(add(1, 1), 3)

    def test_parts(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertEqual(add(n, n), 2 * n)


class TestFixtures:
    @pytest.fixture(scope="session")
    def whole(self, tmp_path_factory):
        place = tmp_path_factory.mktemp("whole")
        yield place
        (place / "end").write_text("x")

    @pytest.fixture(autouse=True)
    def each(self, monkeypatch):
        monkeypatch.setenv("EACH", "1")

    def test_places(self, whole, tmp_path, request):
        import os

        assert os.environ["EACH"] == "1" and whole.exists() and list(tmp_path.iterdir()) == []
        assert request.config.rootpath.name and request.node.name == "test_places"
"""
CAPTURE = """\
import logging
import os
import subprocess
import sys
import warnings

import pytest
from product import add


def test_capsys(capsys):
    print("out", add(1, 1))
    print("err", file=sys.stderr)
    assert capsys.readouterr() == ("out 2\\n", "err\\n")


def test_capfd(capfd):
    os.write(1, b"one")
    subprocess.run([sys.executable, "-c", "import sys; print('two'); print('three', file=sys.stderr)"], check=True)
    assert capfd.readouterr() == ("onetwo\\n", "three\\n")


def test_caplog(caplog):
    with caplog.at_level(logging.INFO, logger="x"):
        logging.getLogger("x").info("told %d", add(1, 1))
    assert caplog.messages == ["told 2"]


def test_stdin():
    with pytest.raises(OSError):
        sys.stdin.read()
    assert os.read(0, 10) == b""
    assert sys.__stdin__ is None or sys.__stdin__.read() == ""


def test_loud():
    print("printed", add(1, 2))
    print("noted", file=sys.stderr)
    os.write(2, b"written\\n")
    logging.getLogger("y").warning("logged")
    subprocess.run([sys.executable, "-c", "import product; print(product.add(1, 2))"], check=True)
    assert add(1, 2) == 3, "loudly"


@pytest.mark.parametrize("n", range(3))
def test_warns(n):
    with pytest.warns(UserWarning, match="once"):
        warnings.warn("once")


def test_recwarn(recwarn):
    warnings.warn("now")
    assert len(recwarn) == 1
"""
PROCESSES = """\
import asyncio
import atexit
import faulthandler
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from product import add


def twice(n):
    return add(n, n)


def test_python_c():
    code = "import product, sys; sys.exit(product.add(20, 3))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 23


def test_shell():
    assert os.system("exit 3") >> 8 == 3
    assert os.popen("echo a").read() == "a\\n"


@pytest.mark.parametrize("n", range(2))
def test_fixed_port(n):
    with socket.create_server(("127.0.0.1", 45454)) as server:
        with socket.create_connection(("127.0.0.1", 45454)) as one:
            other, _ = server.accept()
            with other:
                one.sendall(b"x")
                assert other.recv(1) == b"x"


def test_threads():
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(twice, range(4))) == [0, 2, 4, 6]
    assert threading.current_thread() is threading.main_thread()
    assert threading.active_count() == 1


def test_asyncio():
    async def run():
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(5)", stdout=subprocess.PIPE)
        out, _ = await process.communicate()
        return add(int(out), await asyncio.to_thread(add, 1, 1))

    assert asyncio.run(run()) == 7


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_multiprocessing(how):
    with multiprocessing.get_context(how).Pool(2) as pool:
        assert pool.map(twice, [1, 2]) == [2, 4]


def test_alarm():
    def ring(number, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    assert before == signal.SIG_DFL
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(TimeoutError):
        time.sleep(20)


def test_sigterm_to_itself():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


def test_os_fork():
    child = os.fork()
    if child == 0:
        os._exit(add(3, 4))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_process_group():
    assert os.getpgid(0) == os.getpgrp()
    assert os.getpid() == int(os.readlink("/proc/self"))


def test_faulthandler(tmp_path):
    with open(tmp_path / "f", "w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        assert "test_faulthandler" in file.read()


def test_atexit():
    atexit.register(print, "never")


def test_daemon_thread_is_left():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def test_exit():
    sys.exit(add(0, 4))


def test_quits():
    quit()
"""
FACTS = """\
import locale
import os
import random
import resource
import signal
import sys
import time
import warnings

import pytest
from product import add

PLACES = {"XDG_CACHE_HOME"}


def told(value):
    return value if add(1, 2) == 3 else ""


FACTS = {
    "argv": lambda: [len(sys.argv), sys.argv[1:2]],
    "environment": lambda: sorted(os.environ),
    "values": lambda: sorted(item for item in os.environ.items() if "TMP" in item[0] or "PYTHON" in item[0]),
    "folder": os.getcwd,
    "path": lambda: sys.path,
    "flags": lambda: str(sys.flags),
    "limits": lambda: [resource.getrlimit(n) for n in range(1, 10)],  # not that of CPU time
    "mask": lambda: os.umask(0o22),
    "signals": lambda: [(n, str(signal.getsignal(n))) for n in range(1, 32)],
    "blocked": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, []),
    "open": lambda: len(os.listdir("/proc/self/fd")),
    "standard": lambda: [os.readlink(f"/proc/self/fd/{n}").partition("#")[0].partition(":")[0] for n in range(3)],
    "terminals": lambda: [os.isatty(n) for n in range(3)],
    "locale": lambda: [locale.getlocale(), sys.getfilesystemencoding(), sys.stdout.encoding, os.get_terminal_size],
    "who": lambda: [os.getuid(), os.getgid(), os.getgroups(), os.nice(0), len(os.sched_getaffinity(0))],
    "hashes": lambda: [hash("a"), list({"a", "b", "c", "d", "e"})],
    "switches": lambda: [sys.getswitchinterval(), sys.getrecursionlimit(), sys.dont_write_bytecode, sys.tracebacklimit]
    if hasattr(sys, "tracebacklimit") else [sys.getswitchinterval(), sys.getrecursionlimit(), sys.dont_write_bytecode],
    "hooks": lambda: [sys.excepthook is sys.__excepthook__, sys.displayhook.__name__, sys.gettrace(), sys.getprofile()],
    "main": lambda: [sys.modules["__main__"].__name__, sys.orig_argv[0]],
    "warnings": lambda: [str(one)[:80] for one in warnings.filters],
    "cpu": lambda: time.process_time() < 60,
    "tmp": lambda: sorted(os.listdir(os.environ["TMPDIR"])),
    "home": lambda: sorted(os.listdir(os.path.expanduser("~"))),
    "tree": lambda: sorted(os.listdir(".")),
    "network": lambda: sorted(os.listdir("/sys/class/net")) if os.path.isdir("/sys/class/net") else "",
    "processes": lambda: len([name for name in os.listdir("/proc") if name.isdigit()]),
}


@pytest.mark.parametrize("name", sorted(FACTS))
def test_fact(name):
    assert told("") == repr(FACTS[name]())


def test_add():
    assert add(1, 2) == 3


def test_random():
    assert random.random() != 0.5 and random.getrandbits(64)


def test_numbers():
    import gc
    assert gc.isenabled() and gc.get_threshold()[0] in (700, 2000)
    gc.collect()
    assert gc.garbage == []
"""
HIDDEN = "# is read by nobody\n"
KINDS: dict[str, Kind] = {
    "plain": Kind(
        {"test_plain.py": PLAIN, "pytest.ini": "[pytest]\naddopts = -ra\n"},
        more_changes=(
            ("new file", "", {"product.py": PRODUCT + "\n\nfrom new_part import more\n", "new_part.py": "more = 1\n"}),
        ),
        options={"target_files": ("product.py", "new_*.py")},
    ),
    "capture": Kind({"test_capture.py": CAPTURE, "conftest.py": "import os\nos.environ['GIVEN'] = '1'\n"}),
    "processes": Kind({"test_processes.py": PROCESSES}, options={"strict": False}),
    "facts": Kind({"test_facts.py": FACTS + HIDDEN}, options={"strict": False}),
    "flood": Kind(
        {"test_flood.py": TEST},
        options={"args": ("-s",)},
        more_changes=(("floods", "output_flood", {"product.py": "while True:\n    print('x' * 100000)\n"}),),
    ),
    "loops": Kind(
        {"test_loops.py": TEST},
        options={"timeout": 15},
        more_changes=(("loops", "timeout", {"product.py": "while True:\n    pass\n"}),),
    ),
    "package below the repository": Kind(
        {
            "part/pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["tests"]\npythonpath = ["src"]\n',
            "part/src/shop/product/__init__.py": "from .sums import add\n",
            "part/tests/test_shop.py": TEST.replace("product", "shop.product"),
            "part/tests/conftest.py": "import sys\nsys.path.append('/nowhere')\n",
            "other/conftest.py": "raise RuntimeError('of another project')\n",
        },
        product="part/src/shop/product/sums.py",
        options={"target_files": ("part/src/**/*.py",), "repo_path": "target/part"},
    ),
    "rules and coverage": Kind(
        {"test_product.py": TEST}, rules=True, options={"sources": ("score:worth", "score:p", "coverage")}
    ),
    "conftest imports the product": Kind(
        {"test_product.py": TEST, "conftest.py": "import product\n"}, START + r" \(a conftest reads product.py\)"
    ),
    "conftest reads the product": Kind(
        {"test_product.py": TEST, "conftest.py": "import pathlib\nTEXT = pathlib.Path('product.py').read_text()\n"},
        START + r" \(a conftest reads product.py\)",
    ),
    "conftest looks for parts of the product": Kind(
        {
            "test_product.py": TEST,
            "conftest.py": "import pathlib\n"
            "PARTS = [p.name for p in pathlib.Path(__file__).parent.glob('part_*.py')]\n",
            "test_parts.py": "from conftest import PARTS\n\n\ndef test_parts():\n    assert PARTS == []\n",
        },
        START + r" \(a conftest lists \.\)",
        options={"target_files": ("product.py", "part_*.py")},
        more_changes=(("one part", "gate_failed", {"part_one.py": "x = 1\n"}),),
    ),
    "conftest starts a process": Kind(
        {"test_product.py": TEST, "conftest.py": "import subprocess\nsubprocess.run(['true'], check=True)\n"},
        START + r" \(a conftest calls subprocess.Popen\)",
    ),
    "conftest changes the folder": Kind(
        {"test_product.py": TEST, "conftest.py": "import os\nos.makedirs('x', exist_ok=True)\nos.chdir('x')\n"},
        START + r" \(a conftest changes the working folder\)",
    ),
    "conftest changes path and environment": Kind(
        {
            "test_product.py": TEST + "\n\ndef test_env():\n    import os\n    assert os.environ['A'] == 'b'\n",
            "conftest.py": "import os, sys\nos.environ['A'] = 'b'\n"
            "sys.path.insert(0, os.path.dirname(__file__) + '/lib')\n",
            "lib/helping.py": "import product\n",
        },
    ),
    "conftest starts a thread": Kind(
        {
            "test_product.py": TEST,
            "conftest.py": "import threading, time\n"
            "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n",
        },
        START + r" \(2 threads run in it",
    ),
    "conftest may be changed": Kind(
        {"test_product.py": TEST, "conftest.py": "LIMIT = 3\n"},
        START + r" \(a conftest may be changed\)",
        options={"target_files": ("product.py", "conftest.py")},
        more_changes=(
            ("better conftest", "", {"conftest.py": "LIMIT = 4\n"}),
            ("worse conftest", "import_failed", {"conftest.py": "import nothing_there\n"}),
        ),
    ),
    "plug-ins of the tree": Kind(
        {
            "test_product.py": TEST + "\n\ndef test_given(given):\n    assert given == 3\n",
            "conftest.py": "pytest_plugins = ['helpers.fixtures']\n",
            "helpers/__init__.py": "",
            "helpers/fixtures.py": "import pytest\nimport product\n\n\n"
            "@pytest.fixture\ndef given():\n    return product.add(1, 2)\n",
            "helpers/early.py": "EARLY = True\n",
            "pytest.ini": "[pytest]\naddopts = -p helpers.early\n",
        },
        START,
    ),
    "errors for warnings": Kind(
        {
            "test_product.py": TEST
            + "\n\ndef test_old():\n    import warnings\n    warnings.warn('old', DeprecationWarning)\n",
            "pytest.ini": "[pytest]\naddopts = -W error --strict-markers\nfilterwarnings = error\n",
        },
        options={"strict": False, "args": ()},
        more_changes=(("warns", "import_failed", {"product.py": PRODUCT + "import warnings\nwarnings.warn('x')\n"}),),
    ),
    "plug-ins of the environment": Kind(
        {
            "test_product.py": TEST + "\n\ndef test_fast(benchmark):\n    assert benchmark(add, 1, 2) == 3\n"
            "\n\nfrom hypothesis import given, strategies as st\n\n\n"
            "@given(st.integers())\ndef test_same(n):\n    assert add(n, 0) == n\n",
            "pytest.ini": "[pytest]\naddopts = -n 2 --cov\n",
        },
        options={"args": ()},
    ),
}
