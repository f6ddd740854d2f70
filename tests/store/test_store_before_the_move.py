"""Databases of earlier versions open, are shown, and their cut runs end.

One was written before the modules moved into rooms, one under version 1 of the acceptance rules.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from maabarium.events import MeasuredEvent
from maabarium.store import Store

FIXTURES = Path(__file__).with_name("fixtures")
WHOLE = [
    (0, "baseline", "baseline", 0.4, "828cc1971efcf7bc8f399dc95a0e48380f5eb79b"),
    (1, "promoted", "kept", 0.5333333333333333, "7ace15db7e1419678e64ec10c17c74333689ab8b"),
    (2, "rejected", "worse", 0.48, "dbda0bcd6500a9907364d5c77c0314b568e4a638"),
    (3, "rejected", "gate_failed", 0.26666666666666666, "335e21fa83dafc616a8080340d565482b87857f6"),
    (4, "invalid", "out_of_bounds", None, ""),
]
CUT = [
    *WHOLE[:2],
    (2, "rejected", "gate_failed", 0.7960199004975125, "c1b194b6be464b4b67fc82635e82314b60ca6731"),
    (3, "rejected", "worse", 0.48, "dbda0bcd6500a9907364d5c77c0314b568e4a638"),
    (4, "promoted", "kept", 0.7333333333333334, "217abe67c69e38c93362c8dfde480ee99cb89deb"),
    (5, "rejected", "duplicate", None, "7ace15db7e1419678e64ec10c17c74333689ab8b"),
    (6, "promoted", "kept", 0.8400000000000001, "a244cd14fd9f23e4b477520c652470b88f2c2b57"),
]
"""Number, verdict, reason, total and tree of every experiment, as version 0.1.0 ended both runs."""


class Left:
    """The target and its state, unpacked."""

    def __init__(self, root: Path, archive: str) -> None:
        self.target = root / "target"
        self.database = self.target / "data" / "maabarium.db"
        with tarfile.open(FIXTURES / archive) as opened:
            opened.extractall(root, filter="data")
        with closing(sqlite3.connect(self.database)) as db, db:
            for column in ("target", "repository", "blueprint_path"):
                db.execute(f"UPDATE runs SET {column} = replace({column}, '/made', ?)", [str(root)])
            move = "UPDATE events SET payload = replace(payload, '\"/made', ?) WHERE type = 'run_started'"
            db.execute(move, [f'"{root}'])
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
        self.environment = kept | {"XDG_CACHE_HOME": str(root / "cache"), "GIT_CONFIG_GLOBAL": os.devnull}

    def call(self, module: str, *words: str) -> str:
        """The output of `python -m module`, which must end well."""
        argv = [sys.executable, "-m", module, *words]
        done = subprocess.run(argv, cwd=self.target, env=self.environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def experiments(self, blueprint: str) -> list[tuple[object, ...]]:
        """The rows of a run, in the order of their numbers."""
        with closing(sqlite3.connect(self.database)) as db:
            return db.execute(
                "SELECT number, promotion_outcome, e.reason_code, weighted_total, tree FROM experiments e"
                " JOIN runs USING (run_id) WHERE runs.blueprint_name = ? ORDER BY number",
                [blueprint],
            ).fetchall()


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path, "before_the_move.tar.xz")


@pytest.fixture
def noisy(tmp_path: Path) -> Left:
    return Left(tmp_path, "noisy_of_rules_1.tar.xz")


def test_it_opens_read_only_with_its_facts_as_fields(left: Left) -> None:
    before = left.database.read_bytes()
    with Store.open(left.database, readonly=True) as store:
        assert store.integrity() == []
        for name in ("whole", "cut"):
            baseline = store.view(store.resolve("last", name)).baseline
            assert baseline is not None and baseline.failed_gate is None
            assert baseline.flaky == ("tests/test_luck.py::test_luck",)
            assert baseline.partial == ("rules/test_speed.py::test_documented",)
            assert set(baseline.noisy) <= {"tests.duration", "tests.cpu"}
            assert baseline.session_seconds > 0 and "session" not in baseline.values()
            assert {gate.name for gate in baseline.gates}.isdisjoint({"flaky", "noisy", "partial"})
            roles = {test.id.partition("::")[0]: test.role for test in baseline.tests}
            assert roles["rules/test_speed.py"] == "rule" and roles["tests/test_app.py"] == "suite"
            assert roles["rules/holdout/test_bounds.py"] == "holdout"
        lost = store.view(store.resolve("last", "cut")).outcomes[2]
    assert lost.held_out == ("rules/holdout/test_bounds.py::test_bounds",) and set(lost.held_out) <= set(lost.failing)
    assert left.database.read_bytes() == before


def test_it_is_listed_shown_and_reported(left: Left) -> None:
    status = left.call("maabarium", "status")
    assert "whole" in status and "cut" in status
    with Store.open(left.database, readonly=True) as store:
        whole = store.resolve("last", "whole")
    assert "faster" in left.call("maabarium", "show", whole)
    left.call("maabarium", "report", whole, "--output", "whole.html")
    assert "out_of_bounds" in left.call("maabarium", "export", whole, "--format", "json")
    assert "faster" in (left.target / "whole.html").read_text()


def test_the_run_that_was_cut_ends_as_it_would_have(left: Left) -> None:
    assert left.experiments("cut")[:4] == CUT[:4]
    shown = left.call("pytest", "-p", "no:cacheprovider", "--maabarium", "cut.toml", "--maabarium-resume", "last")
    assert "1 baseline, 3 promoted, 3 rejected" in shown
    kept = subprocess.check_output(["git", "show", "maabarium/cut:app/__init__.py"], cwd=left.target, text=True)
    assert kept == '"""Fast."""\n\nSPEED = 4\n'
    assert left.experiments("cut") == CUT and left.experiments("whole") == WHOLE
    with Store.open(left.database) as store:
        assert store.integrity() == []


NOISY_CUT = [
    (0, "baseline", "baseline", 0.5, "3cc8a6753656d40eaddc6a52dbc0ea3865571562"),
    (1, "promoted", "kept", 0.6936137123948135, "825ceba7588f5eb24547ef8d7a652cb452a86cfe"),
    (2, "rejected", "worse", 0.6078890269564536, "a6fb52f94743458f78413b1488148ecc513af424"),
]
"""As one sample against the champion's median, and signs alone, decided it."""


