"""Before a candidate is blamed for a test: whether the champion loses it, too, when it is run again in the same way.

Two of three questions are asked of the candidate, because they are cheap: a candidate that fails each time broke
something, one that fails now and then needs many runs of the champion before it is to blame.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation
from maabarium_pytest.grading.losses import Losses
from maabarium_pytest.grading.rejection import can_be_named
from maabarium_pytest.grading.servers import Servers
from maabarium_pytest.grading.session import Mode, SessionResult, run_session
from maabarium_pytest.grading.suite import Suite, prepare_suite

__all__ = ["Retries", "lost_tests", "with_flaky"]

FEW, FEW_COLD, MANY = 3, 2, 40
"""Runs of champion and candidate each, of those of an audit, and of the champion when the candidate's own differ."""
STEADY = 20
"""So often the champion passed a test without losing it once: who loses it is to blame."""
FRESH = 60.0
"""Seconds for which that is believed: a service may go down, a day may end."""
WHOLE = 0.5
"""Seconds of a suite up to which it is run as a whole: then nothing depends on the order of its tests."""
MOST_NAMED = 20
SECONDS, PATIENCE = 1.0, 10.0
SESSIONS, LONGEST = 4, 8.0
"""Seconds that few runs and many may take; more where the suite is slow, as long as so many of its sessions, up to the
last."""
MARGIN = 0.5
"""Seconds before the deadline at which no run is begun."""


def lost_tests(suite: Suite, session: SessionResult, baseline: Evaluation) -> tuple[str, ...]:
    """Ids whose results in this session reject the tree."""
    rejects, transcript = Losses.of(suite, baseline).rejects, session.transcript
    return tuple(id for id, test in transcript.results.items() if rejects(id, test.outcome, transcript.partial))


def with_flaky(suite: Suite, found: Iterable[str]) -> Suite:
    """The suite with further flaky tests in its baseline."""
    request = suite.request
    assert request.baseline is not None
    ids = tuple(sorted({*request.baseline.later_flaky, *found}))
    return replace(suite, request=replace(request, baseline=request.baseline.model_copy(update={"later_flaky": ids})))


class Retries:
    """What one evaluator knows of tests that are lost now and then. Threads may call at once: at worst something is run
    twice."""

    def __init__(self) -> None:
        self._passed: Counter[str] = Counter()
        """How often a champion passed a test in sessions that were made to see that."""
        self._at: dict[str, float] = {}
        """When it did so last."""

    def flaky(self, suite: Suite, mode: Mode, lost: Sequence[str], servers: Servers) -> frozenset[str]:
        """Which of these tests, lost in a session of this mode, the champion loses as well."""
        request = suite.request
        if not (lost and request.baseline and request.trees and request.champion_tree):
            return frozenset()
        known = {test.id for test in request.baseline.tests}
        if any(id not in known or (self._is_steady(id) and not mode.cold) for id in lost):
            return frozenset()  # it is rejected, whatever becomes of the others
        return Look(self, suite, mode, tuple(lost), servers).flaky()

    def _is_steady(self, id: str) -> bool:
        return self._passed[id] >= STEADY and time.monotonic() - self._at[id] < FRESH

    def note(self, session: SessionResult, flaky: Iterable[str]) -> None:
        """What a session of the champion showed."""
        now = time.monotonic()
        for id, test in session.transcript.results.items():
            if test.outcome == "passed":
                self._passed[id] += 1
                self._at[id] = now
        for id in flaky:
            self._passed[id] = 0


class Look:
    """Champion and candidate run again on the tests that a candidate lost."""

    def __init__(self, retries: Retries, suite: Suite, mode: Mode, lost: tuple[str, ...], servers: Servers) -> None:
        self._retries, self._suite, self._lost, self._servers = retries, suite, lost, servers
        self._mode = replace(mode, first_loss=False, loaded=False, coverage=False, purpose="grade", select=())
        baseline = suite.request.baseline
        assert baseline is not None
        self._usual = baseline.session_seconds or baseline.duration
        named = len(lost) <= MOST_NAMED and all(can_be_named(suite, id) for id in lost)
        self._alone = named and self._usual > WHOLE and not mode.cold
        """Only these tests are run; what they do alone is held against what they do alone."""
        self._wins: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._began = time.monotonic()

    def flaky(self) -> frozenset[str]:
        """Those that the champion loses, but not each time."""
        varies = self._few()
        if not varies and self._alone and any(not self._wins[id] for id in self._lost):
            self._alone = False  # it depends on other tests
            self._wins.clear()
            self._losses.clear()
            varies = self._few()
        runs = 0
        self._mode = replace(self._mode, cold=False, hash_seed=0, disorder=0)  # no order explains it
        while varies and self._open() and runs < MANY and self._has_time(PATIENCE):
            self._champion()
            runs += 1
        return self._found()

    def _few(self) -> bool:
        """A few runs of both; whether the candidate loses these tests now and then only, so that more are needed."""
        for number in range(FEW_COLD if self._mode.cold else FEW):
            if number and not self._has_time(SECONDS):
                break
            self._champion()
            if not self._open():
                return False
            again = self._session(self._suite.request.tree)
            if not all(id in self._failed(again) for id in self._lost if id in self._open()):
                return True
        return False

    def _has_time(self, seconds: float) -> bool:
        now = time.monotonic()
        left = now - self._began < max(seconds, min(SESSIONS * self._usual, LONGEST))
        return left and self._suite.request.deadline - now > MARGIN + self._usual

    def _found(self) -> frozenset[str]:
        """At the baseline all of them passed in whole sessions; what happens alone must have passed alone."""
        return frozenset(id for id in self._lost if self._losses[id] and (self._wins[id] or not self._alone))

    def _open(self) -> set[str]:
        return set(self._lost) - self._found()

    def _champion(self) -> None:
        session = self._session(self._suite.request.champion_tree)
        failed = self._failed(session)
        for id in self._lost:
            if id in session.transcript.results:
                (self._losses if id in failed else self._wins)[id] += 1
        if not self._mode.cold:
            self._retries.note(session, self._found())

    def _failed(self, session: SessionResult) -> set[str]:
        baseline = self._suite.request.baseline
        return set(lost_tests(self._suite, session, baseline)) if baseline else set()

    def _session(self, tree: str) -> SessionResult:
        """One more session like the one that lost, over a fresh tree."""
        suite = self._suite
        assert suite.request.trees is not None
        with suite.request.trees.checked_out(tree) as workspace:
            again: EvaluationRequest = replace(
                suite.request, workspace=workspace, stage="screen", meeting=None, pair="", tree=tree
            )
            same = prepare_suite(again, suite.surplus)
            rootdir = same.configuration.rootdir
            select = tuple(f"{rootdir}/{id}" for id in self._lost) if self._alone else ()
            left = max(0.1, suite.request.deadline - time.monotonic())
            mode = replace(self._mode, timeout=min(self._mode.timeout, left), select=select)
            return run_session(same, mode, self._servers)
