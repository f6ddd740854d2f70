"""Kept bytecode: sessions find it, never for a changed source, and no session can put something else in its place."""

from __future__ import annotations

import marshal
import os
from pathlib import Path
from typing import Any

import pytest

from maabarium.records import Evaluation
from maabarium_pytest.grading.bytecode import CHANGEABLE, PROTECTED, groups
from maabarium_pytest.grading.evaluator import PytestEvaluator
from maabarium_pytest.target.bytecode import PLAIN, REWRITTEN, key

CALC = "def add(a, b):\n    return a + b\n"
HELPER = "def two():\n    return 2\n"
TEST = "from calc import add\nfrom helper import two\n\ndef test_add():\n    assert add(1, 1) == two()\n"
COUNTED = """
from pathlib import Path
from importlib.machinery import SourceFileLoader
from _pytest.assertion import rewrite

def counted(function, log):
    def call(*arguments, **named):
        with Path(log).open("a") as file:
            file.write(f"{arguments[-1 if log == 'compiled' else 0]}\\n")
        return function(*arguments, **named)
    return call

rewrite._rewrite_test = counted(rewrite._rewrite_test, "rewritten")
SourceFileLoader.source_to_code = counted(SourceFileLoader.source_to_code, "compiled")
"""
"""A conftest that lists what a session rewrites and compiles."""


class Graded:
    """A target with one evaluator, as a run has it."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self.evaluator = PytestEvaluator({})
        target.sources = frozenset({"size"})
        target.target_files = ["calc.py"]
        target.write({"calc.py": CALC, "helper.py": HELPER, "test_calc.py": TEST})

    def grade(self, stage: Any = "baseline", baseline: Evaluation | None = None) -> Evaluation:
        return self.evaluator.evaluate(self.target.request(stage, baseline))

    def kept(self) -> dict[str, dict[str, bytes]]:
        groups: dict[str, dict[str, bytes]] = marshal.loads(self.evaluator._servers.bytecode.content)[1]
        return groups


@pytest.fixture
def graded(target: Any) -> Graded:
    return Graded(target)


def test_later_sessions_compile_and_rewrite_only_what_changed(graded: Graded) -> None:
    top: Path = graded.target.top
    graded.target.write({"conftest.py": COUNTED})
    baseline = graded.grade()
    assert baseline.failed_gate is None
    kept = graded.kept()
    assert set(kept[PROTECTED]) == {
        key(TEST.encode(), REWRITTEN), key(COUNTED.encode(), REWRITTEN), key(HELPER.encode(), PLAIN),
    }  # fmt: skip
    assert set(kept[CHANGEABLE]) == {key(CALC.encode(), PLAIN)}
    for name in ("rewritten", "compiled"):
        (top / name).unlink()
    graded.target.write({"calc.py": CALC + "\n"})
    assert graded.grade("screen", baseline).failed_gate is None
    assert not (top / "rewritten").exists()
    assert "helper" not in (top / "compiled").read_text() and "calc" in (top / "compiled").read_text()


def test_a_source_of_the_same_size_and_time_is_not_taken_for_the_one_that_was_kept(graded: Graded) -> None:
    top: Path = graded.target.top
    baseline = graded.grade()
    for name, old, new in (("test_calc.py", "== two()", "!= two()"), ("helper.py", "return 2", "return 3")):
        before = (top / name).stat()
        text = (top / name).read_text()
        graded.target.write({name: text.replace(old, new)})
        os.utime(top / name, ns=(before.st_atime_ns, before.st_mtime_ns))
        gate = graded.grade("screen", baseline).failed_gate
        assert gate is not None and gate.name == "tests", name
        graded.target.write({name: text})
    assert graded.grade("screen", baseline).failed_gate is None


def test_a_failure_is_told_of_the_file_where_it_is(graded: Graded, tmp_path: Path) -> None:
    """Code that was compiled in one folder bears the name of the file in another, down to nested functions."""
    baseline = graded.grade()
    place = tmp_path / "elsewhere" / "target"
    place.parent.mkdir()
    graded.target.top.rename(place)
    graded.target.top = graded.target.root = place
    graded.target.write(
        {"calc.py": "def add(a, b):\n    import sys\n    raise ValueError(sys._getframe(1).f_code.co_filename)\n"}
    )
    gate = graded.grade("screen", baseline).failed_gate
    assert gate is not None and str(place / "test_calc.py") in gate.detail


POISON = """
import importlib.util, marshal, os, pathlib, sys
here = pathlib.Path(__file__).parent
pathlib.Path("ran").write_text("")
code = compile("def test_add(): pass", "x", "exec")
for name in ("test_calc", "helper"):
    for tail in ("", "-pytest-" + __import__("pytest").__version__):
        cache = here / "__pycache__"
        cache.mkdir(exist_ok=True)
        pyc = cache / f"{name}.{sys.implementation.cache_tag}{tail}.pyc"
        source = importlib.util.source_hash((here / f"{name}.py").read_bytes())
        pyc.write_bytes(importlib.util.MAGIC_NUMBER + bytes([1, 0, 0, 0]) + source + marshal.dumps(code))
