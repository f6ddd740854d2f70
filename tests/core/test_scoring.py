"""Scoring: factors, normalised values, totals and effects."""

from __future__ import annotations

import math

import pytest
from engine_fakes import evaluation, make_blueprint
from hypothesis import example, given
from hypothesis import strategies as st

from maabarium.blueprint.schema import Direction, Metric
from maabarium.records import Evaluation, Measurement
from maabarium.scoring import effects, factor, log_effect, normalise, unscorable, weighted_total

POSITIVE = st.floats(1e-6, 1e6)
COUNTS = st.integers(0, 10_000).map(float)
SIZES = POSITIVE | COUNTS
DIRECTIONS: st.SearchStrategy[Direction] = st.sampled_from(["maximize", "minimize"])


def metric(direction: Direction = "maximize", name: str = "m", weight: float = 1.0, **more: object) -> Metric:
    return Metric.model_validate({"name": name, "weight": weight, "direction": direction, "source": name, **more})


metrics = st.builds(metric, DIRECTIONS, range=st.sampled_from([None, (0.0, 100.0), (-5.0, 5.0)]))


@given(metrics, st.tuples(POSITIVE, POSITIVE) | st.tuples(COUNTS, COUNTS))
def test_the_factor_back_is_the_inverse(m: Metric, both: tuple[float, float]) -> None:
    first, second = both
    assert factor(m, first, second) * factor(m, second, first) == pytest.approx(1)
    assert factor(m, first, first) == 1


@given(SIZES, SIZES, SIZES)
def test_directions_mirror_each_other(first: float, second: float, third: float) -> None:
    up, down = metric("maximize"), metric("minimize")
    assert factor(up, first, second) == pytest.approx(1 / factor(down, first, second))
    assert (factor(up, first, second) > 1) == (second > first)
    assert (factor(down, first, second) > 1) == (second < first)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(2.0, 3.0, 1.5), (0.0, 3.0, 4.0), (3.0, 0.0, 0.25), (0.0, 0.0, 1.0), (0.0, 0.5, 1.5), (0.5, 0.0, 1 / 101)],
)
def test_zeros_are_shifted_by_the_resolution(before: float, after: float, expected: float) -> None:
    assert factor(metric("maximize"), before, after) == pytest.approx(expected)
    assert factor(metric("minimize"), before, after) == pytest.approx(1 / expected)


@pytest.mark.parametrize(
    ("direction", "before", "after", "expected"),
    [("maximize", 20, 40, 2.0), ("minimize", 80, 60, 2.0), ("maximize", 100, 400, 1.0), ("maximize", -3, 50, 51.0)],
)
def test_a_range_is_absolute(direction: Direction, before: float, after: float, expected: float) -> None:
    assert factor(metric(direction, range=(0.0, 100.0)), before, after) == pytest.approx(expected)


SAME_KIND = st.tuples(POSITIVE, POSITIVE, POSITIVE) | st.tuples(COUNTS, COUNTS, COUNTS)
FROM_ZERO = st.tuples(st.just(0.0), SIZES, SIZES)


@given(metrics, SAME_KIND | FROM_ZERO)
def test_normalised_values_rise_with_what_is_better(m: Metric, three: tuple[float, float, float]) -> None:
    base, first, second = three
    low, high = (normalise(m, base, Measurement(source="m", value=value)) for value in sorted((first, second)))
    assert 0 <= low <= 1 and 0 <= high <= 1
    assert low <= high + 1e-9 if m.direction == "maximize" else low >= high - 1e-9


@given(DIRECTIONS, SIZES)
def test_the_baseline_of_a_relative_metric_is_a_half(direction: Direction, value: float) -> None:
    assert normalise(metric(direction), value, Measurement(source="m", value=value)) == 0.5


