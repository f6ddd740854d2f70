"""The `pytest` evaluator: plans the sessions of a stage, runs them, and has them graded."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Settings
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation
from maabarium_pytest.grading.grade import grade, unstable_ids
from maabarium_pytest.grading.measured import SOURCES
from maabarium_pytest.grading.plan import LEAST_TIMEOUT, next_session
from maabarium_pytest.grading.rejection import FirstTests
from maabarium_pytest.grading.servers import Servers
from maabarium_pytest.grading.session import Mode, SessionResult, run_session
from maabarium_pytest.grading.suite import Suite, prepare_suite

__all__ = ["PytestEvaluator"]

PACKAGES = "import sysconfig; print(*sorted({sysconfig.get_path(n) for n in ('purelib', 'platlib')}), sep='\\n')"
"""Prints the package folders of an interpreter."""

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

    def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Measure one tree. Raises EvaluationError when the target cannot be graded at all."""
        suite = prepare_suite(request, self._surplus)
        self._surplus = suite.surplus
        rejected, seconds = self._first_tests.rejection(suite, self._servers)
        if rejected is not None:
            return rejected
        sessions = run_sessions(suite, self._servers)
        evaluation = grade(suite, sessions, request.baseline)
        if seconds and not evaluation.not_run:
            self._first_tests.compare(seconds, sum(session.completed.duration for session in sessions))
        return evaluation.model_copy(update={"sessions": "" if request.baseline else self._servers.warmth})


def run_sessions(suite: Suite, servers: Servers) -> list[SessionResult]:
    """Run all sessions that the stage of this suite needs, one after another. The first whole one is compiled."""
    if suite.request.baseline is None:
        _warm_up(suite)
    done: list[SessionResult] = []
    while mode := next_session(suite, done, suite.request.deadline - time.monotonic()):
        mode = replace(mode, loaded=servers.bytecode.wanted and mode.purpose == "grade" and not mode.only_rules)
        done.append(run_session(suite, mode, servers))
        servers.bytecode.fill(suite, done[-1].transcript.loaded, suite.request.deadline - time.monotonic())
        if suite.request.baseline is None and len(done) == 2:
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
