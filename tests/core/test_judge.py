"""The judge: gates, guards, screening, confirmation and the audit, one rule at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median
from typing import Any

import pytest
from engine_fakes import COUNT, evaluation, make_blueprint
from hypothesis import given
from hypothesis import strategies as st

from maabarium.acceptance.estimate import median_interval
from maabarium.acceptance.judge import Judge, _lost, noisy_sources
from maabarium.records import Champion, Evaluation, Gate, Measured, Measurement
from maabarium.report.phrases import factor
from maabarium.scoring import weighted_total

TIME = {"name": "time", "weight": 1, "direction": "minimize", "source": "time", "noisy": True}
SIZE = {"name": "size", "direction": "minimize", "source": "size", "role": "guard", "tolerance": 0.1, "noisy": False}
HEAT = {"name": "heat", "direction": "minimize", "source": "heat", "role": "guard", "noisy": True}
FAILED = Gate(name="tests", passed=False, reason_code="tests_lost", detail="2 tests are gone")


def judge(*metrics: dict[str, Any], base: dict[str, float]) -> Judge:
    blueprint = make_blueprint(*metrics, acceptance={"min_effect": 0.01})
    baseline = evaluation(base)
    total = weighted_total(blueprint.objectives, base, baseline)
    champion = Champion(number=0, commit="c", tree="t", evaluation=baseline, total=total)
    return Judge(blueprint, baseline, champion, noisy_sources(blueprint, baseline))


def pair(candidate: dict[str, float], champion: dict[str, float], *gates: Gate) -> Measured:
    return Measured(number=1, stage="pair", candidate=evaluation(candidate, *gates), champion=evaluation(champion))


def test_noise_is_declared_clocked_or_seen() -> None:
    names = ("declared", "clocked", "seen", "quiet", "denied")
    rows = [{"name": n, "weight": 0.2, "direction": "minimize", "source": n} for n in names]
    rows[0]["noisy"], rows[4]["noisy"] = True, False
    measured = tuple(Measurement(source=n, value=1, clock="cpu" if n in ("clocked", "denied") else None) for n in names)
    found = noisy_sources(make_blueprint(*rows), Evaluation(measurements=measured, noisy=("other", "seen")))
    assert found == {"declared", "clocked", "seen"}


def test_a_failed_gate_loses_with_its_own_code() -> None:
    decision = judge(COUNT, base={"score:count": 1}).screen(evaluation({"score:count": 9}, FAILED))
    assert (decision.next, decision.reason_code, decision.reason) == ("lose", "tests_lost", "2 tests are gone")


def test_tampering_has_a_verdict_of_its_own() -> None:
    gate = FAILED.model_copy(update={"reason_code": "tampered"})
    assert judge(COUNT, base={"score:count": 1}).screen(evaluation({"score:count": 9}, gate)).verdict == "tampered"


def test_a_missing_measurement_is_a_failed_gate() -> None:
    decision = judge(COUNT, base={"score:count": 1}).screen(evaluation({}))
    assert (decision.reason_code, "nobody measured" in decision.reason) == ("gate_failed", True)


@pytest.mark.parametrize(
    ("value", "following", "code", "words"),
    [(11, "audit", "worse", ""), (10, "lose", "no_gain", "the same as"), (9, "lose", "worse", "0.5000 -> 0.4737"),
     (0, "lose", "worse", "-> 0.0")],
)  # fmt: skip
def test_deterministic_totals_must_be_strictly_higher(value: float, following: str, code: str, words: str) -> None:
    decision = judge(COUNT, base={"score:count": 10}).screen(evaluation({"score:count": value}))
    assert (decision.next, decision.reason_code) == (following, code) and words in decision.reason


def test_the_repair_of_one_test_of_many_is_never_called_worse() -> None:
    """1 red test of 119, and a least gain that such a share cannot reach."""
    case = judge(COUNT, base={"score:count": 118 / 119})
    assert case.screen(evaluation({"score:count": 1.0})).next == "audit"
    demanding = case.blueprint.constraints.model_copy(update={"min_improvement": 0.01})
    strict = replace(case, blueprint=case.blueprint.model_copy(update={"constraints": demanding}))
    lost = strict.screen(evaluation({"score:count": 1.0}))
    assert lost.reason_code == "too_small" and "constraints.min_improvement = 0.01" in lost.reason


@given(st.lists(st.floats(-0.9, 0.9), min_size=1, max_size=12))
def test_what_is_called_worse_is_below_one_wherever_it_is_shown(ratios: list[float]) -> None:
    bounds = median_interval(ratios)
    shown = bounds and (math.exp(bounds[0]), math.exp(bounds[1]))
    code, reason = _lost("worse", ratios, median(ratios), shown)
    assert "-0.0 %" not in reason
    if code == "worse":
        assert median(ratios) < 0 and len(ratios) > 1 and "x1.00" not in factor(math.exp(median(ratios)))
    else:
        assert code == "no_gain" and "no gain" in reason


@pytest.mark.parametrize(("size", "following"), [(100, "audit"), (111, "audit"), (112, "lose"), (50, "audit")])
def test_a_deterministic_guard_allows_its_tolerance(size: float, following: str) -> None:
    case = judge(COUNT, SIZE, base={"score:count": 10, "size": 100})
    decision = case.screen(evaluation({"score:count": 20, "size": size}))
    assert decision.next == following
    assert following == "audit" or decision.reason_code == "guard_failed"


def test_a_noisy_candidate_is_never_compared_with_an_earlier_sample() -> None:
    case = judge(TIME, base={"time": 5.0})
    assert case.decides_by_pairs
    assert case.screen(evaluation({"time": 1.05})).next == case.screen(evaluation({"time": 99.0})).next == "pair"


def test_two_pairs_say_whether_it_is_promising_and_six_more_whether_it_is_better() -> None:
    case, screened = judge(TIME, base={"time": 1.0}), evaluation({"time": 0.5})
    pairs = [pair({"time": 0.5}, {"time": 1.0}) for _ in range(8)]
    first = [case.confirm(screened, pairs[:count], 0) for count in (1, 2, 3)]
    assert [(decision.next, decision.promising) for decision in first] == [
        ("pair", False), ("pair", True), ("pair", True),
    ]  # fmt: skip
    assert case.confirm(screened, pairs[:7], 1).next == "pair"
    decision = case.confirm(screened, pairs, 1)
    assert (decision.next, decision.verdict, decision.reason_code) == ("audit", "promoted", "kept")
    assert decision.effect == pytest.approx(2)
    assert decision.interval == pytest.approx((2, 2))
    assert case.confirm(screened, pairs, 10).next == "pair"  # a later candidate must show more
    kept = case.audit(screened, screened, decision)
    assert (kept.next, kept.reason, kept.effect) == ("keep", decision.reason, decision.effect)
    assert case.audit(screened, evaluation({"time": 0.5}, FAILED), decision).reason_code == "tests_lost"


def test_what_two_pairs_show_to_be_slower_is_worse() -> None:
    case = judge(TIME, base={"time": 1.0})
    lost = case.confirm(evaluation({"time": 2}), [pair({"time": 2.0}, {"time": 1.0})] * 2, 0)
    assert (lost.next, lost.reason_code, lost.effect) == ("lose", "worse", pytest.approx(0.5))
    assert lost.reason == "better in 0 of 2 pairs, median -50.0 %"


def test_wins_below_the_least_effect_do_not_count() -> None:
    case = judge(TIME, base={"time": 1.0})
    pairs = [pair({"time": 0.995}, {"time": 1.0}) for _ in range(2)]
    decision = case.confirm(evaluation({"time": 0.995}), pairs, 0)
    assert (decision.next, decision.reason_code) == ("lose", "undecided")
    assert decision.effect == pytest.approx(1 / 0.995)


def test_the_candidates_gate_loses_and_the_champions_is_our_error() -> None:
    case = judge(TIME, base={"time": 1.0})
    lost = case.confirm(evaluation({"time": 0.5}), [pair({"time": 0.5}, {"time": 1.0}, FAILED)], 1)
    assert (lost.next, lost.reason_code) == ("lose", "tests_lost")
    early = case.confirm(evaluation({"time": 0.5}), [pair({}, {}, FAILED)], 1)
    assert (early.next, early.reason_code) == ("lose", "tests_lost"), "what the champion would have given is not asked"
    broken = Measured(number=1, stage="pair", candidate=evaluation({"time": 1}), champion=evaluation({}, FAILED))
    ours = case.confirm(evaluation({"time": 0.5}), [broken], 1)
    assert (ours.next, ours.verdict, ours.reason_code) == ("error", "error", "internal")


@pytest.mark.parametrize(("heat", "following", "code"), [(1.0, "audit", "kept"), (2.0, "lose", "guard_failed")])
def test_a_noisy_guard_is_shown_not_to_be_worse(heat: float, following: str, code: str) -> None:
    case = judge(COUNT, HEAT, base={"score:count": 1, "heat": 1.0})
    assert not case.decides_by_pairs
    screened = evaluation({"score:count": 2, "heat": heat})
    assert case.screen(screened).next == "pair"
    pairs = [pair({"heat": heat}, {"heat": 1.0}) for _ in range(6)]
    assert case.confirm(screened, pairs[:1], 1).next == "pair"
    decision = case.confirm(screened, pairs, 1)
    assert (decision.next, decision.reason_code) == (following, code)
    assert following == "lose" or decision.effect == pytest.approx(2)


def test_a_noisy_winner_that_breaks_a_noisy_guard_is_not_kept() -> None:
    case = judge(TIME, HEAT, base={"time": 1.0, "heat": 1.0})
    pairs = [pair({"time": 0.5, "heat": 1.5}, {"time": 1.0, "heat": 1.0}) for _ in range(8)]
    assert case.confirm(evaluation({"time": 0.5, "heat": 1.5}), pairs, 1).reason_code == "guard_failed"


def test_deterministic_parts_of_a_pair_keep_their_screening_values() -> None:
    half = {**TIME, "weight": 0.5}, {**COUNT, "weight": 0.5}
    case = judge(*half, base={"time": 1.0, "score:count": 1})
    effect = case.pair_effect(evaluation({"time": 9.0, "score:count": 4}), pair({"time": 1.0}, {"time": 1.0}))
    assert effect == pytest.approx(0.5 * math.log(4))


def test_the_audit_wants_the_same_numbers_again() -> None:
    case = judge(COUNT, base={"score:count": 1})
    screened = evaluation({"score:count": 2})
    kept = case.audit(screened, evaluation({"score:count": 2}))
    assert (kept.next, kept.reason_code, kept.effect) == ("keep", "kept", pytest.approx(2))
    differs = case.audit(screened, evaluation({"score:count": 3}))
    assert (differs.next, differs.reason_code) == ("lose", "undecided")
    assert "noisy" in differs.reason
    assert case.audit(screened, evaluation({"score:count": 2}, FAILED)).reason_code == "tests_lost"
