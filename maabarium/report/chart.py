"""The picture of a run as numbers: every experiment's level, the champion's line and the intervals, placed on a canvas.

Pure arithmetic; `report.html.j2` draws it as SVG. No text of a candidate gets in here. The same levels give the same
chart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maabarium.report.levels import Level

__all__ = ["Chart", "Mark", "Scale", "Tick", "chart_of"]

WIDTH, HEIGHT = 800, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 48
"""Margins, in the canvas's units: room for the labels of the axes."""
LOG_FROM = 20.0
"""The largest level over the smallest; beyond it a linear axis would flatten the small ones."""
LABEL_WIDTH, LABEL_HEIGHT = 28.0, 14.0
"""Room that the number of a winner takes; one that would cover another is left out."""
SMALLEST, LARGEST = 1e-9, 1e9


@dataclass(frozen=True)
class Tick:
    """A labelled value of an axis, and its place on the canvas."""

    at: float
    label: str


@dataclass(frozen=True)
class Scale:
    """Maps values between `low` and `high` to the canvas between `start` and `end`, evenly or by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value is, to a tenth of a unit."""
        low, high, at = (math.log10(each) if self.log else each for each in (self.low, self.high, value))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self, most: int, *, whole: bool = False) -> tuple[Tick, ...]:
        """At most so many round values, in order; `whole` ones only where nothing lies between them."""
        values = _decades(self.low, self.high, most) if self.log else _steps(self.low, self.high, most, whole)
        digits = 0 if self.log or len(values) < 2 else max(0, -math.floor(math.log10(values[1] - values[0]) + 1e-9))
        return tuple(Tick(self.place(value), f"{value:g}" if self.log else f"{value:.{digits}f}") for value in values)


def _steps(low: float, high: float, most: int, whole: bool) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    least = (high - low) / (most - 1) * (1 - 1e-9)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    step = max(step, 1.0) if whole else step
    return [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float, most: int) -> list[float]:
    """Powers of ten, and 2 and 5 times those while there is room."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**exponent for exponent in exponents for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) <= most:
            return found
    return found[:: -(-len(found) // most)]


@dataclass(frozen=True)
class Mark:
    """One experiment: its place, the ends of its interval, and whether its number fits beside it."""

    level: Level
    x: float
    y: float
    interval: tuple[float, float] | None
    labelled: bool

    @property
    def kept(self) -> bool:
        return self.level.verdict == "promoted"


@dataclass(frozen=True)
class Chart:
    """All that is drawn, in the canvas's units; `line` is the path of the champion's level."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    line: str
    marks: tuple[Mark, ...]
    champion: float
    """The last champion's level."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def chart_of(levels: Sequence[Level]) -> Chart | None:
    """The chart of a run's levels; None when there is nothing to draw."""
    if not levels:
        return None
    champions = [1.0, *(min(max(level.champion, SMALLEST), LARGEST) for level in levels)]
    bounds = [end for level in levels if level.interval for end in level.interval]
    values = [*champions, *(level.value for level in levels), *bounds]
    log = max(values) > LOG_FROM * min(values)
    x = Scale(0, max(level.number for level in levels), LEFT, WIDTH - RIGHT - 8)
    y = Scale(*_widened(min(values), max(values), log), HEIGHT - BOTTOM, TOP, log)
    steps = [f"H{x.place(each.number)} V{y.place(at)}" for each, at in zip(levels, champions[1:], strict=True)]
    line = " ".join([f"M{x.place(0)} {y.place(1.0)}", *steps])
    return Chart(x.ticks(12, whole=True), y.ticks(7), line, tuple(_marks(levels, x, y)), champions[-1])


def _widened(low: float, high: float, log: bool) -> tuple[float, float]:
    """The range with some room at both ends, also when it is a point."""
    if log:
        room = (high / low) ** 0.06
        return low / room, high * room
    room = (high - low) * 0.08 or high * 0.1
    return low - room, high + room


def _marks(levels: Sequence[Level], x: Scale, y: Scale) -> Iterator[Mark]:
    labels: list[tuple[float, float]] = []
    for level in levels:
        at = (x.place(level.number), y.place(level.value))
        ends = level.interval and (y.place(level.interval[0]), y.place(level.interval[1]))
        covers = any(abs(at[0] - a) < LABEL_WIDTH and abs(at[1] - b) < LABEL_HEIGHT for a, b in labels)
        labelled = level.verdict == "promoted" and not covers
        labels += [at] if labelled else []
        yield Mark(level, *at, ends, labelled)
