"""The summary: its shape, its numbers, and what it says when nothing was won."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_views import BASE, HOSTILE, baseline, metrics, pairs, promoted, rejected, run_record, view, won

from maabarium.blueprint.schema import Metric
from maabarium.events import RunView
from maabarium.records import REASON_CODES, VERDICTS, Evaluation, Measured, Measurement, MetricEffect, Outcome
from maabarium.report import metric_gains, metric_lines, summary_lines, write_report
from maabarium.report.chart import chart_of
from maabarium.report.gains import smallest_gain
from maabarium.report.levels import levels, proven_levels
from maabarium.scoring import factor, improved


def test_the_summary_of_a_run_with_winners() -> None:
    lines = summary_lines(won())
    assert lines[0].startswith("quickstart: 2 of 5 kept · lines_per_s 39 790 -> 119 535 (x3.00, 95 % x2.97-3.11)")
    assert lines[0].endswith("· complexity 14 -> 12 (x1.17)")
    assert lines[1] == "  + #2  change 2  x1.50 (x1.46-1.54)  9 pairs"
    assert lines[2] == "  + #4  change 4  x2.00 (x1.94-2.06)  9 pairs"
    assert lines[3] == ("any false promotion in this run: at most 5 % · 2 rejected, 1 invalid, 0 tampered, 0 errors")
    assert lines[4].startswith("the smallest gain this run would have found: about ")
    assert lines[5] == "61 s: confirming 8.0 · evaluating 7.0"
    assert "maabarium diff 3f9c01aa" in lines[6] and "maabarium report 3f9c01aa" in lines[6]
    assert "maabarium apply 3f9c01aa" in lines[7] and lines[7].endswith("(2 commits on maabarium/quickstart)")


def test_the_factor_is_the_product_of_the_confirmed_steps_not_of_drifting_raw_values() -> None:
    drifted = promoted(4, 2, 60_000.0, 90_000.0)  # the machine slowed down meanwhile; the pairs know
    samples = (*pairs(2, 9, 40_000, 1.5), *pairs(4, 9, 45_000, 2.0))
    gain = metric_gains(view((baseline(), promoted(2, 0, 40_000.0, 60_000.0), drifted), samples))[0]
    assert gain.factor == pytest.approx(3.0, rel=0.02)
    assert gain.champion and gain.baseline and gain.champion / gain.baseline == pytest.approx(gain.factor)
    assert gain.interval is not None and gain.interval[0] < gain.factor < gain.interval[1]


def test_one_slow_sample_of_the_baseline_makes_no_gain() -> None:
    """The baseline's own sample was slow; beside candidates it was as fast as they were."""
    slow, rows = metrics((20_000.0, 14.0), None, (20_000.0, 14.0)), metrics((20_000.0, 14.0), (40_000.0, 14.0), BASE)
    winner = promoted(1, 0, 40_000.0, 40_800.0, metrics=rows)
    won_little = metric_gains(view((baseline(metrics=slow), winner), tuple(pairs(1, 9, 40_000, 1.02, 0.001))))[0]
    assert won_little.baseline == pytest.approx(40_000, rel=0.01)
    assert won_little.champion == pytest.approx(40_800, rel=0.01)
    lost = rejected(1, "undecided", metrics=rows, pairs=9)
    nothing = metric_gains(view((baseline(metrics=slow), lost), tuple(pairs(1, 9, 40_000, 1.0, 0.001))))[0]
    assert nothing.baseline == nothing.champion == pytest.approx(40_000, rel=0.01)


@given(
    before=st.floats(1e-6, 1e6), ratio=st.floats(0.01, 100), direction=st.sampled_from(["maximize", "minimize"]),
    share=st.floats(0.02, 0.98), ranged=st.booleans(),
)  # fmt: skip
def test_a_value_that_is_so_many_times_as_good_has_that_factor(
    before: float, ratio: float, direction: Any, share: float, ranged: bool
) -> None:
    metric = Metric(name="m", direction=direction, range=(10.0, 30.0) if ranged else None)
    before = 10 + 20 * share if ranged else before
    after = improved(metric, before, ratio)
    if after is None:
        assert ranged and (share if direction == "maximize" else 1 - share) * ratio > 1
    else:
        assert factor(metric, before, after) == pytest.approx(ratio)


def test_the_end_of_a_range_and_zero_have_no_multiple() -> None:
    assert improved(Metric(name="m", direction="minimize"), 0.0, 2.0) is None
    assert improved(Metric(name="m", direction="maximize", range=(0.0, 1.0)), 0.8, 2.0) is None


