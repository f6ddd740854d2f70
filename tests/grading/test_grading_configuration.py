"""Which of a target's options survive."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.errors import EvaluationError
from maabarium_pytest.grading.configuration import filtered, find_configuration


@pytest.mark.parametrize(
    ("given_options", "kept"),
    [
        ('-n auto --cov --cov-fail-under=99 -m "not slow" -p no:cacheprovider', "-m 'not slow' -p no:cacheprovider"),
        ("-xvs -rA --strict-markers", "-s --strict-markers"),
        ("-n4 -nauto -n 2 --dist loadscope --numprocesses=3", ""),
        ("--cov pkg --cov-report term-missing --cov-config=x --no-cov-on-fail tests", "tests"),
        ("-ra -q --tb=short --maxfail 3 -k 'a or b' -mslow", "-k 'a or b' -m slow"),
        ("--import-mode=importlib -W error -x --doctest-modules", "--import-mode=importlib -W error --doctest-modules"),
        ("--lf --ff --sw --reruns 3 --reruns-delay=1 --random-order-bucket none", ""),
        ("--randomly-seed=1 --randomly-dont-reorganize", "--randomly-seed=1 --randomly-dont-reorganize"),
        ("--junitxml=out.xml --html report.html --self-contained-html --timeout 5", "--timeout 5"),
        ("-vs -- -x", "-s -- -x"),
        ("--durations 10 -svvx", "-s"),
        ("--snapshot-update --snapshot-update-new-only --force-regen --regen-all --update-goldens -s", "-s"),
        ("--inline-snapshot=fix,create --record-mode rewrite --record-mode=all --insta update --block-network",
         "--block-network"),
        ("--update-expected --golden-write=x --regenerate-baselines --bless-references --reset-fixtures", ""),
        ("--snapshot-details --expected-dir=x --baseline x --fixture-path y --update-db --assert=rewrite",
         "--snapshot-details --expected-dir=x --baseline x --fixture-path y --update-db --assert=rewrite"),
    ],
)  # fmt: skip
def test_filter(given_options: str, kept: str) -> None:
    assert filtered(shlex.split(given_options))[0] == shlex.split(kept)


@given(
    st.lists(st.sampled_from(["-x", "-n", "auto", "--cov", "-k", "a", "tests", "--maxfail", "-vv", "--foo=1", "-s"]))
)
def test_filter_is_idempotent_and_loses_no_plain_option(words: list[str]) -> None:
    kept, dropped = filtered(words)
    assert filtered(kept)[0] == kept or "-k" in kept
    assert kept.count("--foo=1") + sum(word.count("--foo=1") for word in dropped) == words.count("--foo=1")
    assert "-x" not in [word for word, before in zip(kept, ["", *kept], strict=False) if before != "-k"]


@pytest.mark.parametrize(
    ("name", "content", "addopts"),
    [
        ("pytest.ini", "[pytest]\naddopts = -x -m 'not slow'\n", ("-m", "not slow")),
        (".pytest.ini", "", ()),
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = ['-k', 'a b', '-x']\n", ("-k", "a b")),
        ("pyproject.toml", "[tool.pytest]\naddopts = ['--strict']\n", ("--strict",)),
        ("pytest.toml", "[pytest]\naddopts = ['-s']\n", ("-s",)),
        ("tox.ini", "[pytest]\naddopts =\n    -s\n    --strict\n", ("-s", "--strict")),
        ("setup.cfg", "[tool:pytest]\naddopts = -s\n", ("-s",)),
    ],
)
def test_find_configuration_above_the_root(tmp_path: Path, name: str, content: str, addopts: tuple[str, ...]) -> None:
    (tmp_path / name).write_text(content)
    (tmp_path / "part").mkdir()
    found = find_configuration(tmp_path, tmp_path / "part")
    assert (found.file, found.rootdir, found.addopts) == (tmp_path / name, tmp_path, addopts)


def test_files_that_are_no_configuration_and_files_above_the_top(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --foo\n")
    (top / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (top / "setup.cfg").write_text("[metadata]\nname = x\n")
    found = find_configuration(top, top)
    assert (found.file, found.rootdir, found.addopts) == (None, top, ())


def test_unreadable_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest\n")
    with pytest.raises(EvaluationError, match=r"pyproject\.toml of the target cannot be read"):
        find_configuration(tmp_path, tmp_path)
