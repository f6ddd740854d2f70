"""Product code that tries to be graded better than it is, or to harm the grading: each ends in the right gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from maabarium.records import Evaluation

HONEST = "def add(a, b):\n    return a + b\n"
SUITE = """
from calc import add

def test_add():
    assert add(1, 2) == 3

def test_more():
    assert add(2, 2) == 4
"""
RULES = """
from calc import add

def test_rule():
    assert add(5, 5) == 10
"""
WRONG = "def add(a, b):\n    return 3\n"


@pytest.fixture(scope="module")
def victim(shared_target: Callable[[], Any]) -> tuple[Any, Evaluation]:
    target = shared_target()
    target.write({"calc.py": HONEST, "test_calc.py": SUITE})
    target.write({"rules/test_rule.py": RULES}, target.folder)
    target.options = {"rules": ["rules/test_rule.py"]}
    baseline = target.grade()
    assert baseline.failed_gate is None
    return target, baseline


def attack(victim: tuple[Any, Evaluation], code: str) -> Evaluation:
    target, baseline = victim
    target.write({"calc.py": code})
    evaluation: Evaluation = target.screen(baseline)
    assert not (target.top / "_maabarium_rules").exists()
    return evaluation


SOCKETS = """
import os, socket
def sockets():
    for name in os.listdir("/proc/self/fd"):
        try:
            yield socket.socket(fileno=os.dup(int(name)))
        except OSError:
            pass
def forge():
    for sock in sockets():
        try:
            sock.send(b'{"k":"finish","n":0,"nonce":"","status":0,"results":3}')
        except OSError:
            pass
"""


@pytest.mark.parametrize(
    ("code", "gate", "reason", "words"),
    [
        ("import os\nos._exit(0)\n", "session", "crashed", "ended (status 0) before pytest did"),
        ("import sys\nsys.exit(0)\n", "session", "crashed", "status 3"),
        ("def add(a, b:\n", "session", "import_failed", "test_calc.py"),
        ("import pytest\ndef add(a, b):\n    pytest.exit('done', 0)\n", "session", "tests_lost", "test_more"),
        ("import pytest\ndef add(a, b):\n    pytest.skip('later')\n", "tests", "gate_failed", "skipped: "),
        ("import pytest\ndef add(a, b):\n    pytest.xfail('known')\n", "tests", "gate_failed", "xfailed: "),
        (WRONG + "import atexit, os\natexit.register(os._exit, 0)\n", "tests", "gate_failed", "::test_more"),
        ("import os\ndef add(a, b):\n    os.kill(os.getpid(), 11)\n", "session", "crashed", "SIGSEGV"),
        ("import os\ndef add(a, b):\n    os.kill(os.getpid(), 9)\n", "session", "out_of_memory", "::test_rule"),
        ("def add(a, b):\n    raise MemoryError\n", "tests", "out_of_memory", "MemoryError"),
        ("def add(a, b):\n    print('x' * 1000000 * 5)\n    return a + b\n", "session", "output_flood", "2 MB"),
        (
            "import os\ndef add(a, b):\n    for name in os.listdir('/proc/self/fd'):\n        try:\n"
            "            os.write(int(name), b'x' * 3_000_000)\n        except OSError:\n            pass\n",
            "session", "output_flood", "sandbox.output_mb",
        ),
        (SOCKETS + "forge()\n" + WRONG, "session", "tampered", "wrong number or signature"),
        (
            SOCKETS + "if os.fork() == 0:\n    forge()\n    os._exit(0)\nos.wait()\n" + WRONG,
            "session", "tampered", "not the session",
        ),
        (
            "import pathlib\nfor path in pathlib.Path('_maabarium_rules').glob('test_*'):\n    path.chmod(0o600)\n"
            "    path.write_text('def test_rule(): pass')\n" + HONEST,
            "session", "tampered", "rules/test_rule.py was changed",
        ),
        ("def add(a, b):\n    return 3 if b == 2 and a == 1 else 4\n", "rules", "gate_failed", "::test_rule"),
    ],
    ids=[
        "exit at import", "sys.exit at import", "syntax error", "pytest.exit", "skip", "xfail", "exit handler",
        "segfault", "killed", "memory", "prints much", "writes everywhere", "forges", "forges in a fork",
        "edits rules", "answers by heart",
    ],
)  # fmt: skip
def test_attack_ends_in_its_gate(victim: tuple[Any, Evaluation], code: str, gate: str, reason: str, words: str) -> None:
    evaluation = attack(victim, code)
    failed = evaluation.failed_gate
    assert failed is not None
    assert (failed.name, failed.reason_code) == (gate, reason), failed
    assert words in failed.detail


def test_endless_loop_is_a_timeout(victim: tuple[Any, Evaluation]) -> None:
    target, _ = victim
    target.timeout = 2
    try:
        evaluation = attack(victim, "def add(a, b):\n    while True: pass\n")
    finally:
        target.timeout = 30
    failed = evaluation.failed_gate
    assert failed is not None and failed.reason_code == "timeout"
    assert "rules/test_rule.py::test_rule" in failed.detail


def test_output_is_data(victim: tuple[Any, Evaluation]) -> None:
    code = (
        "import os\ndef add(a, b):\n    os.write(1, bytes(range(256)))\n"
        "    raise ValueError('\\x1b[31mred\\x1b[0m \\ud800')\n"
    )
    evaluation = attack(victim, code)
    text = evaluation.model_dump_json()
    assert "\x1b" not in evaluation.log + "".join(test.detail for test in evaluation.tests)
    assert "red" in text


def test_channel_and_nonce_are_not_lying_about(victim: tuple[Any, Evaluation]) -> None:
    code = (
        "import os, pathlib\nassert 'MAABARIUM_CHANNEL' not in os.environ\n"
        "assert not any('nonce' in p.read_text() for p in pathlib.Path('../scratch').glob('*.*'))\n"
    )
    assert attack(victim, code + HONEST).failed_gate is None
