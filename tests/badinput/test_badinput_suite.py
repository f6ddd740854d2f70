"""Suites and files that go wrong while a run is under way: at the baseline exit 1, in a candidate a verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from badinput_place import FASTER, LIMIT, Place, concurrent, patch

RED = [("baseline", "gate_failed")]


def failed(place: Place, *sentences: str) -> str:
    """A run whose baseline fails: exit 1, a sentence, no branch."""
    done = place.run()
    assert done.status == 1, done.text
    for sentence in sentences:
        assert sentence in done.text, done.text
    assert not place.branch()
    assert len(place.outcomes()) == 1
    return done.text


@concurrent
def test_no_tests_collected(place: Place) -> None:
    place.write("tests/test_app.py", "import app\n")
    text = (place.root / "bp.toml").read_text().replace("score:speed", "size")
    place.write("bp.toml", text.replace('rules = ["scoring/test_speed.py"]', ""))
    place.commit()
    failed(place, "no tests were collected", "write a test")


@concurrent
def test_a_red_baseline(place: Place) -> None:
    place.write("tests/test_app.py", "import app\n\n\ndef test_app():\n    assert app.SPEED >= 7, 'seven'\n")
    place.commit()
    failed(place, "the suite is red", "tests/test_app.py::test_app", "require_tests_pass")


@concurrent
def test_a_suite_that_never_ends(place: Place) -> None:
    place.write("tests/test_app.py", "import time\n\n\ndef test_app():\n    time.sleep(600)\n")
    place.blueprint(timeout=2)
    place.commit()
    failed(place, "did not end within 2 s", "timeout_seconds")


@concurrent
def test_a_candidate_that_never_ends(place: Place) -> None:
    endless = "SPEED = 3\nimport time\nif __import__('sys').argv:\n    time.sleep(600)\n"
    place.blueprint(patch("endless", endless), FASTER, timeout=10)
    done = place.run("-v")
    assert done.status == 0, done.text
    assert place.outcomes()[1:] == [("rejected", "timeout"), ("promoted", "kept")]


EDITABLE = """
import importlib.util, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name == "app":
            return importlib.util.spec_from_file_location("app", {place!r}, submodule_search_locations=[])

sys.meta_path.insert(0, Finder)
"""
"""What an editable install by a hook leaves in site-packages (build backends differ in the details)."""
FLOOD = """
import os
import app


def test_app(capfd):
    if app.SPEED >= {first}:
        with capfd.disabled():
            for _ in range(100):
                os.write(1, b"x" * 999_999 + b"\\n")
    assert app.SPEED >= 1
