"""Whole runs in real sessions: letters, lines, reports, exit codes, hermeticity."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from host_target import CONFTEST, HOSTILE, Target, make_target, patch


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Target, subprocess.CompletedProcess[str]]:
    """One run on a target with hostile addopts, a conftest that breaks, and everything asked for at once."""
    target = make_target(tmp_path_factory.mktemp("night"), HOSTILE)
    target.write("conftest.py", "raise RuntimeError('the conftest of the suite was loaded by the host')\n")
    done = target.pytest(
        "--maabarium",
        "bp.toml",
        "--junitxml",
        "loop.xml",
        "--maabarium-report",
        "out.md",
        PYTEST_ADDOPTS="--reruns 3 -k nothing",
    )
    return target, done


def test_letters_totals_and_exit_status(night: tuple[Target, subprocess.CompletedProcess[str]]) -> None:
    _, done = night
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^bp\.toml \.\+--i +\[100%\]$", done.stdout, re.M), done.stdout
    assert re.search(r"^=+ 1 baseline, 1 promoted, 2 rejected, 1 invalid in [\d.]+s =+$", done.stdout, re.M)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_header_comes_first_and_the_grader_after_collection(
    night: tuple[Target, subprocess.CompletedProcess[str]],
) -> None:
    out = night[1].stdout
    places = [out.index(part) for part in ("platform ", "maabarium: speed", "collected 5", "grader: ", "bp.toml .")]
    assert places == sorted(places)
    assert "rootdir" not in out and "plugins:" not in out
    assert "maabarium summary" in out and "report out.md" in out


def test_junit_carries_every_outcome(night: tuple[Target, subprocess.CompletedProcess[str]]) -> None:
    target, _ = night
    cases = ET.parse(target.root / "loop.xml").getroot().iter("testcase")
    found = {
        case.get("name"): {entry.get("name"): entry.get("value") for entry in case.iter("property")} for case in cases
    }
    verdicts = [found[f"experiment[{n}]"]["verdict"] for n in range(5)]
    assert verdicts == ["baseline", "promoted", "rejected", "rejected", "invalid"]
    assert found["experiment[1]"]["effect"] == "2.0"
    assert found["experiment[1]"]["metric.speed"] == "2.0"
    assert found["experiment[3]"]["reason_code"] == "gate_failed"
    assert found["experiment[4]"]["reason_code"] == "out_of_bounds"


def test_the_report_is_written_and_the_checkout_untouched(
    night: tuple[Target, subprocess.CompletedProcess[str]],
) -> None:
    target, _ = night
    assert "SPEED = 2" in (target.root / "out.md").read_text()
    assert (target.root / "app/__init__.py").read_text() == "SPEED = 1\n"
    assert target.git("show", "maabarium/speed:app/__init__.py") == "SPEED = 2\n"


@pytest.mark.slow
def test_the_suite_is_graded_in_processes_as_it_is_in_this_one(target: Target) -> None:
    done = target.pytest("--maabarium", "bp.toml", "--maabarium-executor", "processes", "--maabarium-workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^=+ 1 baseline, 1 promoted, 2 rejected, 1 invalid in [\d.]+s =+$", done.stdout, re.M), (
        done.stdout
    )
    assert done.stderr == ""


def test_verbose_prints_one_line_per_experiment_and_nothing_kept_is_exit_1(target: Target) -> None:
    target.blueprint([patch("slower", "SPEED = 1.5\n"), patch("broken", "SPEED = 0\n")], iterations=2)
    done = target.pytest("--maabarium", "bp.toml", "-v", "--maabarium-require-promotion", "--maabarium-no-promote")
    lines = [line for line in done.stdout.splitlines() if line.startswith("bp.toml::experiment[")]
    assert len(lines) == 3, done.stdout
    assert "BASELINE" in lines[0]
    assert "broken" in lines[2] and "gate_failed" in lines[2]
    assert done.returncode == 1


def test_errors_are_loud_and_x_stops_at_the_first(target: Target) -> None:
    target.blueprint(proposer="moody", iterations=6)

    target.write("conftest.py", CONFTEST)
    target.commit()
    done = target.pytest("--maabarium", "bp.toml", "-x", "--junitxml", "loop.xml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^bp\.toml \.\+F", done.stdout, re.M), done.stdout
    assert "1 error" in done.stdout.splitlines()[-1]
    assert "the model went home" in done.stdout and "\x1b" not in done.stdout
    assert "energy 3 Wh" in done.stdout
    failures = [case.get("name") for case in ET.parse(target.root / "loop.xml").getroot().iter("testcase")
                if case.find("failure") is not None]  # fmt: skip
    assert failures == ["experiment[2]"]


def test_a_plug_in_that_breaks_is_named_and_exit_1(target: Target) -> None:
    target.blueprint(iterations=3)
    target.write(
        "conftest.py",
        "from maabarium import hookimpl\n"
        "@hookimpl\ndef maabarium_should_stop(request):\n    raise ValueError('no clock')\n"
        "@hookimpl\ndef maabarium_report_header(request):\n    raise ValueError('no ink')\n",
    )
    target.commit()
    done = target.pytest("--maabarium", "bp.toml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(
        r"speed broke off: the plug-in \S+ failed in maabarium_should_stop: ValueError: no clock", done.stdout
    )
    assert re.search(r"warning: the plug-in \S+ failed in maabarium_report_header: ValueError: no ink", done.stdout)
    assert "Traceback" not in done.stdout + done.stderr and "INTERNALERROR" not in done.stdout + done.stderr


def test_a_red_baseline_is_a_sentence_and_exit_1(target: Target) -> None:
    target.write("app/__init__.py", "SPEED = 0\n")
    target.commit()
    done = target.pytest("--maabarium", "bp.toml")
    assert done.returncode == 1
    assert "1 baseline failed" in done.stdout.splitlines()[-1]
    assert "test_app" in done.stdout and "Traceback" not in done.stdout
    assert re.search(r"^bp\.toml F +\[100%\]$", done.stdout, re.M), done.stdout


def test_every_proposal_invalid_is_exit_1(target: Target) -> None:
    target.blueprint(["not json"], iterations=1)
    done = target.pytest("--maabarium", "bp.toml", "-q")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("1 baseline, 1 invalid in")


def test_collect_only_is_a_free_dry_run(target: Target) -> None:
    done = target.pytest("--maabarium", "bp.toml", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[:2] == ["bp.toml::experiment[0]", "bp.toml::experiment[1]"]
    assert not (target.root / "data").exists()
    assert "maabarium" not in target.git("branch", "--list", "maabarium/*")


def test_a_blueprint_beside_a_package_and_from_another_folder(target: Target, tmp_path: Path) -> None:
    target.write("__init__.py", "raise RuntimeError('imported')\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        target.argv("--maabarium", str(target.root / "bp.toml"), "--collect-only", "-q"),
        cwd=elsewhere,
        env=target.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 tests collected" in done.stdout


def test_a_run_that_starts_from_earlier_winners_says_so(target: Target) -> None:
    target.blueprint([patch("faster", "SPEED = 2\n")], iterations=1)
    assert "start:" not in target.pytest("--maabarium", "bp.toml").stdout
    target.blueprint([patch("slower", "SPEED = 1.5\n")], iterations=1)
    again = target.pytest("--maabarium", "bp.toml").stdout
    start = r"^start: maabarium/speed \(\w{8}\), which has winners that HEAD \(\w{8}\) lacks$"
    assert re.search(start, again, re.M), again