def test_half_widths_of_the_steps_combine_in_quadrature() -> None:
    def gain(*numbers: int) -> tuple[float, float, float]:
        winners = tuple(promoted(n, n - 1, 100.0, 200.0, metrics=metrics(BASE, BASE, BASE)) for n in numbers)
        samples = [
            sample
            for number in numbers
            for pair, ratio in enumerate((1.8, 1.9, 2.0, 2.0, 2.1, 2.0, 2.2), 1)
            for sample in pairs(number, 1, 100.0, ratio, noise=0.0)
            for sample in (sample.model_copy(update={"pair": pair}),)
        ]
        found = metric_gains(view((baseline(), *(w.model_copy(update={"pairs": 7}) for w in winners)), tuple(samples)))[
            0
        ]
        assert found.interval and found.factor
        return tuple(math.log(value) for value in (found.interval[0], found.factor, found.interval[1]))  # type: ignore[return-value]

    one, two = gain(1), gain(1, 2)
    assert two[1] == pytest.approx(2 * one[1])
    assert two[1] - two[0] == pytest.approx(math.sqrt(2) * (one[1] - one[0]))
    assert two[2] - two[1] == pytest.approx(math.sqrt(2) * (one[2] - one[1]))


def test_pairs_from_before_a_rebase_do_not_count() -> None:
    winner = promoted(2, 0, 40_000.0, 60_000.0, pairs=6)
    stale = [s.model_copy(update={"pair": s.pair + 6}) for s in pairs(2, 9, 40_000, 9.0)]
    gain = metric_gains(view((baseline(), winner), (*pairs(2, 6, 40_000, 1.5), *stale)))[0]
    assert gain.factor == pytest.approx(1.5, rel=0.02)


def test_exact_winners_have_no_interval_and_no_bound_on_chance() -> None:
    exact = promoted(1, 0, 40_000.0, 60_000.0, interval=None, pairs=0)
    lines = summary_lines(view((baseline(), exact)))
    assert lines[0] == "quickstart: 1 of 1 kept · lines_per_s 40 000 -> 60 000 (x1.50) · complexity 14"
    assert lines[1] == "  + #1  change 1  x1.50  exact"
    assert lines[2].startswith("every score is exact, so no gain is noise · 0 rejected")
    assert "smallest" not in "\n".join(lines)
    guarded = exact.model_copy(update={"interval": (1.5, 1.5), "pairs": 8})  # pairs for a noisy guard only
    assert summary_lines(view((baseline(), guarded)))[1:3] == ["  + #1  change 1  x1.50  8 pairs", lines[2]]


def test_nothing_kept_says_so_and_what_to_try() -> None:
    lines = summary_lines(view((baseline(), rejected(1), rejected(2, "undecided"), rejected(3, "undecided"))))
    assert lines[0] == "quickstart: nothing kept in 3 experiments · lines_per_s 40 000 · complexity 14"
    assert lines[1] == "  2 undecided, 1 worse"
    assert "acceptance.max_pairs" in lines[2]
    assert not any("apply" in line or "->" in line for line in lines)


def test_nothing_proposed_and_promotion_off_are_told_apart() -> None:
    assert "no proposal was made" in summary_lines(view((baseline(),)))[1]
    off = view((baseline(), rejected(1, "policy_objection")), run=run_record(promote=False))
    assert "promotion was off" in summary_lines(off)[2]


def test_a_failed_baseline_says_why_and_nothing_misleading() -> None:
    failing = tuple(f"tests/test_a.py::test_{i}" for i in range(7))
    failed = baseline(reason_code="gate_failed", reason="7 tests fail in the baseline", failing=failing)
    lines = summary_lines(view((failed,), state="failed"))
    assert lines[:2] == ["quickstart: nothing was tried, because the baseline failed", "  7 tests fail in the baseline"]
    assert "  and 2 more tests" in lines
    assert not any(word in line for line in lines for word in ("kept", "apply", "at most", "rejected"))


def test_a_run_without_a_baseline_and_an_interrupted_one() -> None:
    assert "before the baseline was measured" in summary_lines(view((), state="interrupted", finished_at=None))[0]
    lines = summary_lines(won().model_copy(update={"state": "interrupted", "reason": "Ctrl-C"}))
    assert "interrupted: Ctrl-C" in lines and "go on  maabarium resume 3f9c01aa" in lines


def test_hostile_texts_stay_on_their_line_and_move_no_cursor() -> None:
    winner = promoted(1, 0, 40_000.0, 60_000.0, summary="a\nb\x1b[2J\u202ec" + "x" * 500)
    run = run_record(blueprint_name=HOSTILE + "\n", branch="maabarium/\x1b]0;x\x07b")
    lines = summary_lines(view((baseline(), winner), run=run, state="failed", reason="no\n\x1b[1Aroom"))
    for line in lines:
        assert line.isprintable() and len(line) < 200
    assert any(line.startswith("  + #1  a b\\u202ecxx") for line in lines)


def test_long_metric_lists_go_on_in_the_next_line() -> None:
    rows = tuple(
        MetricEffect(name=f"m{i}", source=f"score:quite_a_long_name_{i}", weight=0.2, direction="maximize",
                     baseline=1.0, raw=1.0, value=0.5)
        for i in range(5)
    )  # fmt: skip
    lines = metric_lines(view((baseline(metrics=rows),)))
    assert len(lines) == 2 and lines[1].startswith("    quite_a_long_name_")


