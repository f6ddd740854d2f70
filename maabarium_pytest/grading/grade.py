"""From the sessions of one stage to its evaluation. Pure: it starts nothing, reads no file and changes no session."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from maabarium.records import Evaluation, Gate, Measurement
from maabarium.safe_text import plain
from maabarium_pytest.grading.gates import baseline_gates, later_gates, not_run, origin_gate, session_gate
from maabarium_pytest.grading.measured import line_map, measure_session, measure_static, test_results
from maabarium_pytest.grading.session import SessionResult
from maabarium_pytest.grading.suite import Suite, grader_fingerprint
from maabarium_pytest.grading.transcript import Transcript

__all__ = ["grade", "unstable_ids"]


def grade(suite: Suite, sessions: Sequence[SessionResult], baseline: Evaluation | None) -> Evaluation:
    """What these sessions over one tree show, held against the baseline; without one they are the baseline.

    At least one session must have the purpose `grade`. Raises EvaluationError when a baseline cannot be graded.
    """
    graded = [session for session in sessions if session.mode.purpose == "grade"]
    gates = [session_gate(suite, session, baseline) for session in graded]
    for session, gate in zip(graded, gates, strict=True):
        if not gate.passed:
            return _evaluation(suite, session, [gate], {}, baseline)
    if baseline is None:
        return _grade_baseline(suite, graded, gates[-1], sessions)
    session, *others = graded
    measured = measure_session(suite, session, baseline)
    static, unreadable = measure_static(suite, baseline)
    measured |= static
    return _evaluation(
        suite,
        session,
        [
            gates[0],
            *unreadable,
            origin_gate(suite, session.transcript, baseline),
            *later_gates(suite, session.transcript, baseline, only_rules=session.mode.only_rules),
            _measured_gate(suite, session.transcript, measured, baseline),
            *(gate for other in others for gate in _gates_in_other_order(suite, other, baseline)),
        ],
        measured,
        baseline,
    )


def _gates_in_other_order(suite: Suite, session: SessionResult, baseline: Evaluation) -> list[Gate]:
    """The failed gates of one more session of an audit."""
    gates = later_gates(suite, session.transcript, baseline, only_rules=session.mode.only_rules)
    why = f"; only with PYTHONHASHSEED={session.mode.hash_seed}: the result hangs on an order that nothing promises"
    return [gate.model_copy(update={"detail": gate.detail + why}) for gate in gates if not gate.passed]


def _grade_baseline(
    suite: Suite, graded: Sequence[SessionResult], gate: Gate, sessions: Sequence[SessionResult]
) -> Evaluation:
    """`graded` are two sessions: what differs between them is flaky or noisy. What ends otherwise in one of the others
    of `sessions` is flaky, too."""
    first, second = graded
    transcript = second.transcript
    again = (session.transcript for session in sessions if session.mode.purpose == "again")
    whole = (other for other in again if other.status is not None and not other.fault)
    flaky = tuple(sorted({id for other in (first.transcript, *whole) for id in unstable_ids(other, transcript)}))
    measured = measure_session(suite, second, None, flaky)
    noisy = _differing_sources(measure_session(suite, first, None, flaky), measured)
    measured |= measure_static(suite, None)[0]
    origin = origin_gate(suite, transcript, None)
    measured_gate = _measured_gate(suite, transcript, measured, None)
    gates = [gate, origin, *baseline_gates(suite, transcript, flaky), measured_gate]
    slower = max(session.completed.duration for session in graded)
    traced = next((session.transcript for session in sessions if session.mode.purpose == "trace"), None)
    facts = {
        "duration": slower,
        "session_seconds": slower,
        "flaky": flaky,
        "noisy": noisy,
        "partial": tuple(sorted(transcript.partial)),
        "moving": tuple(sorted(transcript.positions.functions)),
        "lines": line_map(traced, suite.targets) if traced else None,
    }
    return _evaluation(suite, second, gates, measured).model_copy(update=facts)


def _evaluation(
    suite: Suite,
    session: SessionResult,
    gates: Sequence[Gate],
    measured: Mapping[str, Measurement],
    baseline: Evaluation | None = None,
) -> Evaluation:
    transcript = session.transcript
    environment = json.dumps({"facts": transcript.facts, "packages": sorted(transcript.packages)}, sort_keys=True)
    return Evaluation(
        measurements=tuple(measured.values()),
        gates=tuple(gates),
        tests=test_results(transcript),
        not_run=not_run(transcript, baseline),
        grader=grader_fingerprint(suite),
        environment=hashlib.sha256(environment.encode()).hexdigest(),
        log=plain(session.completed.output),
        server=session.server,
        duration=session.completed.duration,
    )


def unstable_ids(first: Transcript, second: Transcript) -> tuple[str, ...]:
    """Ids that came or ended differently, or that several tests share."""
    ids = first.results.keys() | second.results.keys() | first.ids.keys() | second.ids.keys()
    return tuple(sorted(id for id in ids if _outcome(first, id) != _outcome(second, id) or second.ids.get(id, 0) > 1))


def _outcome(transcript: Transcript, id: str) -> str:
    result = transcript.results.get(id)
    return result.outcome if result else ""


def _differing_sources(first: Mapping[str, Measurement], second: Mapping[str, Measurement]) -> tuple[str, ...]:
    """Sources that only one of the two has, or with different values."""
    both = first.keys() & second.keys()
    same = {source for source in both if first[source].value == second[source].value}
    return tuple(sorted((first.keys() | second.keys()) - same))


def _measured_gate(
    suite: Suite, transcript: Transcript, measured: Mapping[str, Measurement], baseline: Evaluation | None
) -> Gate:
    """Whether every source that the metrics need was measured, points out of the same total as at the baseline."""
    missing = sorted(suite.request.sources - measured.keys())
    for source in missing:
        if namesakes := transcript.namesakes.get(source.removeprefix("benchmark:")):
            full = " or ".join(f'"benchmark:{name}"' for name in namesakes)
            detail = f"{len(namesakes)} benchmarks have the name in {source}; say which one is meant: {full}"
            return Gate(name="measured", passed=False, detail=detail)
    if missing:
        there = ", ".join(sorted(measured)) or "nothing"
        detail = f"{', '.join(missing)} was not measured; measured: {there[:600]}"
        if "coverage" in missing and baseline is None:
            detail += "; coverage needs the package coverage in the target's environment"
        return Gate(name="measured", passed=False, detail=detail)
    for before in baseline.measurements if baseline else ():
        now = measured.get(before.source)
        if now is not None and before.possible != now.possible:
            detail = f"{now.source} is out of {now.possible} points, at the baseline it was {before.possible}"
            return Gate(name="measured", passed=False, detail=detail)
    return Gate(name="measured", passed=True)
