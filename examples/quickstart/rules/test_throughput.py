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
    assert (analysis.requests, analysis.skipped, analysis.size) == (6276, 12, 38_373_042)
    assert (analysis.visitors, analysis.sessions, analysis.robots) == (234, 870, 774)
    assert analysis.routes[0] == ("/products/:id", 1404)
    assert analysis.slow[0] == (4.68, "GET", "/search?q=sofa&page=4")
    assert analysis.families[:2] == [("Opera 96", 480), ("Edge 115", 366)]
    assert len(render(analysis).splitlines()) == 100
