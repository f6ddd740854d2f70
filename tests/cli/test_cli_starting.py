"""init, validate, run, resume, schema, plugins, and the group itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cli_runs import StoredRun, git
from click.testing import CliRunner

from maabarium import __version__
from maabarium.blueprint.loading import load
from maabarium.cli import main
from maabarium.cli.group import COMMANDS
from maabarium.cli.run import pytest_arguments


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True)


def test_init_writes_a_blueprint_that_binds(cli: Any, project: Path) -> None:
    result = cli("init")
    assert result.exit_code == 0 and result.stdout == ""
    assert "untracked" in result.stderr and "pytest --maabarium maabarium.toml" in result.stderr
    assert load(project / "maabarium.toml").blueprint.name == "demo"
    assert git(project, "status", "--porcelain").splitlines() == ["?? demo.toml", "?? maabarium.toml"]
    checked = cli("validate", "--bind", "maabarium.toml")
    assert checked.exit_code == 0 and "cpu_time 0.8 <- tests.cpu, minimize, noisy" in checked.stdout


def test_init_never_overwrites_unasked(cli: Any, project: Path) -> None:
    (project / "maabarium.toml").write_text("mine")
    result = cli("init", "--rules")
    assert result.exit_code == 4 and "--force" in result.stderr
    assert (project / "maabarium.toml").read_text() == "mine" and not (project / "rules").exists()
    assert cli("init", "--force").exit_code == 0
    assert "[blueprint]" in (project / "maabarium.toml").read_text()


def test_init_with_rules_and_name(cli: Any, project: Path) -> None:
    assert cli("init", "--rules", "--name", "fast one").exit_code == 0
    blueprint = load(project / "maabarium.toml").blueprint
    assert blueprint.name == "fast one" and blueprint.evaluator.rules == ("rules/test_speed.py",)
    compile((project / "rules/test_speed.py").read_text(), "rules", "exec")


def test_init_elsewhere_and_to_stdout(cli: Any, project: Path, tmp_path: Path) -> None:
    assert cli("init", "project", "-o", "x.toml").exit_code == 4, "there is no such folder here"
    assert cli("init", ".", "-o", tmp_path / "beside.toml").exit_code == 0
    assert tomllib.loads((tmp_path / "beside.toml").read_text())["domain"]["repo_path"] == "project"
    assert cli("validate", "--bind", tmp_path / "beside.toml").exit_code == 0
    printed = cli("init", "-o", "-")
    assert tomllib.loads(printed.stdout)["domain"]["repo_path"] == "." and printed.stderr == ""
    assert cli("init", "-o", "-", "--rules").exit_code == 4
    assert not (project / "maabarium.toml").exists()


def test_init_in_a_folder_of_a_larger_repository(cli: Any, project: Path) -> None:
    inner = project / "packages" / "inner"
    (inner / "inner").mkdir(parents=True)
    (inner / "inner" / "__init__.py").write_text("x = 1\n")
    git(project, "add", "packages")
    git(project, "commit", "-q", "-m", "inner")
    assert cli("init", inner).exit_code == 0
    assert load(inner / "maabarium.toml").blueprint.domain.target_files == ("packages/inner/inner/**/*.py",)
    assert cli("validate", "--bind", inner / "maabarium.toml").exit_code == 0


def test_validate_reports_every_file_and_problem(cli: Any, project: Path) -> None:
    text = (project / "demo.toml").read_text()
    (project / "bad.toml").write_text(text.replace('"minimize"', '"minimise"').replace("timeout_seconds = 60", ""))
    result = cli("validate", "demo.toml", "bad.toml", "gone.toml")
    assert result.exit_code == 4
    assert "demo.toml: ok" in result.stdout and "bad.toml has 2 problems" in result.stdout
    assert "there is no such file" in result.stdout
    found = json.loads(cli("validate", "--json", "demo.toml", "bad.toml").stdout)
    assert [each["ok"] for each in found] == [True, False]
    assert "metrics.metrics[0].direction" in [problem["where"] for problem in found[1]["problems"]]


def test_validate_bind_finds_what_loading_cannot(cli: Any, project: Path) -> None:
    (project / "demo.toml").write_text((project / "demo.toml").read_text().replace("src/**", "srcs/**"))
    assert cli("validate", "demo.toml").exit_code == 0
    result = cli("validate", "--bind", "demo.toml")
    assert result.exit_code == 4 and 'did you mean "src/**/*.py"?' in result.stdout


def test_run_becomes_pytest_with_joined_options() -> None:
    options = {
        "iterations": 3, "workers": None, "executor": "threads", "seed": 0, "database": Path("/x/y.db"),
        "no_promote": True, "require_promotion": False, "report": ("a.html", "b.md"), "junitxml": "j.xml",
        "color": None, "collect_only": False, "exitfirst": True, "verbose": 2, "quiet": 0,
    }  # fmt: skip
    assert pytest_arguments(["-odd.toml"], options, ["--tb=short"]) == [
        "--maabarium=-odd.toml", "--maabarium-iterations=3", "--maabarium-executor=threads", "--maabarium-seed=0",
        "--maabarium-db=/x/y.db", "--maabarium-no-promote", "--maabarium-report=a.html", "--maabarium-report=b.md",
        "--junitxml=j.xml", "-x", "-v", "-v", "--tb=short",
    ]  # fmt: skip


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the process would have become."""
    calls: list[list[str]] = []

    def replace(path: str, argv: list[str]) -> None:
        calls.append(argv)
        raise SystemExit(0)

    monkeypatch.setattr("os.execv", replace)
    return calls


