"""From what a session said and how it ended to the gates of an evaluation.

Pure. Each failed gate carries the reason code and a sentence that says what happened and, at the baseline, what to
do about it. No gate trusts the exit status alone, nor the stream alone.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path

from maabarium.causes import error_line, last_lines
from maabarium.errors import EvaluationError
from maabarium.records import Evaluation, Gate, ReasonCode
from maabarium.safe_text import listed, plain
from maabarium_pytest.grading.losses import FAILING, Losses
from maabarium_pytest.grading.rules import role_of
from maabarium_pytest.grading.session import SessionResult
from maabarium_pytest.grading.suite import Suite
from maabarium_pytest.grading.transcript import ReportedTest, Transcript

__all__ = ["baseline_gates", "later_gates", "not_run", "origin_gate", "session_gate"]

PASSED, FAILED, ERRORS, USAGE, NONE = 0, 1, 3, 4, 5


def session_gate(suite: Suite, session: SessionResult, baseline: Evaluation | None) -> Gate:
    """Whether the session ran to its end, honestly. Raises EvaluationError when the baseline cannot even start."""
    found = _tampering(session, baseline)
    if found is None and baseline is not None and session.transcript.lost:
        return _loss_gate(session.transcript, baseline)
    found = found or _violence(suite, session, baseline) or _ending(suite, session, baseline)
    if found is None:
        dropped = suite.configuration.dropped if baseline is None else ()
        note = f"left out of the target's pytest options: {', '.join(dropped)}" if dropped else ""
        return Gate(name="session", passed=True, detail=note)
    return Gate(name="session", passed=False, reason_code=found[0], detail=found[1])


def _tampering(session: SessionResult, baseline: Evaluation | None) -> tuple[ReasonCode, str] | None:
    if baseline is None and session.transcript.twice:
        return "gate_failed", f"{session.transcript.twice}: give each measurement a name of its own"
    sentence = session.transcript.fault or session.changed
    return ("tampered", sentence) if sentence else None


def _violence(suite: Suite, session: SessionResult, baseline: Evaluation | None) -> tuple[ReasonCode, str] | None:
    """Ends that the parent or the kernel saw, whatever the child said before."""
    completed, transcript = session.completed, session.transcript
    where = f" while {transcript.running} ran" if transcript.running else ""
    megabytes = suite.request.blueprint.sandbox.output_mb
    if completed.interrupted:
        return "interrupted", "the evaluation was interrupted"
    if session.flooded or completed.flooded or transcript.printed > megabytes * 2**20:
        return "output_flood", f"the tests printed more than the {megabytes:g} MB that sandbox.output_mb allows"
    if completed.timed_out:
        advice = "" if baseline else "; raise constraints.timeout_seconds, or leave that test out"
        return "timeout", f"the session did not end within {session.mode.timeout:.3g} s{where}{advice}"
    if completed.out_of_memory:
        return "out_of_memory", f"the process was killed for lack of memory{where}"
    if not transcript.facts:  # nothing of the tree has run yet: this is not the candidate's doing
        raise EvaluationError(
            f"{suite.python} could not start the session: {error_line(completed.output)} "
            f'(the target\'s interpreter needs pytest: {suite.python} -m pip install "pytest>=7.4")'
        )
    if transcript.status is None:
        return "crashed", f"the process ended ({completed.ending}) before pytest did{where}"
    if completed.returncode != transcript.status:
        return "crashed", f"pytest ended with status {transcript.status}, its process with {completed.ending}"
    return None


def _ending(suite: Suite, session: SessionResult, baseline: Evaluation | None) -> tuple[ReasonCode, str] | None:
    """Whether pytest itself says that the session went through."""
    transcript = session.transcript
    known = {test.id for test in baseline.tests} if baseline else set()
    broken = [id for id in transcript.broken if id not in known]
    if broken and (baseline is not None or suite.strict or transcript.status == 2):
        return "import_failed", f"{listed(broken)} cannot be collected: {error_line(transcript.broken[broken[0]])}"
    if transcript.status == USAGE:
        return _usage(suite, session, baseline)
    if transcript.status == NONE or (transcript.status == PASSED and not transcript.ids):
        return _nothing(suite, baseline)
    if transcript.status not in (PASSED, FAILED):
        memory = "MemoryError" in session.completed.output
        reason: ReasonCode = "out_of_memory" if memory else "crashed"
        return reason, f"pytest ended with status {transcript.status}: {error_line(session.completed.output)}"
    unfinished = [id for id in transcript.ids if id not in transcript.results]
    if unfinished:
        return "tests_lost", f"the session ended before {listed(unfinished)} ran"
    failed = any(test.outcome in FAILING for test in transcript.results.values()) or bool(transcript.broken)
    if transcript.status == FAILED and not failed:
        return "gate_failed", "pytest ended with status 1 although no test failed: a plug-in or a hook says no"
    return None


def _usage(suite: Suite, session: SessionResult, baseline: Evaluation | None) -> tuple[ReasonCode, str]:
    """Exit status 4: options or plug-ins of the target do not fit, or a conftest cannot be imported."""
    output = plain(session.completed.output)
    conftest = "while loading conftest" in output
    if baseline is None and not conftest:
        lines = [line for line in output.splitlines() if "rror" in line] or last_lines(output, 3)
        said = " ".join(lines).strip()[:600] or "it printed nothing and ended with status 4"
        raise EvaluationError(
            f"the target's pytest refuses to start: {said} "
            f"(interpreter {suite.python}; install the plug-in it misses there, or change the target's options)"
        )
    return "import_failed", f"a conftest.py cannot be imported: {error_line(output)}" if conftest else error_line(
        output
    )


def _nothing(suite: Suite, baseline: Evaluation | None) -> tuple[ReasonCode, str]:
    if baseline is not None:
        return "tests_lost", "no test was collected any more"
    where = suite.request.workspace.root.name
    return "gate_failed", (
        f"no tests were collected in {where}: write a test, point testpaths of the target or evaluator.args to the "
        "tests, or name rules in evaluator.rules"
    )


def origin_gate(suite: Suite, transcript: Transcript, baseline: Evaluation | None) -> Gate:
    """Whether the tests imported the tree that is graded, and not another copy of it installed elsewhere.

    Raises EvaluationError when the baseline did not: every change would score the same.
    """
    for name, place in sorted(transcript.origins.items()):
        if name not in suite.modules or Path(place).is_relative_to(suite.top):
            continue
        where = plain(place)
        if baseline is None:
            raise EvaluationError(
                f"the tests import {name} from {where} instead of {suite.targets.top / suite.modules[name]}, so no "
                "change could make a difference. It is probably installed from elsewhere (an editable install) or put "
                f"on the path by a conftest: uninstall it from {suite.python}, or remove that path"
            )
        return Gate(name="origin", passed=False, reason_code="tampered", detail=f"{name} was imported from {where}")
    return Gate(name="origin", passed=True)


def baseline_gates(suite: Suite, transcript: Transcript, unstable: Container[str]) -> list[Gate]:
    """Gates on the tests of the baseline itself."""
    failing = [
        test.id
        for test in transcript.results.values()
        if test.outcome in FAILING and test.id not in unstable and role_of(test.id) == "suite"
    ]
    gates = [Gate(name="tests", passed=True, detail=f"{len(failing)} fail before anything is changed")]
    if not failing:
        gates = [Gate(name="tests", passed=True)]
    elif suite.strict:
        gates = [_failed("tests", "gate_failed", (
            f"the suite is red before anything is changed: {listed(failing)}; make it green, or set "
            "constraints.require_tests_pass = false to let red tests be"
        ))]  # fmt: skip
    rules = [
        test
        for id, test in transcript.results.items()
        if test.outcome not in ("passed", "xpassed") and id not in transcript.partial and id not in unstable
    ]
    return [*gates, _rules_gate(rules)]


def later_gates(suite: Suite, transcript: Transcript, baseline: Evaluation, *, only_rules: bool) -> list[Gate]:
    """Gates on the tests of a changed tree, held against the baseline's."""
    losses = Losses.of(suite, baseline)
    required = {id for id in losses.required if not only_rules or role_of(id) != "suite"}
    lost = sorted(required - transcript.results.keys())
    gates = (
        [_failed("present", "tests_lost", f"{listed(lost)} did not run")]
        if lost
        else [Gate(name="present", passed=True)]
    )
    rejecting = [
        test for id, test in transcript.results.items() if losses.rejects(id, test.outcome, transcript.partial)
    ]
    return [*gates, _tests_gate(rejecting, losses.required), _rules_gate(rejecting)]


