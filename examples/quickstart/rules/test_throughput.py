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
    assert (analysis.requests, analysis.skipped, analysis.size) == (2386, 7, 14705891)
    assert (analysis.visitors, analysis.sessions, analysis.robots, analysis.internal) == (512, 657, 272, 221)
    assert (analysis.routes[0], analysis.words[0]) == (("/products/:id", 515), ("products", 515))
    assert analysis.slow[0] == (7.044, "GET", "/checkout//payment")
    assert analysis.families[:2] == [("Opera 96", 152), ("Edge 115", 121)]
    spreads = (analysis.spread, analysis.size_spread, analysis.pause_spread)
    assert spreads == pytest.approx((0.27006935, 11435.0735, 66.4013408))
