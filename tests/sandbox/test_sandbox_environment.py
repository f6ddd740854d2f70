"""Only names on the list get in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.plugins.processes import Completed
from maabarium.sandbox.door import FIXED, INHERITED, Private, scrubbed_environment

Runner = Callable[..., Completed]

ALWAYS = {*FIXED, "PATH", "HOME", "TMPDIR", "GIT_CEILING_DIRECTORIES"}
PRINT = "import json, os; print(json.dumps(dict(os.environ)))"
PLANTED = (
    "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "COV_CORE_SOURCE",
    "COVERAGE_PROCESS_START", "PYTHONSTARTUP", "PYTHONPATH", "PYTHONHOME", "GIT_DIR", "LD_PRELOAD", "SSH_AUTH_SOCK",
    "HTTPS_PROXY", "XDG_CONFIG_HOME",
)  # fmt: skip


def test_planted_secrets_stay_out(run: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in PLANTED:
        if name != "LD_PRELOAD":  # the loader would complain in the output
            monkeypatch.setenv(name, "sk-hidden")
    done = run(PRINT)
    seen = json.loads(done.output)
    assert "sk-hidden" not in done.output and not set(seen) & set(PLANTED)
    assert seen["TEST_TOKEN"] and seen["PYTHONDONTWRITEBYTECODE"] == "1" and seen["PYTHONHASHSEED"] == "0"
    assert seen["GIT_CEILING_DIRECTORIES"] == str(tmp_path.resolve().parent)
    assert seen["HOME"] == seen["TMPDIR"] != os.environ.get("HOME")


def test_named_ones_are_passed_and_absent_ones_skipped(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "here")
    monkeypatch.delenv("NOT_THERE", raising=False)
    seen = json.loads(run(PRINT, options={"pass_env": ("DATABASE_URL", "NOT_THERE")}).output)
    assert seen["DATABASE_URL"] == "here" and "NOT_THERE" not in seen


def test_the_commands_own_variables_win_but_not_over_the_mark(run: Runner, tmp_path: Path) -> None:
    seen = json.loads(run(PRINT, env={"HOME": str(tmp_path), "TZ": "Asia/Tokyo", "MAABARIUM_RUN_MARK": "x"}).output)
    assert seen["HOME"] == str(tmp_path) and seen["TZ"] == "Asia/Tokyo"
    assert seen["TMPDIR"] != str(tmp_path)
    assert seen["MAABARIUM_RUN_MARK"] != "x"


NAMES = st.sampled_from([*PLANTED, *ALWAYS, *INHERITED]) | st.text(min_size=1, max_size=8)


@given(st.dictionaries(NAMES, st.text(max_size=5)), st.dictionaries(NAMES, st.text(max_size=5)), st.sets(NAMES))
def test_nothing_comes_from_anywhere_else(source: dict[str, str], own: dict[str, str], passed: set[str]) -> None:
    env = scrubbed_environment(source, own, cwd=Path("/a/b"), private=Private(Path("/p"), Path("/t")), pass_env=passed)
    assert set(env) <= ALWAYS | set(own) | ((set(INHERITED) | passed) & set(source))
    assert set(env) >= ALWAYS | set(own)
    assert all(env[name] == value for name, value in own.items())


@pytest.mark.parametrize(
    ("path", "kept"), [("/usr/bin:/bin", "/usr/bin:/bin"), (":/bin:.:x", "/bin"), ("", os.defpath), (".", os.defpath)]
)
def test_no_program_is_found_in_the_targets_folder(path: str, kept: str) -> None:
    env = scrubbed_environment({"PATH": path}, {}, cwd=Path("/a"), private=Private(Path("/p"), Path("/t")))
    assert env["PATH"] == kept
