"""Numbers from a session and from the tree: every source that the `pytest` evaluator offers is computed here."""

from __future__ import annotations

from collections.abc import Iterable

from maabarium.errors import EvaluationError
from maabarium.records import Clock, Evaluation, Gate, LineMap, Measurement, TestResult
from maabarium_pytest.grading.rules import role_of
from maabarium_pytest.grading.session import SessionResult
from maabarium_pytest.grading.static import STATIC_SOURCES, UnreadableFile, measure_text
from maabarium_pytest.grading.suite import Suite
from maabarium_pytest.grading.targets import TargetFiles
from maabarium_pytest.grading.transcript import Transcript

__all__ = ["SOURCES", "line_map", "measure_session", "measure_static", "passed_share", "test_results"]

SOURCES = frozenset(
    {"tests.passed", "tests.duration", "tests.cpu", "coverage", "score:*", "benchmark:*", *STATIC_SOURCES}
)
DETAILS = 50
"""Most tests of an evaluation that keep their failure text."""


def measure_session(
    suite: Suite, session: SessionResult, baseline: Evaluation | None, flaky: Iterable[str] = ()
) -> dict[str, Measurement]:
    """Measurements by source. `flaky` counts at the baseline, which cannot ask itself yet."""
    transcript = session.transcript
    found = [*_scores(transcript)]
    found += [_time(f"benchmark:{name}", value, "wall") for name, value in transcript.benchmarks.items()]
    if not session.mode.only_rules:
        share = passed_share(transcript, baseline, frozenset(flaky))
        found += [] if share is None else [Measurement(source="tests.passed", value=share)]
        own = [test.duration for id, test in transcript.results.items() if role_of(id) == "suite"]
        found.append(_time("tests.duration", sum(own), "wall"))
        found += [] if transcript.cpu is None else [_time("tests.cpu", transcript.cpu, "cpu")]
    statements = sum(count for count, _ in transcript.coverage.values())
    if statements:
        missing = sum(count for _, count in transcript.coverage.values())
        found.append(Measurement(source="coverage", value=100 * (1 - missing / statements), unit="%"))
    return {measurement.source: measurement for measurement in found}


def _scores(transcript: Transcript) -> list[Measurement]:
    found = []
    for name, score in transcript.scores.items():
        source = f"score:{name}"
        if score.seconds is None:
            found.append(Measurement(source=source, value=score.value, unit=score.unit, possible=score.possible))
        elif score.seconds > 0:
            rate, clock, seconds = score.value / score.seconds, score.clock, score.seconds
            found.append(Measurement(source=source, value=rate, unit=score.unit, clock=clock, seconds=seconds))
    return found


def _time(source: str, seconds: float, clock: Clock) -> Measurement:
    return Measurement(source=source, value=seconds, unit="s", clock=clock, seconds=seconds)


def passed_share(
    transcript: Transcript, baseline: Evaluation | None, flaky: frozenset[str] = frozenset()
) -> float | None:
    """Share of the baseline's tests that pass: flaky and skipped ones and rules do not count.

    A module that could not be collected at the baseline counts as one failed test until its own tests can run,
    then as the share of them that pass. None when there is nothing to count.
    """
    later: frozenset[str] = frozenset()
    if baseline is None:
        outcomes = {id: test.outcome for id, test in transcript.results.items()} | dict.fromkeys(
            transcript.broken, "error"
        )
        unstable = flaky
    else:
        outcomes = {test.id: test.outcome for test in baseline.tests}
        unstable = frozenset(baseline.flaky)
        later = frozenset(baseline.later_flaky)  # the champion's share counts them as they were
    counted = [
        id
        for id, outcome in outcomes.items()
        if outcome not in ("skipped", "xfailed") and id not in unstable and role_of(id) == "suite"
    ]
    if not counted:
        return None
    passing = ("passed", "xpassed")
    return sum(float(outcomes[id] in passing) if id in later else _passes(transcript, id) for id in counted) / len(
        counted
    )


def _passes(transcript: Transcript, id: str) -> float:
    if id in transcript.results:
        return float(transcript.results[id].outcome in ("passed", "xpassed"))
    beneath = [test for key, test in transcript.results.items() if key.startswith((f"{id}::", f"{id}/"))]
    if not beneath or id in transcript.broken:
        return 0.0
    return sum(test.outcome in ("passed", "xpassed") for test in beneath) / len(beneath)


def measure_static(suite: Suite, baseline: Evaluation | None) -> tuple[dict[str, Measurement], list[Gate]]:
    """The static sources that are asked for; a gate instead when a file of a changed tree cannot be parsed.

    Raises EvaluationError when that happens at the baseline.
    """
    found = {}
    for source in sorted(suite.request.sources & STATIC_SOURCES.keys()) if suite.contents else ():
        try:
            value = measure_text(source, suite.contents.items())
        except UnreadableFile as problem:
            sentence = f"{problem.path} cannot be read: {problem.why}"
            if baseline is None:
                raise EvaluationError(f"{sentence}; {source} needs files that this Python understands") from problem
            return {}, [Gate(name="source", passed=False, reason_code="import_failed", detail=sentence)]
        found[source] = Measurement(source=source, value=value, unit=STATIC_SOURCES[source][2])
    return found, []


def test_results(transcript: Transcript) -> tuple[TestResult, ...]:
    """All tests by id, those that failed with their text; what could not be collected counts as an error."""
    left = DETAILS
    results = []
    everything = [(test.id, test.outcome, test.duration, test.detail) for test in transcript.results.values()]
    for id, outcome, duration, detail in [
        *everything,
        *((id, "error", 0.0, text) for id, text in transcript.broken.items()),
    ]:
        role = role_of(id)
        keep = left > 0 and bool(detail) and role != "holdout"
        left -= keep
        text = detail[:2000] if keep else ""
        results.append(TestResult(id=id, outcome=outcome, duration=duration, detail=text, role=role))
    return tuple(results)


def line_map(transcript: Transcript, targets: TargetFiles) -> LineMap | None:
    """Lines by test and hits in all, with file numbers turned into paths; None when nothing was traced."""
    if not transcript.lines:
        return None
    by_test: dict[str, dict[str, tuple[int, ...]]] = {}
    hits: dict[str, dict[int, int]] = {}
    for id, files in transcript.lines.items():
        for index, lines in files.items():
            if not 0 <= index < len(targets.paths):
                continue
            path = targets.paths[index]
            if id:
                by_test.setdefault(id, {})[path] = tuple(sorted(lines))
            total = hits.setdefault(path, {})
            for line, count in lines.items():
                total[line] = total.get(line, 0) + count
    return LineMap(by_test=by_test, hits=hits)
