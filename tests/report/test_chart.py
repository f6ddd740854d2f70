"""The chart of a report: round ticks, everything inside the canvas, and a picture that can be read aloud."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_views import baseline, promoted, rejected, view, won

from maabarium.report import write_report
from maabarium.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Scale, chart_of
from maabarium.report.levels import Level, levels

SVG = "{http://www.w3.org/2000/svg}"
sizes = st.floats(1e-9, 1e9)


def drawn(folder: Path, *outcomes: object) -> ElementTree.Element:
    """The picture in a report file, read as XML."""
    write_report(view(outcomes), {}, folder / "out.html")  # type: ignore[arg-type]
    found = re.search(r"<svg.*</svg>", (folder / "out.html").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found[0].replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))


@pytest.mark.parametrize(
    ("low", "high", "log", "labels"),
    [
        (0.0, 1.0, False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.93, 1.67, False, ["1.0", "1.2", "1.4", "1.6"]),
        (0.998, 1.004, False, ["0.998", "0.999", "1.000", "1.001", "1.002", "1.003", "1.004"]),
        (0.9, 44.0, True, ["1", "2", "5", "10", "20"]),
        (0.5, 3000.0, True, ["1", "10", "100", "1000"]),
        (1e-9, 1e9, True, ["1e-09", "1e-06", "0.001", "1", "1000", "1e+06", "1e+09"]),
    ],
)
def test_ticks_are_round_and_few(low: float, high: float, log: bool, labels: list[str]) -> None:
    assert [tick.label for tick in Scale(low, high, 300, 10, log).ticks(7)] == labels


@pytest.mark.parametrize(("last", "labels"), [(1, "0 1"), (4, "0 1 2 3 4"), (40, "0 5 10 15 20 25 30 35 40")])
def test_experiments_are_whole_numbers(last: int, labels: str) -> None:
    assert " ".join(tick.label for tick in Scale(0, last, 0, 100).ticks(12, whole=True)) == labels


@given(sizes, st.floats(1.001, 1e6), st.booleans(), st.integers(3, 12))
def test_a_scale_keeps_order_and_ticks_stay_on_it(low: float, ratio: float, log: bool, most: int) -> None:
    scale = Scale(low, low * ratio, 300.0, 20.0, log)
    assert scale.place(scale.low) == 300.0 and scale.place(scale.high) == 20.0
    ticks = scale.ticks(most)
    assert len(ticks) <= most
    assert [tick.at for tick in ticks] == sorted((tick.at for tick in ticks), reverse=True)
    assert all(20.0 <= tick.at <= 300.0 for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)


found = st.builds(Level, st.integers(1, 300), st.sampled_from(["promoted", "rejected"]), sizes,
                  st.none() | st.tuples(sizes, sizes), st.floats(0, float("inf")))  # fmt: skip


@given(st.lists(found, min_size=1, max_size=20, unique_by=lambda level: level.number))
def test_everything_is_inside_the_canvas(some: list[Level]) -> None:
    chart = chart_of(sorted(some, key=lambda level: level.number))
    assert chart is not None and len(chart.marks) == len(some)
    for mark in chart.marks:
        assert LEFT <= mark.x <= WIDTH - RIGHT
        assert all(TOP <= y <= HEIGHT - BOTTOM for y in (mark.y, *(mark.interval or ())))
    heights = [float(y) for y in re.findall(r"(?:V|M[\d.]+ )(-?[\d.]+)", chart.line)]
    assert len(heights) == len(some) + 1 and all(TOP <= y <= HEIGHT - BOTTOM for y in heights)
    assert 1 <= len(chart.x_ticks) <= 12 and len(chart.y_ticks) <= 7


def test_nothing_measured_is_no_chart() -> None:
    assert chart_of([]) is None


def test_equal_levels_still_have_an_axis() -> None:
    chart = chart_of([Level(1, "rejected", 1.0, None, 1.0)])
    assert chart is not None and [tick.label for tick in chart.y_ticks] == ["0.90", "0.95", "1.00", "1.05", "1.10"]


def test_the_line_steps_up_where_a_winner_was_kept() -> None:
    chart = chart_of(levels(won()))
    assert chart is not None
    kept = [mark for mark in chart.marks if mark.kept]
    assert [mark.level.number for mark in kept] == [2, 4]
    assert all(f"H{mark.x} V{mark.y}" in chart.line for mark in kept)
    assert all(mark.labelled for mark in kept)


def test_numbers_of_winners_do_not_cover_one_another() -> None:
    crowd = [Level(number, "promoted", 1.0 + number / 1000, None, 1.0) for number in range(1, 60)]
    chart = chart_of(crowd)
    assert chart is not None
    shown = [mark for mark in chart.marks if mark.labelled]
    assert 5 < len(shown) < 40
    assert all(b.x - a.x >= 28 or abs(a.y - b.y) >= 14 for a, b in pairwise(shown))


def test_the_picture_says_what_it_shows_and_takes_its_colours_from_the_page(tmp_path: Path) -> None:
    first, winner = baseline(), promoted(1, 0, 40_000.0, 60_000.0)
    picture = drawn(tmp_path, first, winner, rejected(2, effect=0.9))
    assert picture.get("role") == "img"
    named = [picture.find(f"{SVG}*[@id='{name}']") for name in str(picture.get("aria-labelledby")).split()]
    assert [each.tag.removeprefix(SVG) for each in named if each is not None] == ["title", "desc"]
    assert "2 measured, 1 kept" in "".join(each.text or "" for each in named if each is not None)
    tips = [each.text or "" for each in picture.iterfind(f"{SVG}g/{SVG}title")]
    assert [tip.partition(":")[0] for tip in tips] == ["#1 promoted", "#2 rejected"]
    words = [each.text for each in picture.iter(f"{SVG}text")]
    assert {"experiment", "times the baseline", "#1", "0", "1", "2"} <= set(words)
    attributes = {name for each in picture.iter() for name in each.attrib}
    assert not attributes & {"fill", "stroke", "style"}, "the page's sheet has the colours, for light and dark"