def test_run_passes_what_follows_the_dashes(cli: Any, project: Path, became: list[list[str]]) -> None:
    assert cli("run", "demo.toml", "-v", "--", "--tb=short", "-k", "x").exit_code == 0
    assert became == [[sys.executable, "-m", "pytest", "--maabarium=demo.toml", "-v", "--tb=short", "-k", "x"]]
    assert cli("run").exit_code == 4 and cli("run", "demo.toml", "--nonsense").exit_code == 4


def test_resume_finds_the_blueprint(cli: Any, stored: StoredRun, became: list[list[str]]) -> None:
    assert cli("resume", "3f9", "--iterations", 9).exit_code == 0
    assert became[0][3:] == [
        f"--maabarium={stored.top / 'demo.toml'}", "--maabarium-iterations=9", f"--maabarium-resume={stored.run_id}",
        f"--maabarium-db={stored.database}",
    ]  # fmt: skip
    (stored.top / "demo.toml").unlink()
    result = cli("resume")
    assert result.exit_code == 4 and "is gone" in result.stderr and len(became) == 1


def test_run_really_ends_with_the_status_of_pytest(project: Path) -> None:
    done = python("-m", "maabarium", "run", "demo.toml", "--executor", "thread", cwd=project)
    assert done.returncode == 4 and 'did you mean "threads"?' in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("maabarium.tml", "error: maabarium.tml: there is no such file; did you mean maabarium.toml?"),
        ("nope.toml", "error: nope.toml: there is no such file; there are demo.toml, maabarium.toml"),
        (".", "error: .: is a folder, not a blueprint; it holds demo.toml, maabarium.toml"),
        ("src/nope.toml", "error: src/nope.toml: there is no such file; `maabarium init` writes one"),
    ],
)
def test_run_suggests_a_blueprint(cli: Any, project: Path, became: list[list[str]], given: str, said: str) -> None:
    assert cli("init").exit_code == 0
    result = cli("run", given)
    assert (result.exit_code, result.stdout, result.stderr, became) == (4, "", f"{said}\n", [])


def test_validate_says_that_a_file_is_no_blueprint(cli: Any, project: Path) -> None:
    for options in ((), ("--bind",)):
        result = cli("validate", "pyproject.toml", *options)
        assert result.exit_code == 4
        assert result.stdout.splitlines() == [
            "pyproject.toml has 1 problem",
            "    this is no blueprint: it has no [blueprint] table",
        ]


