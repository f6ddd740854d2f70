"""How long sides of pairs are to last, by the noise of the latest ones."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.acceptance.steadiness import (
    CLEAR,
    LEAST_SECONDS,
    MOST_SECONDS,
    RECENT,
    SHORTEST_SECONDS,
    STEADY,
    Steadiness,
    lasted,
)
from maabarium.records import Evaluation, Measurement


def noisy(chance: random.Random, noise: float, seconds: float, effect: float = 0.0) -> float:
    """The log ratio of a pair whose sides last so long; `noise`: of sides of one second."""
    return effect + chance.gauss(0, noise / math.sqrt(seconds))


def test_pairs_are_brought_to_the_same_steadiness_however_noisy_the_machine_is() -> None:
    chance = random.Random(1)
    for deviation in (0.014, 0.018, 0.022):  # of sides of 0.1 s
        noise, wanted = deviation * math.sqrt(0.1), []
        for _ in range(40):
            steadiness = Steadiness()
            steadiness.add([noisy(chance, noise, 0.1) for _ in range(12)], [0.1] * 12, 0.0)
            wanted.append(steadiness.wanted())
        assert noise / math.sqrt(fmean(wanted)) == pytest.approx(STEADY, rel=0.15)


def test_a_quiet_machine_is_not_asked_for_more() -> None:
    chance, steadiness = random.Random(1), Steadiness()
    assert steadiness.wanted() == LEAST_SECONDS
    steadiness.add([chance.gauss(0, 0.006) for _ in range(12)], [0.1] * 12, 0.0)
    assert steadiness.wanted() == LEAST_SECONDS


def test_noise_that_begins_later_is_found_by_the_candidates_own_pairs() -> None:
    chance, steadiness = random.Random(1), Steadiness()
    steadiness.add([chance.gauss(0, 0.004) for _ in range(12)], [0.1] * 12, 0.0)
    own: list[float] = []
    while steadiness.wanted(own, [0.1] * len(own)) == LEAST_SECONDS:
        own.append(noisy(chance, 0.025 * math.sqrt(0.1), 0.1, effect=0.02))
    assert len(own) <= 20
    steadiness.add(own, [0.1] * len(own))
    assert steadiness.wanted() > LEAST_SECONDS, "and is known to the next candidate"
    for _ in range(3):
        steadiness.add([chance.gauss(0.02, 0.004) for _ in range(8)], [0.1] * 8)
    assert steadiness.wanted() == LEAST_SECONDS, "until it is over"


def test_a_clear_effect_is_not_measured_longer_than_shows_it() -> None:
    steadiness = Steadiness()
    steadiness.add([0.014, -0.014] * 6, [0.1] * 12, 0.0)
    coarse = steadiness.wanted()
    assert coarse > LEAST_SECONDS
    unclear: list[tuple[float, ...]] = [(), (0.02,), (0.5, -0.5), (0.02, 0.02)]
    assert [steadiness.wanted(made, [0.1] * len(made)) for made in unclear] == [coarse] * 4
    clear: list[tuple[float, ...]] = [(0.5,), (-0.5,), (0.5, 0.5), (-0.5, -0.4)]
    assert [steadiness.wanted(made, [0.1] * len(made)) for made in clear] == [SHORTEST_SECONDS] * 4
    seconds = steadiness.wanted([0.14] * 2, [0.1] * 2)
    assert SHORTEST_SECONDS < seconds < LEAST_SECONDS
    noise = 0.014 * math.sqrt(0.1) * 1.2533
    assert pytest.approx(CLEAR * noise / math.sqrt(seconds), rel=1e-3) == 0.14, "six deviations of such sides"


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 2)), max_size=3 * RECENT),
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 2)), max_size=12),
)
def test_it_stays_within_its_bounds(before: list[tuple[float, float]], own: list[tuple[float, float]]) -> None:
    steadiness = Steadiness()
    steadiness.add([ratio for ratio, _ in before], [seconds for _, seconds in before], 0.0)
    wanted = steadiness.wanted([ratio for ratio, _ in own], [seconds for _, seconds in own])
    assert SHORTEST_SECONDS <= wanted <= MOST_SECONDS


def test_the_shortest_source_of_a_cpu_clock_counts() -> None:
    def timed(source: str, clock: str | None, seconds: float | None) -> Measurement:
        return Measurement.model_validate({"source": source, "value": 1.0, "clock": clock, "seconds": seconds})

    side = Evaluation(
        measurements=(timed("a", "cpu", 0.3), timed("b", "cpu", 0.2), timed("c", "wall", 0.1), timed("d", None, None))
    )
    assert lasted(side, "abcd") == 0.2 and lasted(side, "a") == 0.3
    assert lasted(side, "cd") == lasted(None, "ab") == 0.0
