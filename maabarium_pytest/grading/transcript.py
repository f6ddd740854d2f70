"""What one evaluated session said, record by record, checked as it comes in.

Pure: no socket, no process. Everything here is the child's word and therefore data; a record that cannot have come
from an honest session becomes a fault, and after the first fault no more is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, get_args

from maabarium.plugins.processes import Clockface
from maabarium.records import Clock, TestOutcome
from maabarium.safe_text import plain
from maabarium_pytest.grading.positions import Positions

__all__ = ["ReportedScore", "ReportedTest", "Transcript", "named", "placed", "what_begins"]

OUTCOMES = frozenset(get_args(TestOutcome))
LINE_LIMIT = 2_000_000
"""Most (test, file, line) entries that are kept of a traced session."""


def named(value: object) -> str:
    """An untrusted name on one line: of a test, a score, a package."""
    return plain(str(value)).replace("\n", "\\n").replace("\t", "\\t")


def what_begins(record: Mapping[str, Any]) -> str:
    """What the child is about to begin, when it stands before something timed and waits for the answer; else empty."""
    if record.get("edge") != "begin":
        return ""
    if record.get("k") == "tests":
        return "the tests"
    return f"the timer {named(record.get('name'))}" if record.get("k") == "mark" else ""


@dataclass
class ReportedTest:
    """One test: how it ended and how long it took by the parent's clock."""

    id: str
    outcome: TestOutcome
    duration: float
    detail: str


@dataclass
class ReportedScore:
    """One score: a number, points (then `possible` is set), or timed work (then `seconds` is set)."""

    value: float
    unit: str = ""
    possible: float | None = None
    seconds: float | None = None
    clock: Clock | None = None


