"""What the quickstart means by better: the same answer as before, in less time."""

from pathlib import Path

import pytest
from loglens import analyse
from loglens.report import render

LOG = Path(__file__).resolve().parents[1] / "data" / "access.log"
DAYS = ("17", "18", "19")


@pytest.fixture(scope="module")
def one_day():
    return LOG.read_text(encoding="utf-8").splitlines(keepends=True)


@pytest.fixture(scope="module")
def three_days(one_day):
    """The log of one day, dated three times."""
    return [line.replace("[17/Apr/", f"[{day}/Apr/") for day in DAYS for line in one_day]


def test_throughput(score, three_days):  # first, so that no cache is warm yet
    with score.timer("lines_per_s", per=len(three_days)):
        analyse(three_days)


def test_same_answer(one_day):
    analysis = analyse(one_day)
    assert (analysis.requests, analysis.skipped, analysis.size) == (2088, 6, 12947211)
    assert (analysis.visitors, analysis.sessions, analysis.robots) == (405, 550, 240)
    assert analysis.routes[0] == ("/products/:id", 454)
    assert analysis.slow[0] == (7.044, "GET", "/checkout//payment")
    assert analysis.families[:2] == [("Opera 96", 131), ("Edge 115", 103)]
    assert len(render(analysis).splitlines()) == 100