def test_schema_and_plugins_are_pure_json(cli: Any) -> None:
    assert json.loads(cli("schema").stdout)["title"] == "Maabarium blueprint"
    found = json.loads(cli("plugins", "--json").stdout)
    names = {(each["kind"], each["name"]) for each in found}
    assert {("proposer", "mutate"), ("evaluator", "pytest"), ("sandbox", "subprocess")} <= names
    evaluator = next(each for each in found if each["name"] == "pytest")
    assert "score:*" in evaluator["sources"] and evaluator["distribution"] == f"maabarium {__version__}"
    assert "tests.cpu" in cli("plugins").stdout


HEAVY = (
    "git", "httpx", "hypothesis", "jinja2", "keyring", "libcst", "maabarium.engine", "maabarium.evaluators",
    "maabarium.models", "maabarium.proposers", "maabarium.sandbox", "matplotlib", "optuna", "sqlalchemy", "wasmtime",
)  # fmt: skip
"""What neither a list of commands nor one of runs needs."""


def imported_by_command(*arguments: str, cwd: Path | None = None) -> tuple[set[str], str]:
    """Every module that a command imports, with the packages around it, and what it printed."""
    code = (
        "import runpy, sys\n"
        "try: runpy.run_module('maabarium', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end: status = end.code\n"
        "print(*sys.modules, sep=',')\n"
        "sys.exit(status)"
    )
    done = python("-W", "error", "-c", code, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    printed, _, names = done.stdout.rstrip("\n").rpartition("\n")
    return set(names.split(",")), printed


def test_help_imports_no_command_and_no_library_but_click() -> None:
    found, printed = imported_by_command("--help")
    ours = {name for name in found if name.startswith("maabarium")}
    small = {"errors", "safe_text", "suggestions", "cli", "cli.group"}
    assert ours == {"maabarium", *(f"maabarium.{name}" for name in small)}
    assert not found & {"pydantic", "pluggy", "sqlite_utils", *HEAVY}
    for name, line in COMMANDS.items():
        assert f"{name} " in printed and line in printed


def test_status_imports_neither_models_nor_keys_nor_an_engine(stored: StoredRun) -> None:
    found, printed = imported_by_command("status", cwd=stored.top)
    assert stored.run_id in printed and "maabarium.store" in found
    assert not found & set(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0 and result.stdout.startswith("Usage: ")


def test_a_terminal_that_is_not_utf8_ends_no_command(stored: StoredRun) -> None:
    command = [sys.executable, "-m", "maabarium", "show"]
    environment = {**os.environ, "PYTHONIOENCODING": "iso8859-5", "PYTHONUTF8": "0"}
    done = subprocess.run(command, cwd=stored.top, env=environment, capture_output=True)
    assert done.returncode == 0 and b"\\xb7" in done.stdout, done.stderr


def test_without_a_command_there_is_help(cli: Any) -> None:
    result = cli()
    assert result.exit_code == 0 and result.stdout.startswith("Usage: maabarium ")


def test_the_manual_covers_every_command() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    assert [name for name in COMMANDS if f"`maabarium {name}" not in manual] == []


def test_version_and_module(cli: Any) -> None:
    assert cli("--version").stdout == f"maabarium {__version__}\n"


def test_a_closed_pipe_is_no_traceback(stored: StoredRun) -> None:
    command = f"{sys.executable} -m maabarium export | head -c 10"
    done = subprocess.run(["bash", "-c", command], cwd=stored.top, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr and len(done.stdout) == 10


def test_init_brings_generated_sources_along(tmp_path: Path) -> None:
    (tmp_path / "src/app").mkdir(parents=True)
    (tmp_path / "src/app/__init__.py").write_text("from app._version import version\n")
    (tmp_path / ".gitignore").write_text("_version.py\n")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=n", "-c", "user.email=e@x", "commit", "-qm", "s"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "src/app/_version.py").write_text("version = '1'\n")
    done = subprocess.run(
        [sys.executable, "-m", "maabarium", "init", str(tmp_path), "-o", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'copy = ["src/app/_version.py"]' in done.stdout