@dataclass
class Transcript:
    """What was received so far. `answer` is filled when the child waits for one."""

    facts: dict[str, str] = field(default_factory=dict)
    packages: list[str] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    """Collected ids and how often each was collected."""
    results: dict[str, ReportedTest] = field(default_factory=dict)
    partial: set[str] = field(default_factory=set)
    """Rules that carry points: failing them gates nothing."""
    broken: dict[str, str] = field(default_factory=dict)
    """Collection errors by node id."""
    running: str = ""
    scores: dict[str, ReportedScore] = field(default_factory=dict)
    twice: str = ""
    """A score that was measured twice, and in which tests."""
    benchmarks: dict[str, float] = field(default_factory=dict)
    """Seconds by full name, and by short name where only one benchmark has it."""
    namesakes: dict[str, list[str]] = field(default_factory=dict)
    """Full names by short name."""
    coverage: dict[int, tuple[int, int]] = field(default_factory=dict)
    lines: dict[str, dict[int, dict[int, int]]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    loaded: list[tuple[str, str]] = field(default_factory=list)
    """Modules of the tree, `(path below its top, kind)`, when the session was asked for them."""
    printed: int = 0
    status: int | None = None
    fault: str = ""
    """Why the stream cannot be honest; empty while it can."""
    answer: dict[str, float] | None = None
    began: float | None = None
    """CPU seconds of the session's processes when its tests were about to be collected."""
    cpu: float | None = None
    """CPU seconds from then to the end of the last test, of all processes of the session."""
    decides: Callable[[str, TestOutcome, Container[str]], bool] | None = field(default=None, compare=False)
    """Whether a result, of these rules that carry points, decides the verdict; None: no single one does."""
    positions: Positions = field(default_factory=Positions, compare=False)
    """Names of the tests whose ids say nothing in another process."""
    lost: str = ""
    """The test whose result decided: what came after it was not read."""
    _measured_in: dict[str, str] = field(default_factory=dict)
    _started: float = 0.0
    _open: dict[str, float] = field(default_factory=dict)
    _results: int = 0
    _lines: int = 0

    def receive(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        """Take one record. Never raises: what does not fit becomes a fault."""
        self.answer = None
        if self.fault or self.lost:
            return
        if self.status is not None:
            self.fault = "a record arrived after the end of the session"
            return
        handler: Callable[[Mapping[str, Any], Clockface], None] | None = getattr(self, f"_on_{record.get('k')}", None)
        if handler is None:
            self.fault = f"a record of the unknown kind {plain(str(record.get('k')))[:40]!r} arrived"
            return
        try:
            handler(record, clocks)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            self.fault = f"a malformed record of the kind {record.get('k')!r} arrived"

    def _on_hello(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        names = ("python", "implementation", "machine", "system", "pytest")
        self.facts = {name: plain(str(record[name])) for name in names}

    def _on_packages(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        self.packages += [named(name) for name in record["packages"]]

    def _on_ids(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        for identity in record["ids"]:
            key = self.positions.collected(named(identity))
            self.ids[key] = self.ids.get(key, 0) + 1

    def _on_partial(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        self.partial |= {self.positions.name(named(identity)) for identity in record["ids"]}

    def _on_broken(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        self.broken[named(record["id"])] = plain(str(record["detail"]))

    def _on_start(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        self.running = self.positions.name(named(record["id"]))
        self._started = clocks.wall()

    def _on_result(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        identity, outcome = self.positions.name(named(record["id"])), record["outcome"]
        if outcome not in OUTCOMES:
            raise ValueError(outcome)
        if identity not in self.ids:
            self.fault = f"a result arrived for {identity}, which was not collected"
        elif identity != self.running:
            self.fault = f"a result arrived for {identity}, which was not running"
        elif identity in self.results and self.ids[identity] < 2:
            self.fault = f"two results arrived for {identity}"
        else:
            duration = clocks.wall() - self._started
            before = self.results.get(identity)
            if before is None or before.outcome == "passed":
                self.results[identity] = ReportedTest(identity, outcome, duration, plain(str(record["detail"])))
            self.printed += max(0, int(record["printed"]))
            self._results += 1
            self.running = ""
            if self.decides is not None and self.decides(identity, outcome, self.partial):
                self.lost = identity

    def _on_measure(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        name = named(record["name"])
        if name in self.scores:
            self.twice = self.fault = f"the score {name} was measured twice"
            if name in self._measured_in:
                self.twice += f", in {self._measured_in[name]} and {self.running}"
            return
        self._measured_in[name] = self.running
        self.scores[name] = ReportedScore(finite(record["value"]), named(record["unit"])[:40])

    def _on_points(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        name = named(record["name"])
        earned, possible = finite(record["earned"]), finite(record["possible"])
        if not 0 <= earned <= possible:
            raise ValueError(earned)
        before = self.scores.setdefault(name, ReportedScore(0.0, "points", possible=0.0))
        if before.possible is None:
            self.fault = f"the score {name} was given points and measured too"
            return
        before.value += earned
        before.possible += possible

    def _on_mark(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        name, edge, clock = named(record["name"]), record["edge"], record["clock"]
        if clock not in ("cpu", "wall") or edge not in ("begin", "end"):
            raise ValueError(edge)
        now = clocks.cpu() if clock == "cpu" else clocks.wall()
        self.answer = {"clock": now}
        if edge == "begin":
            self._open[name] = now
            return
        seconds = now - self._open.pop(name)
        score = self.scores.setdefault(name, ReportedScore(0.0, seconds=0.0, clock=clock))
        if score.seconds is None or score.clock != clock:
            self.fault = f"the score {name} was timed and measured too, or by two clocks"
            return
        score.value += finite(record["per"])
        score.seconds += seconds
        score.unit = named(record["unit"])[:40]

    def _on_tests(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        edge, now = record["edge"], clocks.cpu()
        self.answer = {}
        if (edge, self.began, self.cpu) == ("begin", None, None):
            self.began = now
        elif edge == "end" and self.began is not None and self.cpu is None:
            self.cpu = now - self.began
        else:
            raise ValueError(edge)

    def _on_benchmark(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        name, full, seconds = named(record["name"]), named(record["full"]), finite(record["seconds"])
        self.benchmarks[full] = seconds
        namesakes = self.namesakes.setdefault(name, [])
        namesakes += [full] if full not in namesakes else []
        if len(namesakes) == 1:
            self.benchmarks[name] = seconds
        elif name != full:
            self.benchmarks.pop(name, None)

    def _on_coverage(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        for index, statements, missing in record["files"]:
            if not 0 <= int(missing) <= int(statements):
                raise ValueError(missing)
            self.coverage[int(index)] = (int(statements), int(missing))

    def _on_lines(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        identity = self.positions.name(named(record["id"]))
        for index, line, count in record["hits"]:
            if self._lines < LINE_LIMIT or identity == "":
                self._lines += 1
                hits = self.lines.setdefault(identity, {}).setdefault(int(index), {})
                hits[int(line)] = hits.get(int(line), 0) + int(count)

    def _on_origins(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        for name, path in record["origins"]:
            self.origins[str(name)] = str(path)

    def _on_loaded(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        for path, kind in record["modules"]:
            if kind not in ("plain", "rewritten") or ".." in PurePosixPath(path).parts or path.startswith("/"):
                raise ValueError(path)
            self.loaded.append((path, kind))

    def _on_finish(self, record: Mapping[str, Any], clocks: Clockface) -> None:
        if int(record["results"]) != self._results:
            self.fault = f"the session counted {int(record['results'])} results, {self._results} arrived"
            return
        self.status = int(record["status"])


def placed(transcript: Transcript, functions: Iterable[str]) -> Transcript:
    """A transcript whose session is over, with the tests of these functions named by their positions."""
    positions = Positions(functions)
    ids = {positions.collected(id): number for id, number in transcript.ids.items()}
    results = {positions.name(id): test for id, test in transcript.results.items()}
    return replace(
        transcript,
        ids=ids,
        results={id: replace(test, id=id) for id, test in results.items()},
        partial={positions.name(id) for id in transcript.partial},
        lines={positions.name(id): lines for id, lines in transcript.lines.items()},
        positions=positions,
    )


def finite(value: Any) -> float:
    """The value as a finite float; ValueError otherwise."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number
