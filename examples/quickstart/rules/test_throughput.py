"""What the quickstart means by better: the same answer as before, in less time."""

from pathlib import Path

import pytest
from loglens import analyse
from loglens.report import render

LOG = Path(__file__).resolve().parents[1] / "data" / "access.log"
DAYS = ("17", "18", "19")


@pytest.fixture(scope="module")
def lines():
    """Three days of the same shop: the log of one day, dated three times."""
    one_day = LOG.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line.replace("[17/Apr/", f"[{day}/Apr/") for day in DAYS for line in one_day]


def test_throughput(score, lines):  # first, so that no cache is warm yet
    with score.timer("lines_per_s", per=len(lines)):
        analyse(lines)


def test_same_answer(lines):
    analysis = analyse(lines)
    assert (analysis.requests, analysis.skipped, analysis.size) == (6279, 15, 38_746_452)
    assert (analysis.visitors, analysis.sessions, analysis.robots) == (283, 1203, 690)
    assert analysis.routes[0] == ("/products/:id", 1377)
    assert analysis.slow[0] == (3.993, "POST", "/login")
    assert analysis.families[:2] == [("Opera 96", 426), ("Safari 16", 357)]
    assert len(render(analysis).splitlines()) == 100
