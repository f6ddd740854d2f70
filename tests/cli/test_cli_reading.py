"""status, history, show, diff, export: what is read from the store and the run's repository."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runs import StoredRun, git, make_project, store_run
from click.testing import CliRunner

from maabarium.cli.show import print_diff


@pytest.fixture(scope="module")
def only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoredRun]:
    """One stored run for all tests here: they only read."""
    home = tmp_path_factory.mktemp("reading")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        yield store_run(make_project(home / "project"))


@pytest.fixture
def stored(only: StoredRun, monkeypatch: pytest.MonkeyPatch) -> StoredRun:
    monkeypatch.chdir(only.top)
    return only


@pytest.fixture
def clone(stored: StoredRun, tmp_path: Path) -> Path:
    """A checkout that may be written to."""
    git(tmp_path, "clone", "-q", str(stored.top), "clone")
    return tmp_path / "clone"


READERS = ("show", "history", "diff", "apply", "export", "report", "resume")
"""The commands that take a run."""


def data(result: Any) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_status_lists_runs(cli: Any, stored: StoredRun) -> None:
    result = cli("status")
    line = result.stdout.splitlines()[1]
    assert line.split()[:3] == [stored.run_id, "demo", "completed"]
    assert line.endswith("maabarium/demo")
    (found,) = data(cli("status", "--json"))
    assert (found["run_id"], found["experiments"], found["promoted"]) == (stored.run_id, 4, 2)
    assert cli("status", "other").stdout == "" and data(cli("status", "other", "--json")) == []


def test_history_shows_letters_scores_and_plain_text(cli: Any, stored: StoredRun) -> None:
    result = cli("history")
    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    assert [row[1] for row in rows] == [".", "+", "-", "+", "i"]
    assert rows[1][2:6] == ["0.5100", "+0.0100", "x1.10", "kept"]
    assert rows[3][3] == "+0.0200"
    assert "\x1b" not in result.stdout and "\u202e" not in result.stdout and "red" in result.stdout


def test_history_filters(cli: Any, stored: StoredRun) -> None:
    found = data(cli("history", stored.run_id[:3], "--verdict", "promoted", "--json"))
    assert [each["number"] for each in found] == [1, 3]
    assert found[1]["delta"] == pytest.approx(0.02)
    assert [each["number"] for each in data(cli("history", "-n", 2, "--json"))] == [3, 4]
    assert cli("history", "--verdict", "good").exit_code == 4


def test_show_one_experiment(cli: Any, stored: StoredRun) -> None:
    shown = cli("show", "last", 1).stdout
    for part in ("+ promoted (kept): because 1", "effect     x1.1 (95 % x1.01-1.5, 2 pairs)", "modify   src/a.py",
                 "evaluating 1.40 s", "+a = 2", stored.commits[1]):  # fmt: skip
        assert part in shown
    pairs = shown[shown.index("\npairs") + 1 :].splitlines()[1:3]
    assert [line.split() for line in pairs] == [
        ["1", "size", "10", "9", "champion"],
        ["2", "size", "10", "9", "candidate"],
    ]
    loser = cli("show", "last", 2, "--no-diff").stdout
    assert "failing tests\n  tests/test_a.py::test" in loser and "failed (gate_failed)  1 of 1 failed" in loser
    assert "\x1b" not in loser and "b = 9" not in loser


def test_show_as_json(cli: Any, stored: StoredRun) -> None:
    found = data(cli("show", "last", 3, "--json"))
    assert found["edits"] == [{"path": "src/b.py", "operation": "modify"}]
    assert len(found["samples"]) == 4 and "+b = 3" in found["diff"]
    run = data(cli("show", "--json"))
    assert (run["state"], run["kept"]) == ("completed", [1, 3])


def test_show_run_is_the_summary(cli: Any, stored: StoredRun) -> None:
    assert cli("show").stdout.startswith("demo: 2 of 4 kept")


def test_diff_net_and_by_experiment(cli: Any, stored: StoredRun) -> None:
    net = cli("diff").stdout
    assert "-a = 1\n+a = 2" in net and "-b = 1\n+b = 3" in net and "b = 9" not in net
    assert "+b = 9" in cli("diff", "last", 2).stdout
    assert "a.py" not in cli("diff", "last", 3).stdout
    nothing = cli("diff", "last", 0)
    assert nothing.stdout == "" and "has no change in experiment 0" in nothing.stderr


def test_diff_applies(cli: Any, clone: Path) -> None:
    patch = cli("diff").stdout
    subprocess.run(["git", "apply", "-"], input=patch, text=True, check=True, cwd=clone)
    assert (clone / "src/b.py").read_text() == "b = 3\n"


def test_export_tables(cli: Any, stored: StoredRun, tmp_path: Path) -> None:
    assert [each["iteration"] for each in data(cli("export"))] == [4, 3, 2, 1, 0]
    lines = cli("export", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2, 3, 4]
    out = tmp_path / "out.csv"
    result = cli("export", "--format", "csv", "-o", out)
    assert result.stdout == "" and str(out) in result.stderr
    assert len(list(csv.DictReader(io.StringIO(out.read_text())))) == 5


def test_exported_patch_is_taken_by_git_am(cli: Any, clone: Path, tmp_path: Path) -> None:
    out = tmp_path / "winners.patch"
    assert cli("export", "--format", "patch", "-o", out).exit_code == 0
    command = ["git", "-c", "user.name=U", "-c", "user.email=u@example.org", "am", "-q", str(out)]
    subprocess.run(command, check=True, cwd=clone)
    assert (clone / "src/a.py").read_text() + (clone / "src/b.py").read_text() == "a = 2\nb = 3\n"
    only = cli("export", "--format", "patch", "--number", 3).stdout
    assert "+b = 3" in only and "a = 2" not in only


def test_exported_archive_holds_files_and_manifest(cli: Any, stored: StoredRun, tmp_path: Path) -> None:
    for number, files in ((None, {"src/a.py", "src/b.py"}), (1, {"src/a.py"})):
        out = tmp_path / f"{number}.tar.gz"
        extra = () if number is None else ("--number", number)
        assert cli("export", "--format", "archive", "-o", out, *extra).exit_code == 0
        with tarfile.open(out) as tar:
            assert set(tar.getnames()) == files | {"maabarium-export-manifest.json"}
            manifest = json.load(tar.extractfile("maabarium-export-manifest.json"))  # type: ignore[arg-type]
        assert manifest["promoted_commit_oid"] == stored.commits[number or 3]
        assert manifest["exported_paths"] == sorted(files)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        *(((command, "zzzz"), 4, 'there is no run "zzzz"') for command in READERS),
        (("show", "zzzz"), 4, 'there is no run "zzzz"; the latest are 3f9c01aa'),
        (("show", "last", "77"), 4, "no experiment 77; there are 0 to 4"),
        (("export", "--format", "archive", "--number", "2"), 4, "experiment 2 was not kept"),
        (("export", "--number", "2"), 4, "--number goes with"),
        (("export", "-o", "/nowhere/at/all.json"), 4, "/nowhere/at/all.json cannot be written"),
        (("apply", "--number", "2"), 4, "kept: 1, 3"),
        (("statsu",), 4, 'did you mean "status"?'),
        (("status", "--fromat"), 4, "No such option"),
        (("status", "--database", "missing.db"), 4, "there is no database at"),
        (("status", "--database", "demo.toml"), 1, "is not an SQLite database"),
    ],
)
def test_errors_are_one_sentence(
    cli: Any, stored: StoredRun, arguments: tuple[str, ...], status: int, said: str
) -> None:
    result = cli(*arguments)
    assert result.exit_code == status and result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert said in result.stderr


def test_a_run_that_kept_nothing(cli: Any, project: Path) -> None:
    store_run(project, kept=False)
    for arguments in (("diff",), ("apply",)):
        result = cli(*arguments)
        assert (result.exit_code, result.stdout) == (0, "") and "kept nothing" in result.stderr
    assert cli("export", "--format", "patch").stdout == ""
    row = cli("status").stdout.splitlines()[1]
    assert row.endswith("nothing kept") and "maabarium/demo" not in row
    assert data(cli("status", "--json"))[0]["branch"] is None
    assert "kept nothing" in cli("export", "--format", "archive").stderr


def test_reading_writes_nothing(cli: Any, stored: StoredRun) -> None:
    before = stored.database.read_bytes()
    for command in ("status", "history", "show", "diff", "export"):
        cli(command)
    assert stored.database.read_bytes() == before


def test_report_is_written_from_the_store(cli: Any, stored: StoredRun, tmp_path: Path) -> None:
    result = cli("report", "-o", tmp_path / "out.md")
    assert result.exit_code == 0 and result.stdout == "", result.stderr
    assert "+b = 3" in (tmp_path / "out.md").read_text()
    assert cli("report", "-o", tmp_path / "out.docx").exit_code == 4


def test_a_changed_line_that_looks_like_the_head_of_a_file_is_coloured_as_one_that_changed() -> None:
    with CliRunner().isolation(color=True) as (out, *_):
        print_diff("diff --git a/q.sql b/q.sql\n--- a/q.sql\n+++ b/q.sql\n@@ -1 +1 @@\n--- old\n+++ new\n")
    *head, hunk, removed, added = out.getvalue().decode().splitlines()
    assert all(line.startswith("\x1b[1m") for line in head) and hunk.startswith("\x1b[36m")
    assert removed.startswith("\x1b[31m--- old") and added.startswith("\x1b[32m+++ new")
