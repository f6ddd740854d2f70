"""Candidates that poison whatever they can reach from a warm session: the ones after them are graded as before."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pytest
from warm_worker import GradedTarget, differences, ending_of

from maabarium.records import Evaluation
from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.selection import available

HELD = any(reach.ok and reach.backend == "namespaces" for reach in available(SANDBOXES))
pytestmark = pytest.mark.skipif(not HELD, reason="there are no namespaces on this machine, so nothing is warm")

PRODUCT = "def add(a, b):\n    return a + b\n"
SOUND = {"product.py": PRODUCT + "\n\nmore = 1\n"}
BROKEN = {"product.py": "def add(a, b):\n    return a - b\n"}
TEST = """\
import json
import os
import sys

import pytest
from product import add


@pytest.mark.parametrize("n", range(3))
def test_add(n):
    assert add(1, n) == 1 + n


def test_surroundings(tmp_path):
    assert json.dumps([len("abc"), 7 + 1]) == "[3, 8]"
    assert not {name for name in os.environ if "POISON" in name or name.startswith("PYTEST_A")}
    assert not [name for name in sys.modules if "poison" in name.lower()]
    assert not [path for place in (".", "..", "/tmp", "/dev/shm", os.environ["HOME"], os.environ["TMPDIR"])
                for path in os.listdir(place) if "poison" in path]