"""


@concurrent
def test_a_suite_that_prints_a_hundred_megabytes(place: Place) -> None:
    place.write("tests/test_app.py", FLOOD.format(first=1))
    place.commit()
    assert len(failed(place, "MB")) < 20_000


@concurrent
def test_a_candidate_that_prints_a_hundred_megabytes(place: Place) -> None:
    place.blueprint(patch("flood", "SPEED = 2\n"))
    place.write("tests/test_app.py", FLOOD.format(first=2))
    place.commit()
    done = place.run("-v")
    assert done.status == 0 and len(done.out) < 20_000, done.text
    assert place.outcomes()[1:] == [("rejected", "output_flood")]
    assert (place.root / "data" / "maabarium.db").stat().st_size < 5_000_000


@concurrent
def test_a_hundred_megabytes_that_pytest_keeps(place: Place) -> None:
    place.write("tests/test_app.py", FLOOD.format(first=1).replace("with capfd.disabled():", "if True:"))
    place.commit()
    done = place.run()
    assert done.status in (0, 1) and len(done.out) < 20_000, done.text
    assert (place.root / "data" / "maabarium.db").stat().st_size < 5_000_000


@concurrent
def test_a_target_installed_from_elsewhere(place: Place) -> None:
    venv, elsewhere = place.folder / "venv", place.folder / "elsewhere"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=LIMIT)
    (elsewhere / "app").mkdir(parents=True)
    (elsewhere / "app" / "__init__.py").write_text("SPEED = 1\n")
    site = next(venv.glob("lib/python*/site-packages"))
    (site / "editable.pth").write_text(f"{sysconfig.get_paths()['purelib']}\nimport _editable\n")
    (site / "_editable.py").write_text(EDITABLE.format(place=str(elsewhere / "app" / "__init__.py")))
    place.blueprint(evaluator=f'python = "{venv}/bin/python"')
    place.commit()
    failed(place, str(elsewhere / "app" / "__init__.py"), "instead of", "app/__init__.py, so no change", "uninstall")


@concurrent
def test_names_and_contents_that_are_no_utf8(place: Place) -> None:
    odd = os.fsdecode(b"app/caf\xe9.py")
    Path(place.root / odd).write_bytes(b"# caf\xe9 \xff\nNAME = 1\n")
    place.write("app/latin.py", b"# -*- coding: latin-1 -*-\nNAME = '\xe9'\n")
    place.write(
        "tests/test_app.py",
        "import sys\nimport app\nfrom app import latin\n\n\ndef test_app():\n"
        "    sys.stdout.buffer.write(b'caf\\xe9 \\xff\\xfe\\n')\n    assert app.SPEED >= 1, 'caf\\udce9'\n",
    )
    into = json.dumps(
        {"summary": "odd \ud800 name", "file_patches": [{"path": odd, "operation": "modify", "content": "N = 2\n"}]}
    )
    place.blueprint(patch("red", "SPEED = 0\n"), into, patch("latin", "N = 1\n", "app/latin.py"), FASTER)
    place.commit()
    done = place.run(
        "-v", "--maabarium-report", str(place.folder / "out.html"), "--junitxml", str(place.folder / "o.xml")
    )
    assert done.status == 0, done.text
    verdicts = [verdict for verdict, _ in place.outcomes()]
    assert verdicts[0] == "baseline" and verdicts[1] == "rejected" and verdicts[4] == "promoted", done.text
    assert b"caf\xe9.py" in subprocess.run(
        ["git", "ls-tree", "-z", "--name-only", place.branch(), "app/"],
        cwd=place.root, capture_output=True, check=True, env=place.environment,
    ).stdout  # fmt: skip


@concurrent
def test_a_source_file_of_twenty_megabytes(place: Place) -> None:
    place.write("app/big.py", "NUMBERS = [\n" + "    1234567, 7654321, 1234567,\n" * 680_000 + "]\n")
    place.blueprint(proposer="mutate", iterations=2)
    place.commit()
    done = place.run("-v")
    assert done.status in (0, 1), done.text
    assert place.outcomes()[0] == ("baseline", "baseline"), done.text


@concurrent
def test_a_proposal_of_twenty_megabytes(place: Place) -> None:
    place.blueprint(patch("big", "SPEED = 3\nTEXT = '''" + "x" * 20_000_000 + "'''\n"), FASTER)
    done = place.run("-v")
    assert done.status == 0, done.text
    assert place.outcomes()[0] == ("baseline", "baseline"), done.text


@concurrent
def test_escape_sequences_go_nowhere(place: Place) -> None:
    escape = "\x1b]0;owned\x07\x1b[31mred\x1b[0m"
    place.write(
        "tests/conftest.py",
        "import pytest\n\n\nclass Odd(pytest.Item):\n    def runtest(self):\n        import app\n"
        f"        print({escape!r})\n        assert app.SPEED != 2, {escape!r}\n\n\n"
        "def pytest_pycollect_makeitem(collector, name, obj):\n    if name == 'ODD':\n"
        "        return Odd.from_parent(collector, name='odd\\x1b[31m')\n",
    )
    place.write(
        "tests/test_app.py",
        f"import sys\nimport app\n\nODD = 1\n\n\ndef test_app():\n    print({escape!r})\n"
        f"    sys.stderr.write({escape!r})\n"
        f"    assert app.SPEED >= 1, {escape!r}\n",
    )
    place.blueprint(
        patch(f"red {escape}", "SPEED = 0\n"),
        patch(f"faster {escape}", "SPEED = 3\n"),
        patch(f"odd {escape}", "SPEED = 2\n"),
        patch(f"out {escape}", "SPEED = 2\n", f"../{escape}"),
    )
    text = (place.root / "bp.toml").read_text()
    place.write("bp.toml", text.replace('"a number grows"', '"a \\u001b[31m number"'))
    place.commit()
    reports = [place.folder / name for name in ("out.html", "out.md", "out.xml")]
    done = place.run(
        "-v",
        "--maabarium-report",
        str(reports[0]),
        "--maabarium-report",
        str(reports[1]),
        "--junitxml",
        str(reports[2]),
    )
    assert done.status == 0, done.text
    assert [verdict for verdict, _ in place.outcomes()] == ["baseline", "rejected", "promoted", "rejected", "invalid"]
    for file in (*reports, place.root / "data" / "maabarium.log"):
        assert b"\x1b" not in file.read_bytes() and b"\x07" not in file.read_bytes(), file
    for command in (["show", "last"], ["history"], ["diff", "last"], ["status"]):
        said = subprocess.run(
            [sys.executable, "-m", "maabarium", *command], cwd=place.root, env=place.environment, capture_output=True
        )
        assert b"\x1b" not in said.stdout + said.stderr and b"Traceback" not in said.stderr, said
