"""Whole runs in which an external agent proposes: the example, and an agent that means harm."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
from host_target import Target, make_target

ROOT = Path(__file__).parents[2]


def rows(target: Target) -> list[tuple[object, ...]]:
    with sqlite3.connect(target.root / "data" / "maabarium.db") as db:
        columns = "number, promotion_outcome, reason_code, proposal_summary"
        found = db.execute(f"SELECT {columns} FROM experiments ORDER BY id").fetchall()
    db.close()
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="the level standard is held on Linux")
def test_the_example_tidies(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "agents", tmp_path / "agents")
    target = Target(tmp_path / "agents", tmp_path / "cache")
    done = target.pytest("--maabarium", "agents.toml", "-v", "--maabarium-iterations", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[1:] for row in rows(target)] == [
        ("baseline", "baseline", "baseline"),
        ("promoted", "kept", "shelf/order.py does not use itertools"),
        ("promoted", "kept", "shelf/order.py does not use string"),
    ]
    shown = target.maabarium("show", "last", "1").stdout
    assert "command/tidy.sh" in shown and "-import itertools" in shown and "reply by tidy.sh" in shown


MISSING = 'proposer.command  the program "no-such-agent" cannot be started'


@pytest.fixture
def lacking(tmp_path: Path) -> Target:
    """A target whose agent is not installed."""
    target = make_target(tmp_path)
    target.blueprint(proposer="command")
    text = (target.root / "bp.toml").read_text(encoding="utf-8")
    target.write("bp.toml", f'{text}\ncommand = ["no-such-agent"]\n')
    return target


def test_a_missing_program_is_found_before_the_run(lacking: Target) -> None:
    done = lacking.pytest("--maabarium", "bp.toml")
    assert done.returncode == 4 and MISSING in done.stdout + done.stderr, done.stdout + done.stderr
    assert not (lacking.root / "data").exists()


def test_a_missing_program_is_a_problem_of_the_blueprint(lacking: Target) -> None:
    done = lacking.maabarium("validate", "--bind", "bp.toml")
    assert done.returncode == 4 and MISSING in done.stdout + done.stderr, done.stdout + done.stderr
