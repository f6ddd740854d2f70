"""What cannot be said beside --maabarium: a sentence on standard error, exit 4, and nothing begun."""

from __future__ import annotations

import pytest
from host_target import Target

CASES = {
    "positional": (["--maabarium", "bp.toml", "tests"], "takes no tests to select"),
    "missing": (["--maabarium", "bp.tml"], "there is no such file; did you mean bp.toml?"),
    "folder": (["--maabarium", "app"], "is a folder"),
    "twice": (["--maabarium", "bp.toml", "--maabarium", "./bp.toml"], "given twice"),
    "keyword": (["--maabarium", "bp.toml", "-k", "x"], "-k selects tests"),
    "workers": (["--maabarium", "bp.toml", "--maabarium-workers", "0"], "must be at least 1"),
    "executor": (["--maabarium", "bp.toml", "--maabarium-executor", "thread"], 'did you mean "threads"?'),
    "report": (["--maabarium", "bp.toml", "--maabarium-report", "out.pdf"], "out.pdf"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_sentence_and_exit_4(target: Target, name: str) -> None:
    arguments, sentence = CASES[name]
    done = target.pytest(*arguments)
    assert done.returncode == 4, done.stdout + done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_an_option_without_a_blueprint_runs_no_suite(target: Target) -> None:
    for words in (["--maabarium-resume=last"], ["--maabarium-iterations", "3"]):
        done = target.pytest(*words)
        assert done.returncode == 4, done.stdout + done.stderr
        assert f"{words[0].partition('=')[0]} says how a run goes" in done.stderr and "passed" not in done.stdout


def test_the_option_of_xdist_is_named_ours(target: Target) -> None:
    target.write("pyproject.toml", "")  # with every plug-in
    done = target.pytest("--maabarium", "bp.toml", "-n", "2")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "--maabarium-workers" in done.stderr
    assert not (target.root / "data").exists()


def test_all_problems_at_once(target: Target) -> None:
    text = (target.root / "bp.toml").read_text()
    target.write("a.toml", text.replace('"maximize"', '"maximise"').replace("app/**", "srcs/**"))
    target.write("b.toml", text.replace("max_iterations = 4", "max_iterations = 0"))
    done = target.pytest("--maabarium", "a.toml", "--maabarium", "b.toml", "--maabarium-iterations", "0")
    assert done.returncode == 4
    for part in ("a.toml has", "maximise", "b.toml has", "max_iterations", "--maabarium-iterations 0"):
        assert part in done.stderr, done.stderr


def test_the_option_in_addopts_is_refused(target: Target) -> None:
    target.write("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--maabarium bp.toml"\n')
    done = target.pytest()
    assert done.returncode == 4
    assert "stands in addopts" in done.stderr


def test_help_teaches_the_options(target: Target) -> None:
    done = target.pytest("--help", "--maabarium", "bp.toml")
    assert done.returncode == 0
    assert "--maabarium-require-promotion" in done.stdout and "`maabarium" in done.stdout
