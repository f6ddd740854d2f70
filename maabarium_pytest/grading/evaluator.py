"""The `pytest` evaluator: which sessions a stage needs, and the evaluation that comes of them.

Stages: `baseline` runs the suite twice (what differs is flaky or noisy) and once more traced; `screen` and `audit`
run everything once; `pair` runs the rules alone when only scores are asked for.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import BaseModel, ConfigDict

from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation, Gate, LineMap, Measurement
from maabarium.safe_text import plain
from maabarium_pytest.grading.fingerprint import environment_fingerprint, grader_fingerprint
from maabarium_pytest.grading.gates import baseline_gates, later_gates, session_gate
from maabarium_pytest.grading.measured import SOURCES, line_map, measure_session, measure_static, test_results
from maabarium_pytest.grading.origins import origin_gate
from maabarium_pytest.grading.repeatability import differing_sources, unstable_ids
from maabarium_pytest.grading.session import Mode, Session, run_session
from maabarium_pytest.grading.suite import Suite, prepare_suite

__all__ = ["PytestEvaluator"]

TIMED = ("tests.duration", "tests.cpu", "score:", "benchmark:")
"""Prefixes of sources that a clock may stand behind: such sessions are pinned to a core."""
LEAST_TIMEOUT = 10.0
TIMEOUT_FACTOR = 3.0
STEADY_SESSIONS = 2
"""Further sessions of a baseline with times among its sources."""
UNLUCKY = 0.7
"""A screened time down to this share of the champion's gets a second look."""
TRACE_SECONDS = 20.0
TRACE_FACTOR = 5.0

PACKAGES = "import sysconfig; print(*sorted({sysconfig.get_path(n) for n in ('purelib', 'platlib')}), sep='\\n')"
"""Prints the package folders of an interpreter."""

logger = logging.getLogger(__name__)