"""
RULE = "from product import add\n\n\ndef test_points(score):\n    score.measure('worth', add(40, 2))\n"

POISON = {
    "pytest's own functions": """
        import _pytest.runner, _pytest.python, _pytest.assertion.rewrite
        _pytest.runner.call_and_report = lambda item, when, log=True, **k: None
        _pytest.python.Function.runtest = lambda self: None
        _pytest.assertion.rewrite._rewrite_test = None
    """,
    "builtins and the standard library": """
        import builtins, json, os, pathlib
        builtins.len = lambda thing: 0
        builtins.compile = builtins.open = builtins.__import__ = None
        json.dumps = json.loads = pathlib.Path.read_text = os.listdir = None
    """,
    "finders of modules": """
        import importlib.machinery, sys, types
        fake = types.ModuleType("product"); fake.add = lambda a, b: a + b
        sys.modules["product"] = sys.modules["poison"] = fake
        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name == "product": return importlib.machinery.ModuleSpec(name, self)
            def create_module(self, spec): return fake
            def exec_module(self, module): pass
        sys.meta_path.insert(0, Finder())
        importlib.machinery.SourceFileLoader.get_code = lambda self, name: None
        sys.path_importer_cache.clear(); sys.path.insert(0, "/tmp")
    """,
    "every object of the grader's side": """
        import gc, sys
        for thing in gc.get_objects():
            name = type(thing).__module__
            if "maabarium" in name or "_pytest" in name:
                for key, value in list(getattr(thing, "__dict__", {}).items()):
                    if isinstance(value, str): thing.__dict__[key] = "passed"
                    elif isinstance(value, (list, dict, set)): value.clear()
    """,
    "memory of objects that all share": """
        import ctypes, sys
        ctypes.memset(id(8) + 24, 9, 1)
        for word in ("passed", "failed"):
            ctypes.memmove(id(sys.intern(word)) + sys.getsizeof("") - 1, b"passed", 6)
    """,
    "bytecode that is not checked against its source": """
        import importlib.util, marshal, os
        code = compile("def add(a, b): return a + b", "product.py", "exec")
        data = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)
        os.makedirs("__pycache__", exist_ok=True)
        for name in ("product", "test_product"):
            for tag in ("", f"-pytest-{__import__('pytest').__version__}"):
                with open(f"__pycache__/{name}.{__import__('sys').implementation.cache_tag}{tag}.pyc", "wb") as file:
                    file.write(data)
    """,
    "files that the grader left in the scratch folder": """
        import os
        scratch = os.path.dirname(os.environ["HOME"])
        for name in (*os.listdir(scratch), "compiled", "server.json", "plan.json", "pytest.ini", "conftest.py"):
            try:
                with open(os.path.join(scratch, name), "w") as file: file.write("poison")
            except OSError: pass
    """,
    "files that Python and pytest look for": """
        import os
        for place in (".", "..", "/tmp", "/dev/shm", os.environ["HOME"], os.environ["TMPDIR"], "tests"):
            for name in ("conftest.py", "sitecustomize.py", "usercustomize.py", "json.py", "pytest.py", "poison.py",
                         "pytest.ini", "tox.ini", ".pytest.ini", "poison.pth"):
                try:
                    with open(os.path.join(place, name), "x") as file: file.write("raise SystemExit('poison')")
                except OSError: pass
    """,
    "the tests, with their old times": """
        import os
        for name in ("test_product.py", "product.py"):
            info = os.stat(name)
            with open(name, "r+") as file:
                text = file.read(); file.seek(0)
                file.write(text.replace("assert add(1, n) == 1 + n", "assert add(1, n) != None ").replace("-", "+"))
            os.utime(name, ns=(info.st_atime_ns, info.st_mtime_ns))
    """,
    "its folders": """
        import os
        here = os.getcwd()
        for act in (
            lambda: os.rename(here, here + "-poison"), lambda: os.symlink("/tmp", here + "/link"),
            lambda: os.chmod(here, 0), lambda: os.rmdir(os.environ["HOME"]),
            lambda: os.rename("product.py", "test_x.py"),
            lambda: os.symlink("/etc/passwd", "product.py"), lambda: os.mkdir("product.py"),
            lambda: os.chmod(os.path.dirname(os.environ["HOME"]), 0),
        ):
            try: act()
            except OSError: pass
    """,
    "a process that stays and writes": """
        import os, signal, time
        if os.fork() == 0:
            os.setsid()
            if os.fork(): os._exit(0)
            for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
            while True:
                try:
                    with open("product.py", "w") as file: file.write("def add(a, b):\\n    return a + b\\n")
                    with open("/tmp/poison", "w") as file: file.write("x")
                except OSError: pass
                time.sleep(0.001)
    """,
    "signals and tracing of all there is": """
        import ctypes, os, signal
        libc = ctypes.CDLL(None)
        for pid in range(1, 300):
            if pid == os.getpid(): continue
            libc.ptrace(16, pid, 0, 0)
            for number in (9, 19, 2, 15, 10):
                try: os.kill(pid, number)
                except OSError: pass
    """,
    "forged words on every descriptor": """
        import os
        for number in range(3, 256):
            for words in (b"S0 0.0 0\\n", b'{"k": "result", "id": "test_add", "outcome": "passed"}\\n', b"R\\n"):
                try: os.write(number, words)
                except OSError: pass
    """,
    "variables": """
        import os
        os.environ.update(PYTEST_ADDOPTS="--co", PYTEST_PLUGINS="poison", PYTHONPATH="/tmp", POISON="1")
        os.putenv("POISON", "1")
        os.environ["HOME"] = os.environ["TMPDIR"] = "/"
    """,
    "hooks that stay": """
        import atexit, gc, os, random, signal, sys, threading, time, warnings
        sys.addaudithook(lambda event, arguments: None)
        sys.settrace(lambda *_: None); threading.settrace(lambda *_: None)
        gc.callbacks.append(lambda *_: None); gc.disable()
        atexit.register(lambda: os._exit(0))
        warnings.simplefilter("error"); random.seed(1); time.perf_counter = time.time = lambda: 0.0
        signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.alarm(100); os.umask(0o777); os.chdir("/")
    """,
    "shared memory": """
        import ctypes, mmap, os
        libc = ctypes.CDLL(None)
        for key in range(1, 50): libc.shmget(key, 65536, 0o1666); libc.semget(key, 1, 0o1666); libc.msgget(key, 0o1666)
        with open("/dev/shm/poison", "wb") as file: file.write(bytes(1 << 20))
    """,
    "an end without a word": "import os; os._exit(0)",
    "a crash": "import ctypes; ctypes.string_at(8)",
    "a stop": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "being traced": "import ctypes, os; ctypes.CDLL(None).ptrace(0, 0, 0, 0); os.kill(os.getpid(), 19)",
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GradedTarget]:
    folder = tmp_path_factory.mktemp("poison")
    (folder / "target").mkdir()
    (folder / "target" / "product.py").write_text(PRODUCT)
    (folder / "target" / "test_product.py").write_text(TEST)
    (folder / "rules").mkdir()
    (folder / "rules" / "test_rule.py").write_text(RULE)
    made = GradedTarget(folder, True, timeout=4, more='rules = ["rules"]', sources=("score:worth",))
    made.grade_baseline()
    yield made
    made.close()


@pytest.fixture(scope="module")
def sound(target: GradedTarget) -> Evaluation:
    """What an honest candidate gets before anybody tried anything."""
    graded = target.screen(SOUND)
    assert ending_of(graded) == "" and len(graded.tests) == 5
    return graded


@pytest.mark.parametrize("name", POISON)
def test_poison_does_not_reach_the_next_candidate(target: GradedTarget, sound: Evaluation, name: str) -> None:
    poisoned = target.screen({"product.py": PRODUCT + textwrap.dedent(POISON[name])})
    said = " ".join([*(test.detail for test in poisoned.tests), *(gate.detail for gate in poisoned.gates)])
    assert "NameError" not in said and "SyntaxError" not in said  # no slip of the poison itself
    broken, again = target.screen(BROKEN), target.screen(SOUND)
    assert ending_of(broken) == "gate_failed" and differences(sound, again) == []
    assert sound.server == again.server != ""  # a session of the same program
