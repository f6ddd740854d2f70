"""A side of a pair as several sessions: how many, and their evaluations as one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.records import Evaluation, Gate, Measurement
from maabarium.worker.repetition import MOST_REPEATS, joined, merged, repeats_needed


def rate(work: float, seconds: float, source: str = "score:x", clock: str = "cpu") -> Measurement:
    return Measurement.model_validate({"source": source, "value": work / seconds, "clock": clock, "seconds": seconds})


def cpu(seconds: float, source: str = "tests.cpu") -> Measurement:
    return Measurement(source=source, value=seconds, seconds=seconds, clock="cpu", unit="s")


def seen(*measurements: Measurement, **fields: object) -> Evaluation:
    return Evaluation.model_validate({"measurements": measurements, **fields})


@pytest.mark.parametrize(
    ("measurements", "needed"),
    [
        ([rate(1, 0.1)], 1),
        ([rate(1, 0.09)], 1),
        ([rate(1, 0.07)], 2),
        ([rate(1, 0.011)], 9),
        ([rate(1, 1e-6)], MOST_REPEATS),
        ([rate(1, 0.5), rate(1, 0.05, "score:y")], 2),
        ([rate(1, 0.001, clock="wall")], 1),
        ([rate(1, 0.001, "score:other")], 1),
        ([Measurement(source="score:x", value=3.0)], 1),
        ([Measurement(source="score:x", value=3.0, clock="cpu")], 1),  # stored before seconds were kept
        ([cpu(0.03)], 4),
        ([cpu(30.0)], 1),
        ([cpu(30.0), rate(1, 0.001)], 1),
        ([cpu(0.3), rate(1, 0.01)], 3),
        ([], 1),
    ],
)
def test_short_blocks_are_repeated_until_they_last_a_tenth_of_a_second(
    measurements: list[Measurement], needed: int
) -> None:
    assert repeats_needed(seen(*measurements), {"score:x", "score:y", "tests.cpu"}) == needed


@pytest.mark.parametrize(
    ("seconds", "wanted", "needed"), [(0.1, 0.2, 2), (0.05, 0.3, 6), (0.3, 0.4, 2), (3.0, 0.4, 1), (0.1, 0.12, 1)]
)
def test_sides_may_be_longer_to_be_steadier(seconds: float, wanted: float, needed: int) -> None:
    assert repeats_needed(seen(rate(1, seconds)), {"score:x"}, wanted) == needed
    assert repeats_needed(seen(rate(1, seconds, clock="wall")), {"score:x"}, wanted) == 1


def test_a_rate_is_all_work_over_all_seconds_and_a_time_the_mean() -> None:
    side = merged([seen(rate(100, 0.1), cpu(0.2)), seen(rate(100, 0.4), cpu(0.4))])
    by_source = {m.source: m for m in side.measurements}
    assert by_source["score:x"].value == pytest.approx(400)
    assert by_source["score:x"].seconds == pytest.approx(0.5)
    assert by_source["tests.cpu"].value == pytest.approx(0.3)
    assert by_source["tests.cpu"].seconds == pytest.approx(0.6)


def test_what_is_exact_stays_exact_and_points_keep_their_possible() -> None:
    points = Measurement(source="score:p", value=0.1, possible=3.0)
    (kept,) = merged([seen(points)] * 7).measurements
    assert kept == points


def test_a_source_that_a_repetition_lacks_is_not_measured() -> None:
    assert merged([seen(rate(1, 1), cpu(1.0)), seen(cpu(1.0))]).values().keys() == {"tests.cpu"}


def test_a_failed_gate_in_any_repetition_is_the_answer() -> None:
    failed = seen(gates=[Gate(name="tests", passed=False, detail="lost one")], duration=2.0)
    side = merged([seen(rate(1, 1), duration=1.0), failed])
    assert side.failed_gate is not None and side.failed_gate.detail == "lost one"
    assert side.duration == 3.0 and side.measurements == ()


works = st.lists(st.tuples(st.floats(0.1, 1e6), st.floats(1e-4, 1e3)), min_size=1, max_size=20)


@given(works)
def test_merging_loses_no_work_and_no_second(parts: list[tuple[float, float]]) -> None:
    (one,) = merged([seen(rate(work, seconds)) for work, seconds in parts]).measurements
    assert one.seconds is not None
    assert one.seconds == pytest.approx(math.fsum(seconds for _, seconds in parts))
    assert one.value * one.seconds == pytest.approx(math.fsum(work for work, _ in parts))
    rates = [work / seconds for work, seconds in parts]
    assert min(rates) * (1 - 1e-9) <= one.value <= max(rates) * (1 + 1e-9)


def test_each_source_is_taken_from_the_sessions_that_suit_it() -> None:
    beside = seen(rate(1, 1), rate(5, 1, "score:nap", "wall"), duration=1.0)
    turns = seen(rate(3, 1), rate(7, 1, "score:nap", "wall"), duration=2.0)
    side = joined(beside, turns, frozenset({"score:nap"}))
    assert side.values() == {"score:x": 1.0, "score:nap": 7.0} and side.duration == 3.0


def test_a_gate_that_fails_in_turn_is_the_answer() -> None:
    failed = seen(gates=[Gate(name="tests", passed=False)])
    assert joined(seen(rate(1, 1)), failed, frozenset({"score:nap"})).failed_gate is not None