class _NoOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PytestEvaluator:
    """Grades by the target's own suite and the blueprint's rules. Takes no options of its own."""

    sources = SOURCES
    bare_sources = True

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        _NoOptions.model_validate(dict(options or {}))
        self._surplus: tuple[str, ...] | None = None

    def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Measure one tree. Raises EvaluationError when the target cannot be graded at all."""
        suite = prepare_suite(request, self._surplus)
        self._surplus = suite.surplus
        if request.stage == "baseline" or request.baseline is None:
            return _evaluate_baseline(suite)
        return _evaluate_later(suite, request.baseline)


def _timeout(request: EvaluationRequest) -> float:
    """Seconds a session may take: adapted to the baseline, capped by blueprint and deadline."""
    limit = float(request.blueprint.constraints.timeout_seconds)
    if request.baseline is not None:
        usual = request.baseline.session_seconds or request.baseline.duration
        limit = min(limit, max(LEAST_TIMEOUT, TIMEOUT_FACTOR * usual))
    return max(0.1, min(limit, request.deadline - time.monotonic()))


def _pinned(request: EvaluationRequest) -> bool:
    known = {m.source: m.clock for m in request.baseline.measurements} if request.baseline else {}
    return any(source.startswith(TIMED) and known.get(source, "cpu") is not None for source in request.sources)


def _mode(request: EvaluationRequest, **changes: Any) -> Mode:
    coverage = "coverage" in request.sources
    return Mode(timeout=_timeout(request), coverage=coverage, pin=_pinned(request), **changes)


def _evaluation(suite: Suite, session: Session, gates: list[Gate], measured: Mapping[str, Measurement]) -> Evaluation:
    return Evaluation(
        measurements=tuple(measured.values()),
        gates=tuple(gates),
        tests=test_results(session.transcript),
        grader=grader_fingerprint(suite),
        environment=environment_fingerprint(session.transcript),
        log=plain(session.completed.output),
        duration=session.completed.duration,
    )


def _evaluate_later(suite: Suite, baseline: Evaluation) -> Evaluation:
    request = suite.request
    only_rules = _only_rules(suite)
    session = run_session(suite, _mode(request, only_rules=only_rules))
    gate = session_gate(suite, session)
    if not gate.passed:
        return _evaluation(suite, session, [gate], {})
    measured = measure_session(suite, session)
    if request.stage == "screen":
        measured |= _second_look(suite, measured)
    static, unreadable = measure_static(suite, request.sources)
    measured |= {measurement.source: measurement for measurement in static}
    gates = [gate, *([unreadable] if unreadable else []), origin_gate(suite, session.transcript)]
    gates += later_gates(suite, session.transcript, baseline, only_rules=only_rules)
    gates.append(_measured_gate(suite, measured, {m.source: m for m in baseline.measurements}))
    return _evaluation(suite, session, gates, measured)


def _only_rules(suite: Suite) -> bool:
    sources = suite.request.sources
    scores = bool(sources) and all(source.startswith("score:") for source in sources)
    return suite.request.stage == "pair" and scores and bool(suite.rules.tests)


def _warm_up(suite: Suite) -> None:
    """An empty session, so that plug-ins of the target's environment leave their rewritten bytecode in the cache.

    Some import half of themselves at the very end (hypothesis), when a real session may not write any more; every
    session would then rewrite them anew. Isolated (`-I`), so nothing of the target is in reach of it and bytecode is
    written, into the package folders, which nothing may write later; how it ends does not matter.
    """
    workspace = suite.request.workspace
    place = workspace.scratch / "warm-up"
    place.mkdir(exist_ok=True)
    (place / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (place / "test_empty.py").write_text("def test_empty():\n    pass\n", encoding="utf-8")
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:maabarium", "-c", str(place / "pytest.ini"), str(place)]
    asked = workspace.run([suite.python, "-I", "-c", PACKAGES], timeout=LEAST_TIMEOUT)
    folders = tuple(Path(line) for line in asked.output.splitlines() if os.access(line, os.W_OK))
    session = [suite.python, "-I", "-m", "pytest", *words]
    workspace.run(session, timeout=LEAST_TIMEOUT, env={"PYTHONHASHSEED": "0"}, writable=folders)


def _evaluate_baseline(suite: Suite) -> Evaluation:
    request = suite.request
    _warm_up(suite)
    first = run_session(suite, _mode(request, bytecode=True))
    gate = session_gate(suite, first)
    if not gate.passed:
        return _evaluation(suite, first, [gate], {})
    second = run_session(suite, _mode(request))
    gate = session_gate(suite, second)
    if not gate.passed:
        return _evaluation(suite, second, [gate], {})
    flaky = unstable_ids(first.transcript, second.transcript)
    measured = measure_session(suite, second, flaky)
    noisy = differing_sources(measure_session(suite, first, flaky), measured)
    measured |= _steadied(suite, measured)
    measured |= {measurement.source: measurement for measurement in measure_static(suite, request.sources)[0]}
    gates = [gate, origin_gate(suite, second.transcript), *baseline_gates(suite, second.transcript, flaky)]
    gates.append(_measured_gate(suite, measured, {}))
    slower = max(first.completed.duration, second.completed.duration)
    evaluation = _evaluation(suite, second, gates, measured)
    lines = None if evaluation.failed_gate else _trace(suite, slower)
    facts = {"flaky": flaky, "noisy": noisy, "partial": tuple(sorted(second.transcript.partial))}
    return evaluation.model_copy(update={**facts, "duration": slower, "session_seconds": slower, "lines": lines})


def _steadied(suite: Suite, measured: Mapping[str, Measurement]) -> dict[str, Measurement]:
    """Times as the median of a few sessions: every candidate is first compared with these, and one may be lucky."""
    clocked = {source for source in suite.request.sources if source in measured and measured[source].clock}
    only_rules = bool(suite.rules.tests) and all(source.startswith("score:") for source in clocked)
    seen = [{source: measured[source] for source in clocked}]
    for _ in range(STEADY_SESSIONS if clocked else 0):
        session = run_session(suite, _mode(suite.request, only_rules=only_rules))
        if session_gate(suite, session).passed:
            seen.append(measure_session(suite, session))
    values = {source: [found[source].value for found in seen if source in found] for source in clocked}
    return {source: measured[source].model_copy(update={"value": median(values[source])}) for source in clocked}


def _second_look(suite: Suite, measured: Mapping[str, Measurement]) -> dict[str, Measurement]:
    """Times a little worse than the champion's may be bad luck: time the rules once more and keep the better ones.

    Costs a session without the suite. Screening only decides what is confirmed, so this cannot make a false winner.
    """
    request = suite.request
    before = request.champion.evaluation.values() if request.champion else {}
    ratios: dict[str, float] = {}
    for metric in request.blueprint.objectives:
        source = str(metric.source)
        if source.startswith("score:") and source in before and source in measured and measured[source].clock:
            now, then = max(measured[source].value, 1e-300), max(before[source], 1e-300)
            ratios[source] = now / then if metric.direction == "maximize" else then / now
    if not any(UNLUCKY < ratio < 1 for ratio in ratios.values()):
        return {}
    session = run_session(suite, _mode(request, only_rules=True))
    again = measure_session(suite, session) if session_gate(suite, session).passed else {}
    rising = {str(metric.source): metric.direction == "maximize" for metric in request.blueprint.objectives}
    return {
        source: again[source]
        for source in ratios
        if source in again and (again[source].value > measured[source].value) == rising[source]
    }


def _trace(suite: Suite, duration: float) -> LineMap | None:
    """One more session that says which lines run; what it cannot say is left out, and the log says why."""
    request = suite.request
    timeout = min(TRACE_SECONDS, max(2.0, TRACE_FACTOR * duration), request.deadline - time.monotonic())
    if timeout < 0.5 or not suite.targets.paths:
        return None
    traced = run_session(suite, Mode(timeout=timeout, lines=True))
    if traced.completed.timed_out or traced.transcript.fault:
        logger.info("tracing ended early: %s", traced.transcript.fault or f"no more than {timeout:.1f} s")
    return line_map(traced.transcript, suite.targets)


def _measured_gate(suite: Suite, measured: Mapping[str, Measurement], baseline: Mapping[str, Measurement]) -> Gate:
    """Whether every source that the metrics need was measured, points out of the same total as at the baseline."""
    missing = sorted(suite.request.sources - measured.keys())
    if missing:
        there = ", ".join(sorted(measured)) or "nothing"
        detail = f"{', '.join(missing)} was not measured; measured: {there[:600]}"
        if "coverage" in missing and not baseline:
            detail += "; coverage needs the package coverage in the target's environment"
        return Gate(name="measured", passed=False, detail=detail)
    for source, measurement in measured.items():
        before = baseline.get(source)
        if before is not None and before.possible != measurement.possible:
            detail = f"{source} is out of {measurement.possible} points, at the baseline it was {before.possible}"
            return Gate(name="measured", passed=False, detail=detail)
    return Gate(name="measured", passed=True)
