"""The rules of the host that need no process: exit status, words, the live line."""

from __future__ import annotations

from typing import Any, cast

import pytest

from maabarium.engine.driver import Progress
from maabarium.records import VERDICTS, Outcome, ReasonCode, Verdict
from maabarium_pytest.live import live_text
from maabarium_pytest.reporting import detail, reports_of, status_of
from maabarium_pytest.session import Progressed, exit_status

BASELINE = Outcome(number=0, verdict="baseline", reason_code="baseline", reason="measured as it is")


def outcome(number: int, verdict: Verdict, code: ReasonCode = "worse") -> Outcome:
    return Outcome(number=number, verdict=verdict, reason_code=code, reason="because", summary="a change")


def status(*verdicts: Verdict, baseline: Outcome = BASELINE, require: bool = False) -> int:
    tried = [outcome(number, verdict) for number, verdict in enumerate(verdicts, start=1)]
    return exit_status([Progressed(cast(Any, None), [baseline, *tried])], require_promotion=require)


def test_single_errors_do_not_make_a_night_red() -> None:
    assert status(*["rejected"] * 19, "error") == 0
    assert status(*["rejected"] * 18, "error") == 1


def test_what_makes_it_red() -> None:
    assert status("rejected") == 0
    assert status() == 1, "no outcome came about"
    assert status("invalid", "invalid") == 1
    assert status("invalid", "rejected") == 0
    assert status("rejected", require=True) == 1
    assert status("promoted", require=True) == 0
    assert status("rejected", baseline=BASELINE.model_copy(update={"reason_code": "gate_failed"})) == 1
    assert status("rejected", baseline=BASELINE.model_copy(update={"verdict": "error", "reason_code": "internal"})) == 1


def test_one_red_run_makes_the_session_red() -> None:
    good = Progressed(cast(Any, None), [BASELINE, outcome(1, "rejected")])
    bad = Progressed(cast(Any, None), [BASELINE, outcome(1, "rejected")], broken="the disk is full")
    assert exit_status([good, bad], require_promotion=False) == 1


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_has_its_letter(verdict: Verdict) -> None:
    call, teardown = reports_of(outcome(1, verdict, "kept"), "bp.toml::experiment[1]", {})
    if verdict == "baseline":
        call, teardown = reports_of(BASELINE, "bp.toml::experiment[0]", {})
    found, ends = status_of(call), status_of(teardown)
    assert found is not None and ends is not None
    letters = dict(zip(VERDICTS, ".+-i!cF", strict=True))
    assert found[:2] == (verdict, letters[verdict])
    assert call.failed == (verdict == "error")
    assert ends[:2] == ("", "") and teardown.passed


def test_reports_of_others_are_left_alone() -> None:
    assert status_of(pytest.CollectReport("x", "passed", None, [])) is None


def test_the_line_of_an_experiment_shows_text_as_data() -> None:
    shown = detail(
        outcome(3, "promoted", "kept").model_copy(
            update={"effect": 1.618, "interval": (1.55, 1.7), "pairs": 9, "summary": "fast\n\x1b[2Jer"}
        )
    )
    assert shown == "x1.62 (x1.55-x1.7) in 9 pairs · fast er · because"


def test_the_live_line_fits() -> None:
    progress = Progress(number=4, phase="confirming", pair=3, pairs_max=16, elapsed=7.6, summary="hoist " * 40)
    assert live_text(progress, 200).startswith("#4 confirming pair 3 of at most 16 · 8 s · hoist")
    assert len(live_text(progress, 40)) == 40
