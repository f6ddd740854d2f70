"""The `score` fixture and the `points` marker of rules files.

The same plug-in serves a session under evaluation (values go to the parent, which also reads the clocks) and
`pytest rules/` by hand (values are printed at the end). It must not know which verdict a value leads to.
"""

from __future__ import annotations

import gc
import math
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

MARKER = "points(name, n): what a rules test earns when it passes; failing it gates nothing"


class Ledger:
    """Where values go when nobody evaluates: kept, printed at the end, clocks read in this process."""

    def __init__(self, baseline: dict[str, float] | None = None) -> None:
        self.baseline = dict(baseline or {})
        self.values: dict[str, tuple[float, str]] = {}
        self.earned: dict[str, tuple[float, float]] = {}
        self.timed: dict[str, tuple[float, float]] = {}

    def measure(self, name: str, value: float, unit: str) -> None:
        """Take one number. ValueError when the name was measured before in this run."""
        if name in self.values or name in self.earned or name in self.timed:
            raise ValueError(f"score.measure({name!r}) was called before in this run: give each number its own name")
        self.values[name] = (value, unit)

    def points(self, name: str, earned: float, possible: float) -> None:
        """Add points to a name."""
        before = self.earned.get(name, (0.0, 0.0))
        self.earned[name] = (before[0] + earned, before[1] + possible)

    def mark(self, edge: str, name: str, clock: str, per: float, unit: str) -> float:
        """Read the clock. A parent overrides this with its own clock."""
        times = os.times()
        now = times.user + times.system + times.children_user + times.children_system
        return time.process_time() + now - times.user - times.system if clock == "cpu" else time.perf_counter()

    def time(self, name: str, per: float, seconds: float, unit: str) -> None:
        """Add one timed region: the value of the name is all work over all seconds."""
        before = self.timed.get(name, (0.0, 0.0))
        work, spent = self.timed[name] = (before[0] + per, before[1] + seconds)
        self.values[name] = (work / spent if spent > 0 else math.inf, unit)

    def current(self, name: str) -> float | None:
        """The value measured so far in this run."""
        if name in self.earned:
            return self.earned[name][0]
        return self.values[name][0] if name in self.values else None


class Score:
    """What a rules test sees as `score`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def measure(self, name: str, value: float, unit: str = "") -> None:
        """Record one finite number under the source `score:<name>`; a name may be measured once in a run."""
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"score.measure({name!r}, {value!r}): the value must be a finite number")
        self._ledger.measure(checked(name), number, str(unit))

    @contextmanager
    def points(self, name: str, n: float) -> Generator[None, None, None]:
        """Earn `n` points if the block ends well. Whatever goes wrong in it costs the points and nothing else."""
        possible = positive(n, "points")
        try:
            yield
        except (KeyboardInterrupt, GeneratorExit, pytest.exit.Exception):
            raise
        except BaseException:  # noqa: BLE001 (a skip or a SystemExit from the tested code must not end the rule either)
            self._ledger.points(checked(name), 0.0, possible)
        else:
            self._ledger.points(checked(name), possible, possible)

    @contextmanager
    def timer(self, name: str, per: float = 1.0, unit: str = "1/s", clock: str = "cpu") -> Generator[None, None, None]:
        """Time the block by the parent's clock; the value is `per` over seconds.

        `clock` is `cpu` (user and system time of the whole process tree) or `wall`. A name timed several times in
        one run (a loop, a parametrised test) gives the sum of the work over the sum of the seconds. What lived
        before the block is kept out of the garbage collector's sight, so that a rules file measures the same
        alone and beside a large suite.
        """
        if clock not in ("cpu", "wall"):
            raise ValueError(f"score.timer({name!r}, clock={clock!r}): the clock is 'cpu' or 'wall'")
        work = positive(per, "timer")
        gc.collect()
        gc.freeze()  # for good: pytest collects garbage several times at its end, which would touch every page
        began = self._ledger.mark("begin", checked(name), clock, work, unit)
        yield
        ended = self._ledger.mark("end", name, clock, work, unit)
        self._ledger.time(name, work, ended - began, unit)

    def baseline(self, name: str) -> float:
        """The baseline's value; in the baseline itself and by hand, the value just measured."""
        if name in self._ledger.baseline:
            return self._ledger.baseline[name]
        value = self._ledger.current(name)
        if value is None:
            raise LookupError(f"score.baseline({name!r}): nothing of that name was measured yet; measure it before")
        return value


def checked(name: str) -> str:
    """The name, if it can be part of a source."""
    if not isinstance(name, str) or not name or not name.isprintable() or len(name) > 200:
        raise ValueError(f"{name!r} is not a name for a score: use a short printable text")
    return name


def positive(value: float, what: str) -> float:
    """The value as a float, if it is finite and above zero."""
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"score.{what}: {value!r} must be a finite number above 0")
    return number


class ScorePlugin:
    """Registers the fixture and the marker; prints the values at the end unless somebody else reads them."""

    def __init__(
        self,
        ledger: Ledger | None = None,
        *,
        summary: bool = True,
        earns: Callable[[pytest.Item], bool] = lambda item: True,
    ) -> None:
        """`earns`: whether the marker on this test is ours; a target may have one of the same name."""
        self._ledger = ledger if ledger is not None else Ledger()
        self._summary = summary
        self._earns = earns

    @pytest.fixture(name="score")
    def _score(self) -> Score:
        """Measure, earn points and time regions: see the rules chapter of the documentation."""
        return Score(self._ledger)

    @pytest.hookimpl
    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", MARKER)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, None]:
        result = yield
        marks = [mark for mark in item.iter_markers("points") if is_ours(mark)] if self._earns(item) else []
        report = result.get_result()
        if not marks or report.when == "teardown":
            return
        if report.when == "setup" and report.outcome == "passed":
            return
        earned = report.when == "call" and report.outcome == "passed" and not hasattr(report, "wasxfail")
        for mark in marks:
            name, n = _arguments(*mark.args, **mark.kwargs)
            self._ledger.points(checked(name), n if earned else 0.0, positive(n, "points"))
        if report.outcome == "failed":
            report.outcome = "skipped"
            report.wasxfail = "points not earned: " + report.longreprtext[-1500:]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        lines = [f"{name} = {value:.6g} {unit}".rstrip() for name, (value, unit) in self._ledger.values.items()]
        lines += [f"{name} = {got:g} of {of:g} points" for name, (got, of) in self._ledger.earned.items()]
        if lines and self._summary:
            terminalreporter.section("scores")
            for line in lines:
                terminalreporter.write_line(line)


def is_ours(mark: pytest.Mark) -> bool:
    """Whether a marker `points` says what ours does: a name and perhaps a number."""
    names = ("name", "n")
    given = dict(zip(names, mark.args)) | dict(mark.kwargs)  # noqa: B905 - it also runs in Python 3.9
    fits = len(mark.args) <= 2 and given.keys() <= set(names) and isinstance(given.get("name"), str)
    return fits and isinstance(given.get("n", 1), (int, float))


def _arguments(name: str, n: float = 1.0) -> tuple[str, float]:
    return name, float(n)
