"""The `pytest` evaluator: plans the sessions of a stage, runs them, and has them graded."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Settings
from maabarium.code.unordered import unordered_uses
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation, Gate
from maabarium.safe_text import listed
from maabarium_pytest.grading.flaky import Retries, lost_tests, with_flaky
from maabarium_pytest.grading.grade import grade, unstable_ids
from maabarium_pytest.grading.inline_tests import InlineTests
from maabarium_pytest.grading.measured import SOURCES
from maabarium_pytest.grading.plan import LEAST_TIMEOUT, next_session
from maabarium_pytest.grading.positions import moving
from maabarium_pytest.grading.rejection import FirstTests
from maabarium_pytest.grading.servers import Servers
from maabarium_pytest.grading.session import Mode, SessionResult, run_session
from maabarium_pytest.grading.suite import Suite, grader_fingerprint, prepare_suite
from maabarium_pytest.grading.transcript import placed

__all__ = ["PytestEvaluator"]

PACKAGES = "import sysconfig; print(*sorted({sysconfig.get_path(n) for n in ('purelib', 'platlib')}), sep='\\n')"
"""Prints the package folders of an interpreter."""

MOST_FLAKY = 5
"""Rounds in which a tree is judged without the tests that the champion loses as well."""

logger = logging.getLogger(__name__)


class PytestEvaluator:
    """Grades by the target's own suite and the blueprint's rules. Takes no options of its own."""

    sources = SOURCES
    bare_sources = True

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        Settings.model_validate(dict(options or {}))
        self._surplus: tuple[str, ...] | None = None
        self._servers = Servers()
        self._first_tests = FirstTests()
        self._retries = Retries()
        self._inline_tests = InlineTests()

    def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Measure one tree. Raises EvaluationError when the target cannot be graded at all."""
        suite = prepare_suite(request, self._surplus)
        self._surplus = suite.surplus
        changed = self._inline_tests.gate(suite)
        if changed is not None and request.baseline is not None:
            return Evaluation(gates=(changed,), not_run=len(request.baseline.tests), grader=grader_fingerprint(suite))
        if request.stage == "audit":
            suite = replace(suite, unordered=_uses_more_of_no_order(suite))
        rejected, small, seconds = self._first_tests.rejection(suite, self._servers)
        if rejected is not None and small is not None:
            return self._without_flaky(suite, [small], rejected)
        sessions = run_sessions(suite, self._servers)
        evaluation = grade(suite, sessions, request.baseline)
        if seconds and not evaluation.not_run:
            self._first_tests.compare(seconds, sum(session.completed.duration for session in sessions))
        if request.baseline is None:
            return evaluation.model_copy(
                update={"sessions": self._servers.warmth, "rewritten": tuple(suite.altered_files())}
            )
        evaluation = self._without_flaky(suite, sessions, evaluation)
        return _untouched(suite, evaluation) if request.stage == "audit" else evaluation

    def _without_flaky(self, suite: Suite, sessions: list[SessionResult], evaluation: Evaluation) -> Evaluation:
        """The evaluation of a tree that lost tests, judged without those that the champion loses as well."""
        found: frozenset[str] = frozenset()
        for _ in range(MOST_FLAKY):
            gate, baseline = evaluation.failed_gate, suite.request.baseline
            if gate is None or gate.name not in ("tests", "rules") or baseline is None:
                break
            found_lost = ((one, lost_tests(suite, one, baseline)) for one in sessions)
            session, lost = next(((one, ids) for one, ids in found_lost if ids), (sessions[0], ()))
            more = self._retries.flaky(suite, session.mode, lost, self._servers)
            if not more:
                break
            found |= more
            suite = with_flaky(suite, found)
            evaluation, sessions = self._once_more(suite, sessions)
        if not found:
            return evaluation
        note = f"judged without {listed(sorted(found))}: the champion lost that, too, when it was run again"
        gates = (*evaluation.gates, Gate(name="flaky", passed=True, detail=note))
        return evaluation.model_copy(update={"later_flaky": tuple(sorted(found)), "gates": gates})

    def _once_more(self, suite: Suite, sessions: list[SessionResult]) -> tuple[Evaluation, list[SessionResult]]:
        """Graded anew; when the session was ended at a test that counts no more, or others were to follow, they are
        run."""
        request = suite.request
        assert request.trees is not None
        if not sessions[0].transcript.lost and request.stage != "audit":
            return grade(suite, sessions, request.baseline), sessions
        with request.trees.checked_out(request.tree) as workspace:
            fresh = prepare_suite(replace(request, workspace=workspace), suite.surplus)
            fresh = replace(fresh, unordered=suite.unordered)
            sessions = run_sessions(fresh, self._servers, () if sessions[0].transcript.lost else sessions)
            return grade(fresh, sessions, request.baseline), sessions


