"""What the quickstart means by better: the same answer as before, in less time."""

from pathlib import Path

import pytest
from loglens import analyse

LOG = Path(__file__).resolve().parents[1] / "data" / "access.log"


@pytest.fixture
def lines():
    return LOG.read_text(encoding="utf-8").splitlines(keepends=True)


def test_same_answer_in_less_time(score, lines):
    with score.timer("lines_per_s", per=len(lines)):
        analysis = analyse(lines)
    assert (analysis.requests, analysis.skipped, analysis.size) == (2088, 6, 12947211)
    assert (analysis.visitors, analysis.sessions, analysis.robots, analysis.internal) == (405, 550, 240, 207)
    assert (analysis.routes[0], analysis.words[0]) == (("/products/:id", 454), ("products", 454))
    assert analysis.slow[0] == (7.044, "GET", "/checkout//payment")
    assert analysis.families[:2] == [("Opera 96", 131), ("Edge 115", 103)]
    spreads = (analysis.spread, analysis.size_spread, analysis.pause_spread)
    assert spreads == pytest.approx((0.27554875, 11772.3639, 15.1555356))