def test_a_run_of_earlier_rules_of_acceptance_is_shown(noisy: Left) -> None:
    with Store.open(noisy.database, readonly=True) as store:
        assert store.integrity() == []
        view = store.view(store.resolve("last", "noisy"))
        assert view.run.rules == 1 and view.calibration == () and len(view.kept) == 3
    shown = noisy.call("maabarium", "show", view.run.run_id)
    assert "3 of 5 kept" in shown and "smallest gain" in shown and "instrument:" not in shown
    noisy.call("maabarium", "report", view.run.run_id, "--output", "noisy.html")


def test_a_run_of_earlier_rules_of_acceptance_goes_on_under_todays(noisy: Left) -> None:
    """It was killed among the pairs of experiment 3. How fast the rest is, is measured here and now."""
    assert noisy.experiments("noisy-cut")[:3] == NOISY_CUT
    words = ("-p", "no:cacheprovider", "--maabarium", "noisy-cut.toml", "--maabarium-resume", "last")
    shown = noisy.call("pytest", *words)
    assert "1 baseline" in shown
    rows = noisy.experiments("noisy-cut")
    assert rows[:3] == NOISY_CUT and [row[0] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert all(row[1] in ("promoted", "rejected") for row in rows[3:]) and rows[4][1] == "rejected"
    with Store.open(noisy.database) as store:
        assert store.integrity() == []
        stages = [event.measured.stage for event in store.journal(store.resolve("last", "noisy-cut"))
                  if isinstance(event, MeasuredEvent) and event.measured.number == 3]  # fmt: skip
    assert stages[:4] == ["screen", "pair", "pair", "pair"] and "calibrate" not in stages