def _uses_more_of_no_order(suite: Suite) -> bool:
    """Whether a file of the candidate has more to do with sets, folders or addresses than it had before."""
    request = suite.request
    for path in {edit.path for edit in request.proposal.edits} if request.proposal else ():
        place = suite.targets.top / path
        try:
            before = request.trees.read(request.champion_tree, path) if request.trees else b""
        except KeyError:
            before = b""
        if place.is_file() and unordered_uses(place.read_bytes()) > unordered_uses(before):
            return True
    return False


def _untouched(suite: Suite, evaluation: Evaluation) -> Evaluation:
    """The evaluation with a failed gate when files that may not change are no longer what they were."""
    request = suite.request
    known = request.baseline.rewritten if request.baseline else ()
    changed = [path for path in suite.altered_files() if path not in known]
    if not changed:
        return evaluation
    sentence = (
        f"{listed(changed)} changed while the tests ran: a session that rewrites what tests expect grades nothing"
    )
    gate = Gate(name="untouched", passed=False, detail=sentence)
    return evaluation.model_copy(update={"gates": (*evaluation.gates, gate)})


def run_sessions(suite: Suite, servers: Servers, done: Iterable[SessionResult] = ()) -> list[SessionResult]:
    """Run all sessions that the stage of this suite needs after `done`, one after another. The first whole one is
    compiled."""
    if suite.request.baseline is None:
        _warm_up(suite)
    done = list(done)
    functions: frozenset[str] = frozenset()
    while mode := next_session(suite, done, suite.request.deadline - time.monotonic()):
        loaded = servers.bytecode.wanted and mode.purpose == "grade" and not mode.only_rules
        mode = replace(mode, loaded=loaded, moving=functions)
        done.append(run_session(suite, mode, servers))
        servers.bytecode.fill(suite, done[-1].transcript.loaded, suite.request.deadline - time.monotonic())
        if suite.request.baseline is None and len(done) == 2:
            if functions := moving(*(session.transcript.ids for session in done)):
                done = [replace(session, transcript=placed(session.transcript, functions)) for session in done]
                mode = replace(mode, moving=functions)
            done[1] = _proven(suite, mode, servers, done[0], done[1])
        if mode.purpose == "trace" and (done[-1].completed.timed_out or done[-1].transcript.fault):
            why = done[-1].transcript.fault or f"no more than {mode.timeout:.1f} s"
            logger.info("tracing ended early: %s", why)
    return done


def _proven(suite: Suite, mode: Mode, servers: Servers, first: SessionResult, second: SessionResult) -> SessionResult:
    """The second session of a baseline, the first warm one: a test that ends there, and only there, in another way than
    in cold sessions, twice, makes the servers fork earlier, or not at all, and the session is run again."""
    while second.server and (suspects := set(unstable_ids(first.transcript, second.transcript))):
        cold = run_session(suite, replace(mode, cold=True), servers)
        suspects -= set(unstable_ids(first.transcript, cold.transcript))
        suspects &= (
            set(unstable_ids(cold.transcript, run_session(suite, mode, servers).transcript)) if suspects else set()
        )
        if not suspects:
            break
        servers.distrust(f"{min(suspects)} ends otherwise in a session that is forked")
        second = run_session(suite, mode, servers)
    return second


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
