"""What a candidate, a model or a plug-in says reaches no terminal, log, JUnit file or report as more than text.

One real run in which everything that can be said holds terminal sequences, bidirectional controls and NULs; then every
output that a person or a program may look at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner
from target_texts import LEAN

from maabarium.cli import main
from maabarium.safe_text import plain

PLANTED = "mark"
EVIL = (
    f"{PLANTED}\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;http://x\x1b\\link \x9b1m \u202ebidi\u2066 \x00nul \x7fdel "
    "\rover \x08back \u2028line \u200binvisible \x1b[2J </testcase>]]><b>&amp;|`x`"
)
NUMBERS = range(9)

BLUEPRINT = f"""
[blueprint]
name = {json.dumps("speed " + EVIL)}
version = "1"
description = {json.dumps(EVIL)}
[domain]
repo_path = "."
target_files = ["app/**/*.py"]
language = "python"
[constraints]
max_iterations = 8
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0.0
[metrics]
[[metrics.metrics]]
name = {json.dumps("speed " + EVIL)}
weight = 1.0
direction = "maximize"
source = "score:speed"
unit = {json.dumps("m/s" + EVIL)}
description = {json.dumps(EVIL)}
[evaluator]
kind = "pytest"
rules = ["scoring/test_speed.py"]
[proposer]
kind = {json.dumps("moody" + EVIL)}
""".replace("\x7f", "\\u007f")  # the one control character that JSON leaves as it is, and TOML does not take

CONFTEST = f"""
from maabarium.errors import Problem, ProposalError, ProviderError
from maabarium.plugins.hookspecs import hookimpl
from maabarium.records import Call, Draft, FileEdit, Origin, Proposal

EVIL = {EVIL!r}
CALL = Call(agent=EVIL, provider=EVIL, model=EVIL, kind="propose", error=EVIL)
DRAFTS = tuple(Draft(agent=EVIL, kind=kind, content=EVIL) for kind in ("proposal", "critique", "veto", "finding"))

def proposal(text, path="app/__init__.py", operation="modify"):
    edit = FileEdit(path=path, operation=operation, content=text.encode())
    origin = Origin(agent=EVIL, arm=EVIL, operator=EVIL, site=EVIL)
    return Proposal(summary=EVIL, edits=(edit,), author=EVIL, origin=origin, data={{EVIL: EVIL}},
                    drafts=DRAFTS, calls=(CALL,))

class Moody:
    def __init__(self, context):
        pass
    def notes(self, files, targets):
        return [EVIL]
    def propose(self, request):
        return getattr(self, f"n{{request.number}}")(request)
    def n1(self, request):
        return proposal("SPEED = 2\\n# " + EVIL.replace("\\0", "").replace("\\r", "") + "\\n")
    def n2(self, request):
        noise = "import os\\nos.write(2, " + repr(EVIL.encode()) + ")\\n"
        return proposal(noise + "SPEED = 0\\nraise ValueError(" + repr(EVIL) + ")\\n")
    def n3(self, request):
        raise ProposalError("unparseable", EVIL, calls=(CALL,), drafts=DRAFTS)
    def n4(self, request):
        raise ProviderError(EVIL, calls=(CALL,), drafts=DRAFTS)
    def n5(self, request):
        return proposal("x", path="app/" + EVIL.replace("/", "") + ".py", operation="create")
    def n6(self, request):
        raise RuntimeError(EVIL)
    def n7(self, request):
        return proposal("SPEED = 7\\n")
    def n8(self, request):
        return proposal("SPEED = 3\\n")

@hookimpl
def maabarium_proposers():
    return {{"moody" + EVIL: Moody}}

@hookimpl
def maabarium_check_proposal(request):
    return [Problem(EVIL, EVIL)] if request.experiment.number == 7 else []

@hookimpl
def maabarium_experiment_start(request):
    raise RuntimeError(EVIL)

@hookimpl
def maabarium_report_header(request):
    return [EVIL]

@hookimpl
def maabarium_report_summary(request):
    return [EVIL]
"""
TESTS = f"""
import app, pytest

EVIL = {EVIL!r}

@pytest.mark.parametrize("value", [EVIL], ids=[EVIL])
def test_app(value):
    print(EVIL)
    assert app.SPEED >= 1, EVIL
"""
RULE = f"""
import app

def test_speed(score):
    score.measure("speed", app.SPEED)
    if app.SPEED == 3:
        raise ValueError({EVIL!r})
"""
PLUGIN = f"""
from maabarium.plugins.hookspecs import hookimpl

class Planted:
    {EVIL!r}
    sources = frozenset({{{EVIL!r}}})

@hookimpl
def maabarium_evaluators():
    return {{{EVIL!r}: Planted}}