def test_points_are_shares_of_what_is_possible() -> None:
    points = Measurement(source="m", value=3, possible=4)
    assert normalise(metric("maximize"), 1.0, points) == 0.75
    assert normalise(metric("minimize"), 1.0, points) == 0.25
    assert normalise(metric("maximize"), 1.0, points.model_copy(update={"value": 9})) == 1.0


@given(st.lists(st.tuples(DIRECTIONS, POSITIVE, POSITIVE, POSITIVE, st.floats(0.1, 5)), min_size=1, max_size=4))
def test_totals_are_bounded_and_effects_average(rows: list[tuple[Direction, float, float, float, float]]) -> None:
    whole = sum(row[4] for row in rows)
    objectives = [metric(row[0], f"m{n}", row[4] / whole) for n, row in enumerate(rows)]
    base, before, after = ({f"m{n}": row[k] for n, row in enumerate(rows)} for k in (1, 2, 3))
    assert -1e-9 <= weighted_total(objectives, base, evaluation(after)) <= 1 + 1e-9
    assert weighted_total(objectives, base, evaluation(base)) == pytest.approx(0.5)
    effect = log_effect(objectives, before, after)
    parts = [math.log(factor(m, before[m.name], after[m.name])) for m in objectives]
    assert min(parts) - 1e-9 <= effect <= max(parts) + 1e-9
    assert effect == pytest.approx(-log_effect(objectives, after, before))
    assert log_effect(objectives, after, after) == 0


def test_effects_of_weights() -> None:
    objectives = [metric("maximize", "a", 0.75), metric("minimize", "b", 0.25)]
    effect = log_effect(objectives, {"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 4.0})
    assert effect == pytest.approx(0.75 * math.log(2) - 0.25 * math.log(4))


@pytest.mark.parametrize(
    ("values", "word"),
    [({}, "nobody measured"), ({"m": math.nan}, "nan"), ({"m": math.inf}, "inf"), ({"m": -1.0}, "`range`")],
)
def test_what_cannot_be_scored_says_why(values: dict[str, float], word: str) -> None:
    said = unscorable([metric()], evaluation(values))
    assert said is not None and word in said


def test_negative_values_with_a_range_can_be_scored() -> None:
    assert unscorable([metric(range=(-5.0, 5.0))], evaluation({"m": -1.0})) is None
    assert unscorable([metric()], evaluation({"m": 0.0})) is None


def test_effect_rows_leave_out_what_was_not_measured() -> None:
    rows = [
        {"name": "a", "weight": 1, "direction": "maximize", "source": "a"},
        {"name": "b", "weight": 0, "direction": "minimize", "source": "b", "role": "guard", "unit": "s"},
    ]
    case, base = make_blueprint(*rows), evaluation({"a": 1.0, "b": 2.0})
    found = effects(case, base, {"a": 1.5}, evaluation({"a": 3.0, "b": 1.0}))
    assert [(r.name, r.baseline, r.champion, r.raw, r.value) for r in found] == [
        ("a", 1.0, 1.5, 3.0, 0.75),
        ("b", 2.0, None, 1.0, pytest.approx(2 / 3)),
    ]
    assert found[1].unit == "s"
    assert [r.name for r in effects(case, base, None, evaluation({"b": 1.0}))] == ["b"]
    assert effects(case, Evaluation(), None, base) == ()


@given(metrics, st.floats(0, allow_infinity=False), st.floats(0, allow_infinity=False))
@example(metric(range=(0.0, 100.0)), 2.2e-309, 1.0)
def test_every_factor_has_a_logarithm(m: Metric, before: float, after: float) -> None:
    assert math.isfinite(math.log(factor(m, before, after)))
    assert math.isfinite(normalise(m, before, Measurement(source="m", value=after)))


def test_gains_from_zero_can_be_told_apart() -> None:
    """An accuracy of 0 at the baseline: a quarter, a half and all of it right are three different scores."""
    scores = [normalise(metric(), 0.0, Measurement(source="m", value=value)) for value in (0.0, 0.25, 0.5, 1.0)]
    assert scores == sorted(set(scores))