def _loss_gate(transcript: Transcript, baseline: Evaluation) -> Gate:
    """The gate of a session that ended at the first lost test; says how many of the baseline's it did not run."""
    test = transcript.results[transcript.lost]
    gate = _tests_gate([test], ()) if role_of(test.id) == "suite" else _rules_gate([test])
    missing = not_run(transcript, baseline)
    rest = f"; the session was ended there, {missing} of {len(baseline.tests)} tests were not run" if missing else ""
    return gate.model_copy(update={"detail": gate.detail + rest})


def not_run(transcript: Transcript, baseline: Evaluation | None) -> int:
    """How many tests of the baseline have no result because another one was lost."""
    if baseline is None or not transcript.lost:
        return 0
    return sum(test.id not in transcript.results for test in baseline.tests)


def _tests_gate(rejecting: Iterable[ReportedTest], required: Container[str]) -> Gate:
    worse = [test for test in rejecting if role_of(test.id) == "suite"]
    if not worse:
        return Gate(name="tests", passed=True)
    worse.sort(key=lambda test: (0, test.id) if test.id in required else (1, ""))  # new ones as they came
    memory = any("MemoryError" in test.detail for test in worse)
    sentence = f"{listed([test.id for test in worse])} {worse[0].outcome}: {error_line(worse[0].detail)}"
    return _failed("tests", "out_of_memory" if memory else "gate_failed", sentence)


def _rules_gate(rejecting: Iterable[ReportedTest]) -> Gate:
    bad = [test for test in rejecting if role_of(test.id) != "suite"]
    if not bad:
        return Gate(name="rules", passed=True)
    shown = [test for test in bad if role_of(test.id) != "holdout"]
    if not shown:
        return _failed("rules", "gate_failed", f"{len(bad)} of the holdout's rules failed")
    first = shown[0]
    return _failed(
        "rules", "gate_failed", f"{listed([test.id for test in shown])} {first.outcome}: {error_line(first.detail)}"
    )


def _failed(name: str, reason: ReasonCode, detail: str) -> Gate:
    return Gate(name=name, passed=False, reason_code=reason, detail=detail)
