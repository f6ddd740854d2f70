"""Why a baseline does not hold: texts of real sessions lead to the lines that say most, and to a remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.causes import KINDS, cause_of, error_line, error_lines, explained, last_lines
from maabarium.records import Outcome, TestResult
from maabarium.safe_text import plain


def said_by_pytest(folder: Path, test: str, *options: str, config: str = "[pytest]\n") -> str:
    """What plain pytest prints of this test file."""
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text(config)
    words = [sys.executable, "-m", "pytest", "-q", "--tb=short", "--color=no", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, env=environment)
    return done.stdout + done.stderr


def failed(detail: str = "", output: str = "", reason: str = "it is red", code: str = "gate_failed") -> Outcome:
    failures = (TestResult(id="test_it.py::test_it", outcome="failed", detail=detail),) if detail else ()
    return Outcome(
        number=0, verdict="baseline", reason_code=code, reason=reason, failures=failures, output=output,
        failing=tuple(failure.id for failure in failures),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("test", "line"),
    [
        ("def test_it():\n    assert 'a b' == 'a c'\n", "AssertionError: assert 'a b' == 'a c'"),
        ("def test_it():\n    x = 3\n    assert x == 4\n", "assert 3 == 4"),
        ("def test_it():\n    assert [1, 2] == [1, 3], 'so said I'\n", "AssertionError: so said I"),
        ("def test_it():\n    raise ValueError('one\\ntwo')\n", "ValueError: one"),
        ("def test_it():\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n"
         "        raise KeyError('k') from e\n", "KeyError: 'k'"),
        ("def test_it(:\n", "SyntaxError: invalid syntax"),
        ("import nothing_of_the_kind\n", "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("import pytest\ndef test_it():\n    pytest.fail('told so')\n", "Failed: told so"),
        ("def test_it(nowhere):\n    pass\n", "fixture 'nowhere' not found"),
    ],
)  # fmt: skip
def test_the_line_that_says_most_is_the_exception_and_never_a_pointer(tmp_path, test, line):
    text = said_by_pytest(tmp_path, test)
    block = text[: text.find("short test summary")]
    assert error_line(block).startswith(line), block
    assert "? ^" not in error_line(block)


@pytest.mark.parametrize(
    ("kind", "test", "words"),
    [
        ("a module is missing", "import nothing_of_the_kind\n", "install nothing_of_the_kind"),
        ("a fixture is missing", "def test_it(mocker):\n    pass\n", "install pytest-mock"),
        ("a file is missing", "def test_it():\n    open('data/none.txt')\n", "domain.copy"),
        ("a file is missing", "import subprocess\ndef test_it():\n    subprocess.run(['nocommand'])\n", "PATH"),
        ("a test needs a variable of the environment", "import os\ndef test_it():\n    os.environ['MY_TOKEN']\n",
         'pass_env = ["MY_TOKEN"]'),
        ("the interpreter does not read the file", "def test_it(:\n", "newer Python"),
        ("memory ran out", "def test_it():\n    raise MemoryError\n", "memory_mb"),
        ("too many processes or threads", "def test_it():\n    raise RuntimeError(\"can't start new thread\")\n",
         "processes"),
        ("a path is too long for a socket",
         "import socket\ndef test_it():\n    socket.socket(socket.AF_UNIX).bind('/' + 'x' * 200)\n", "TMPDIR"),
        ("the version is not known",
         "import importlib.metadata\ndef test_it():\n    importlib.metadata.version('nothing-of-it')\n",
         "pip install -e"),
    ],
)  # fmt: skip
def test_known_kinds_of_failures_come_with_what_to_write(tmp_path, kind, test, words):
    outcome = failed(detail=said_by_pytest(tmp_path, test))
    cause = cause_of(outcome)
    assert cause is not None and cause.kind == kind and words in cause.remedy
    assert explained(outcome)[-1] == f"remedy   {cause.remedy}"


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("an option is not known", "[pytest]\naddopts = --cov=app\n", "pytest-cov"),
        ("an option is not known", "[pytest]\naddopts = --nothing-like-it\n", "out of addopts"),
        ("a plug-in is missing", "[pytest]\nrequired_plugins = pytest-nowhere\n", "install pytest-nowhere"),
        ("pytest is too old", "[pytest]\nminversion = 99\n", "pytest 99"),
        ("the configuration cannot be read", "[pytest]\nthis is no setting\n", "correct"),
    ],
)
def test_known_kinds_that_keep_pytest_from_starting_come_with_what_to_write(tmp_path, kind, config, words):
    cause = cause_of(failed(output=said_by_pytest(tmp_path, "def test_it():\n    pass\n", config=config)))
    assert cause is not None and cause.kind == kind and words in cause.remedy


def test_warnings_that_are_errors_are_told_apart(tmp_path):
    test = "import warnings\ndef test_it():\n    warnings.warn('old', DeprecationWarning)\n"
    text = said_by_pytest(tmp_path, test, config="[pytest]\nfilterwarnings = error\n")
    cause = cause_of(failed(detail=text))
    assert cause is not None and cause.kind == "a warning is an error"


def test_what_is_not_known_says_how_to_find_out():
    cause = cause_of(failed(detail="E   assert 1 == 2"))
    assert cause is not None and "plain pytest" in cause.remedy and "doctor" in cause.remedy
    assert "raise constraints.timeout_seconds" in str(cause_of(failed(code="timeout")))


def test_only_a_baseline_that_does_not_hold_is_explained():
    good = Outcome(number=0, verdict="baseline", reason_code="baseline", reason="measured")
    other = failed(detail="E   assert 1 == 2").model_copy(update={"number": 3, "verdict": "rejected"})
    assert cause_of(good) is None and explained(good) == [] and cause_of(other) is None


def test_a_dump_of_the_interpreter_is_shown_from_its_head():
    dump = "Fatal Python error: Segmentation fault\n\nCurrent thread 0x1:\n" + "".join(
        f'  File "x.py", line {n} in f\n' for n in range(30)
    )
    assert last_lines(f"collected 3 items\n{dump}")[0] == "Fatal Python error: Segmentation fault"


def test_a_long_list_is_cut_and_counted():
    many = tuple(TestResult(id=f"t::{n}", outcome="failed", detail=f"E   assert {n} == 7") for n in range(9))
    lines = explained(failed().model_copy(update={"failures": many, "failing": tuple(t.id for t in many)}), tests=2)
    assert lines[:5] == ["failing  t::0", "           assert 0 == 7", "failing  t::1", "           assert 1 == 7",
                         "and 7 more tests"]  # fmt: skip


@given(st.text(max_size=400), st.text(max_size=400))
def test_untrusted_text_is_shown_as_what_it_is(detail, output):
    for line in explained(failed(detail=detail, output=output, reason=output)):
        assert line == plain(line) and "\n" not in line
    for line in [*error_lines(detail), *last_lines(output)]:
        assert line == plain(line) and "\n" not in line


def test_every_kind_has_a_remedy_that_says_what_to_write():
    for kind in KINDS:
        remedy = kind.remedy("word") if callable(kind.remedy) else kind.remedy
        assert len(remedy) > 20, kind.name