def test_the_smallest_gain_grows_with_the_noise() -> None:
    def smallest(noise: float) -> float:
        found = smallest_gain(view((baseline(), rejected(1, pairs=20, metrics=metrics(BASE, BASE, BASE))),
                                   tuple(pairs(1, 20, 100.0, 1.0, noise))))  # fmt: skip
        assert found is not None
        return found

    assert 0.01 < smallest(0.005) < smallest(0.05)


def test_levels_follow_the_champion() -> None:
    found = {level.number: level for level in levels(won())}
    assert [found[n].champion for n in (1, 2, 4, 5)] == pytest.approx([1.0, 1.5, 3.0, 3.0])
    assert found[4].value == pytest.approx(3.0) and found[5].value == pytest.approx(2.94)
    assert 3 not in found  # it was never measured


def test_levels_beside_effects_are_their_products() -> None:
    failed = rejected(6, "gate_failed", effect=None, parent=4, metrics=metrics(BASE, BASE, (50_000.0, 14.0)))
    stored = won()
    found = proven_levels(stored.model_copy(update={"outcomes": (*stored.outcomes, failed)}))
    assert found == pytest.approx({0: 1.0, 1: 0.98, 2: 1.5, 4: 3.0, 5: 2.94})


def test_with_winners_out_of_order_the_champion_is_the_best() -> None:
    first, late = promoted(5, 0, 1.0, 2.0, total=0.6), promoted(3, 0, 2.0, 3.0, total=0.7)
    champion = view((baseline(), late, first)).champion
    assert champion is not None and champion.number == 3


texts = st.text(max_size=8)
odd = st.none() | st.floats()
rows = st.builds(
    MetricEffect, name=texts, source=st.sampled_from(["a", "score:b"]), weight=st.floats(0, 1), value=st.floats(),
    direction=st.sampled_from(["maximize", "minimize"]), baseline=odd, champion=odd, raw=odd, unit=texts,
)  # fmt: skip
odd_outcomes = st.builds(
    Outcome, number=st.integers(0, 5), verdict=st.sampled_from(VERDICTS), reason_code=st.sampled_from(REASON_CODES),
    reason=texts, summary=texts, total=odd, metrics=st.lists(rows, max_size=2).map(tuple), effect=odd,
    interval=st.none() | st.tuples(st.floats(), st.floats()), pairs=st.integers(0, 9), duration=st.floats(),
    phases=st.dictionaries(st.just("evaluating"), st.floats()), parent=st.integers(0, 5),
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(odd_outcomes, max_size=5, unique_by=lambda outcome: outcome.number))
def test_whatever_is_stored_can_be_summed_up(tmp_path_factory: pytest.TempPathFactory, found: list[Outcome]) -> None:
    stored = view(tuple(sorted(found, key=lambda outcome: outcome.number)), tuple(pairs(1, 7, 5.0, 1.2)))
    assert all(line.splitlines() == [line] and "\x1b" not in line for line in summary_lines(stored))
    write_report(stored, {}, tmp_path_factory.getbasetemp() / "odd.md")
    chart_of(levels(stored))
    assert all(math.isfinite(level.value) for level in levels(stored))


def calibrated(noise: float) -> RunView:
    """A run whose start was measured beside itself twelve times, 0.5 s each."""

    def side(value: float) -> Evaluation:
        return Evaluation(measurements=(Measurement(source="score:lines_per_s", value=value, clock="cpu"),))

    made = tuple(
        Measured(number=0, stage="calibrate", pair=pair, champion=side(40_000.0), phases={"confirming": 0.5},
                 candidate=side(40_000.0 * math.exp(noise * (-1) ** pair)))
        for pair in range(1, 13)
    )  # fmt: skip
    outcomes = (baseline(), rejected(1, metrics=metrics(BASE, BASE, BASE)))
    return view(outcomes, calibration=made)


def test_the_pairs_of_the_start_with_itself_say_what_a_run_can_find(tmp_path: Path) -> None:
    """By the weights of the objectives: of a gain of one of two, 0.8 counts."""
    (line,) = (line for line in summary_lines(calibrated(0.01)) if line.startswith("instrument: "))
    assert line.startswith("instrument: 1 % a pair; finds a gain of 2 % in about ") and "(4 s)" in line
    found = smallest_gain(calibrated(0.01)), smallest_gain(calibrated(0.05))
    assert found[0] is not None and found[1] is not None and 0.01 < found[0] < found[1]
    for suffix in (".md", ".html"):
        write_report(calibrated(0.01), {}, tmp_path / f"report{suffix}")
        assert "finds a gain of 2 %" in (tmp_path / f"report{suffix}").read_text()
    assert not [line for line in summary_lines(won()) if line.startswith("instrument: ")]