scratch = pathlib.Path(os.environ["HOME"]).parent
for found in [*scratch.rglob("compiled"), *scratch.rglob("plan.json")]:
    found.unlink()
    found.symlink_to(pathlib.Path(__file__).with_name("stolen"))
from _pytest.assertion import rewrite
rewrite._read_pyc = lambda *a, **k: code
def add(a, b):
    return a + b
"""


def test_a_candidate_cannot_poison_what_the_next_one_finds(graded: Graded) -> None:
    baseline = graded.grade()
    before = graded.kept()
    graded.target.write({"calc.py": POISON})
    graded.grade("screen", baseline)
    assert (graded.target.top / "ran").exists() and graded.kept() == before
    assert not (graded.target.top / "stolen").exists()
    graded.target.write({"calc.py": "def add(a, b):\n    return 7\n"})
    for path in (graded.target.top / "__pycache__").iterdir():  # as a reset of the worktree removes it
        path.unlink()
    gate = graded.grade("screen", baseline).failed_gate
    assert gate is not None and gate.name == "tests", "a wrong candidate passed after one that poisoned its session"
    assert not (graded.target.top / "stolen").exists(), "the parent wrote through a link that a candidate had left"


def test_what_warns_when_it_is_compiled_is_left_out_and_warns_every_time(graded: Graded) -> None:
    graded.target.write({"helper.py": HELPER + "WORD = '\\d'\n", "pytest.ini": "[pytest]\nfilterwarnings = error\n"})
    graded.target.write({"test_calc.py": TEST + "\ndef test_pair():\n    assert (1, 'always true')\n"})
    baseline = graded.grade()
    assert baseline.failed_gate is not None, "a warning as an error makes it red, the second time as the first"
    graded.target.write({"pytest.ini": "[pytest]\n"})
    later = Graded(graded.target)
    graded.target.write({"helper.py": HELPER + "WORD = '\\d'\n"})
    assert later.grade().failed_gate is None
    assert not any(word.startswith(PLAIN) for word in later.kept()[PROTECTED])


def test_targets_that_watch_every_assertion_are_rewritten_as_they_want_it(graded: Graded) -> None:
    hook = (
        "from pathlib import Path\n"
        "def pytest_assertion_pass(item, lineno, orig, expl):\n    Path('seen').open('a').write(orig)\n"
    )
    graded.target.write({"conftest.py": hook, "pytest.ini": "[pytest]\nenable_assertion_pass_hook = true\n"})
    baseline = graded.grade()
    (graded.target.top / "seen").unlink()
    assert graded.grade("screen", baseline).failed_gate is None
    assert (graded.target.top / "seen").read_text() == "add(1, 1) == two()"


def test_where_times_are_compared_files_that_may_change_are_compiled_by_both_sides(graded: Graded) -> None:
    baseline = graded.grade()
    suite: Any = type("Suite", (), {})
    for stage, found in (
        ("pair", [PROTECTED]),
        ("screen", [PROTECTED, CHANGEABLE]),
        ("audit", [PROTECTED, CHANGEABLE]),
    ):
        suite.request = graded.target.request(stage, baseline)
        assert groups(suite) == found