"""


def dangerous(text: str) -> list[str]:
    """Characters that a terminal or a reader would obey."""
    unsafe = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return sorted({repr(each) for each in text if unicodedata.category(each) in unsafe and each not in "\n\t"})


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    """The folder of the run that said all this, and what it printed."""
    root = tmp_path_factory.mktemp("untrusted")
    top = root / "target"
    (top / "app").mkdir(parents=True)
    texts = {
        "bp.toml": BLUEPRINT, "conftest.py": CONFTEST, "app/__init__.py": "SPEED = 1\n", "tests/test_app.py": TESTS,
        "scoring/test_speed.py": RULE,
        "pyproject.toml": f'[tool.pytest.ini_options]\ntestpaths = ["tests"]\naddopts = "{LEAN}"\n',
    }  # fmt: skip
    for name, text in texts.items():
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_text(text, encoding="utf-8")
    (top / ("app/" + EVIL.replace("/", "").replace("\x00", "")[:90] + ".py")).write_text("x = 1\n")
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "state"]):
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@x", *arguments], cwd=top, check=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))}
    environment |= {"XDG_CACHE_HOME": str(root / "cache"), "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--maabarium", "bp.toml", "-v", "-rA", "--junitxml", "loop.xml",
         "--maabarium-report", "report.html", "--maabarium-report", "report.md"],
        cwd=top, env=environment, capture_output=True, timeout=120,
    )  # fmt: skip
    return top, done


@pytest.fixture
def said(ended: tuple[Path, subprocess.CompletedProcess[bytes]], monkeypatch: pytest.MonkeyPatch) -> Said:
    monkeypatch.chdir(ended[0])
    monkeypatch.setenv("XDG_CACHE_HOME", str(ended[0].parent / "cache"))
    return Said()


class Said:
    """The command line in this process."""

    def __call__(self, *arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == status, done.output
        return done.output


def test_the_run_went_as_planted(ended: tuple[Path, subprocess.CompletedProcess[bytes]], said: Said) -> None:
    rows = json.loads(said("history", "--json"))
    assert [(row["verdict"], row["reason_code"]) for row in rows] == [
        ("baseline", "baseline"), ("promoted", "kept"), ("rejected", "import_failed"), ("invalid", "unparseable"),
        ("error", "provider_failed"), ("invalid", "out_of_bounds"), ("error", "provider_failed"),
        ("invalid", "policy_objection"), ("rejected", "gate_failed"),
    ], ended[1].stdout.decode()  # fmt: skip


def test_the_session_prints_text_only(ended: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    for stream in (ended[1].stdout, ended[1].stderr):
        assert dangerous(stream.decode("utf-8")) == []
    assert ended[1].stdout.decode().count(PLANTED) > 10


def test_the_junit_file_parses_and_holds_text_only(ended: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    document = (ended[0] / "loop.xml").read_bytes()
    assert dangerous(document.decode("utf-8")) == []
    texts = [
        text
        for element in ET.fromstring(document).iter()
        for text in (*element.attrib.values(), element.text, element.tail)
        if text
    ]
    assert [found for text in texts if (found := dangerous(text))] == []
    assert sum(PLANTED in text for text in texts) > 10


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_reports_hold_text_only(ended: tuple[Path, subprocess.CompletedProcess[bytes]], name: str) -> None:
    text = (ended[0] / name).read_text(encoding="utf-8")
    assert dangerous(text) == [] and text.count(PLANTED) > 5
    if name.endswith(".html"):
        assert "<b>" not in text and "http://x" not in text


def test_the_log_is_lines_of_json(ended: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    text = (ended[0] / "data" / "maabarium.log").read_text(encoding="utf-8")
    assert dangerous(text) == [] and text.isascii()
    lines = [json.loads(line) for line in text.split("\n") if line]
    assert any(PLANTED in line.get("reason", "") for line in lines)


@pytest.mark.parametrize("number", NUMBERS)
def test_one_experiment_is_shown_as_text(said: Said, number: int) -> None:
    shown = said("show", "last", str(number))
    assert dangerous(shown) == [] and (PLANTED in shown)
    assert dangerous(said("show", "last", str(number), "--json")) == []
    assert dangerous(said("diff", "last", str(number))) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["show"], ["history"], ["history", "--json"], ["status"], ["status", "--json"], ["diff"], ["prune"],
        ["export", "--format", "json"], ["export", "--format", "jsonl"], ["plugins"], ["plugins", "--json"],
        ["report", "-o", "again.html"],
    ],
)  # fmt: skip
def test_commands_print_text_only(said: Said, arguments: list[str]) -> None:
    assert dangerous(said(*arguments)) == []


def test_csv_holds_no_control_characters(said: Said) -> None:
    text = said("export", "--format", "csv")
    assert PLANTED in text
    assert [each for each in text if unicodedata.category(each) == "Cc" and each != "\n"] == []


def test_errors_are_one_plain_sentence(said: Said, tmp_path: Path) -> None:
    assert dangerous(said("show", EVIL.replace("\x00", ""), status=4)) == []
    bad = tmp_path / "bad.toml"
    bad.write_text(BLUEPRINT.replace('direction = "maximize"', f"direction = {json.dumps(EVIL)}".replace("\x7f", "")))
    for arguments in (["validate", str(bad)], ["validate", "--bind", "bp.toml"]):
        text = said(*arguments, status=4)
        assert dangerous(text) == [] and PLANTED in text


def test_plug_ins_are_listed_as_text(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution whose names are not what they seem."""
    (tmp_path / "planted_plugin.py").write_text(PLUGIN, encoding="utf-8")
    folder = tmp_path / "planted-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\x1b[31m\nVersion: 1\n", encoding="utf-8")
    (folder / "entry_points.txt").write_text("[maabarium]\nplanted\x1b[31m = planted_plugin\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    listed = said("plugins")
    assert dangerous(listed) == [] and listed.count(PLANTED) >= 3
    assert dangerous(said("plugins", "--json")) == []


def test_commits_of_the_branch_have_plain_messages(ended: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    command = ["git", "log", "--all", "--format=%an %s %b"]
    text = subprocess.run(command, cwd=ended[0], check=True, capture_output=True).stdout.decode("utf-8")
    assert dangerous(text) == [] and PLANTED in text


def test_evil_is_evil() -> None:
    """The planted text holds every kind of danger, and `plain` takes each of them out."""
    assert len(dangerous(EVIL)) >= 9
    assert dangerous(plain(EVIL)) == []
