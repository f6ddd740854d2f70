"""A small session before the whole suite: the tests that are likeliest and cheapest to reject, over a tree of its own.

Who passes it has shown nothing: the whole suite follows, in its usual order. A loss counts only for a test that the
champion passes when it is run in the same way; a suite may depend on the order of its tests.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from maabarium.plugins.protocols import RunTrees
from maabarium.records import Champion, Evaluation
from maabarium_pytest.grading.grade import grade
from maabarium_pytest.grading.losses import ends_at_first_loss
from maabarium_pytest.grading.positions import function_of
from maabarium_pytest.grading.selection import Coverage, choose, durations_of, touched_lines
from maabarium_pytest.grading.servers import Servers
from maabarium_pytest.grading.session import Mode, SessionResult, run_session
from maabarium_pytest.grading.suite import Suite, prepare_suite

__all__ = ["FirstTests"]

SHARE = 0.025
"""Of the suite's own time, what the tests of a small session may take."""
TOO_DEAR = 0.2
"""Of the suite that followed it, what a small session may take in all: such a suite is often a forked session, which
takes less than half of the suite's own run by hand."""
LEAST_SUITE = 1.0
"""Seconds of a suite below which it is not tried how long a small session takes."""
TRIALS = 3
"""So many small sessions in a row that were too dear end them."""
LEAST_TIMEOUT = 5.0
MOST_REFUSED = 3
"""Selections that the champion could not run, after which no more are tried."""


class FirstTests:
    """What one evaluator knows of small sessions in its run. Threads may call at once: at worst something is tried
    twice."""

    def __init__(self) -> None:
        self._known: tuple[Evaluation, dict[str, float], Coverage] | None = None
        self._shares: deque[float] = deque(maxlen=TRIALS)
        """What the latest small sessions took, as shares of the suites that followed them."""
        self._passed: dict[tuple[str, tuple[str, ...]], frozenset[str]] = {}
        """What a champion, by tree, passes of a selection."""
        self._unfit: set[str] = set()
        self._refused = 0

    def rejection(self, suite: Suite, servers: Servers) -> tuple[Evaluation | None, SessionResult | None, float]:
        """The evaluation of a tree that lost a test of a small session, and that session; None when the whole suite
        has to be run; and the seconds that this took, 0 when there was no session."""
        began = time.monotonic()
        ids = self._selection(suite)
        if not ids:
            return None, None, 0.0
        evaluation, session = self._try(suite, servers, ids)
        return evaluation, session, time.monotonic() - began

    def compare(self, seconds: float, whole: float) -> None:
        """What a small session took beside the whole suite that was run right after it: whether more are tried."""
        self._shares.append(seconds / max(whole, 1e-9))

    def _try(self, suite: Suite, servers: Servers, ids: tuple[str, ...]) -> tuple[Evaluation | None, SessionResult]:
        request = suite.request
        baseline, champion, trees = request.baseline, request.champion, request.trees
        assert baseline and champion and trees
        with trees.checked_out(request.tree) as workspace:
            small = prepare_suite(replace(request, workspace=workspace), suite.surplus)
            session = _session(small, ids, servers, first_loss=True)
        transcript = session.transcript
        if transcript.fault or session.changed or (not transcript.lost and transcript.results.keys() >= set(ids)):
            return None, session
        passed = self._champion_passes(suite, ids, servers, champion, trees)
        if not transcript.lost or transcript.lost not in passed:
            return None, session
        return grade(small, [session], baseline), session

    def _selection(self, suite: Suite) -> tuple[str, ...]:
        """Which tests it runs; none where it is of no use, does not pay, or cannot be had."""
        request = suite.request
        baseline, champion, trees = request.baseline, request.champion, request.trees
        if not (baseline and champion and trees and request.tree) or not ends_at_first_loss(suite, baseline):
            return ()
        usual = baseline.session_seconds or baseline.duration
        too_dear = len(self._shares) == TRIALS and min(self._shares) > TOO_DEAR
        if usual < LEAST_SUITE or too_dear or self._refused >= MOST_REFUSED:
            return ()
        if request.deadline - time.monotonic() < LEAST_TIMEOUT:
            return ()
        if self._known is None or self._known[0] is not baseline:
            durations = durations_of(baseline, lambda id: can_be_named(suite, id))
            lines = Coverage.of(baseline.lines, durations) if baseline.lines else Coverage({}, {})
            self._known = baseline, durations, lines
        _, durations, coverage = self._known
        fit = {id: seconds for id, seconds in durations.items() if id not in self._unfit}
        return choose(_covering(suite, coverage, champion, trees), request.rejections, fit, SHARE * usual)

    def _champion_passes(
        self, suite: Suite, ids: tuple[str, ...], servers: Servers, champion: Champion, trees: RunTrees
    ) -> frozenset[str]:
        """Which of these tests the champion passes when they are run alone; the others are not chosen again."""
        key = (champion.tree, ids)
        if key not in self._passed:
            with trees.checked_out(champion.tree) as workspace:
                same = prepare_suite(replace(suite.request, workspace=workspace), suite.surplus)
                transcript = _session(same, ids, servers, first_loss=False).transcript
            results = {} if transcript.fault or transcript.status is None else transcript.results
            passed = frozenset(id for id in ids if id in results and results[id].outcome == "passed")
            self._passed[key] = passed
            self._unfit.update(set(ids) - passed)
            self._refused += not passed
        return self._passed[key]


def _session(suite: Suite, ids: Sequence[str], servers: Servers, *, first_loss: bool) -> SessionResult:
    baseline, request = suite.request.baseline, suite.request
    usual = baseline.session_seconds if baseline else 0.0
    timeout = max(0.1, min(max(LEAST_TIMEOUT, usual), request.deadline - time.monotonic()))
    places = tuple(f"{suite.configuration.rootdir}/{id}" for id in ids)  # as text: a parameter may hold `//`
    return run_session(suite, Mode(timeout, select=places, first_loss=first_loss), servers)


def _covering(suite: Suite, coverage: Coverage, champion: Champion, trees: RunTrees) -> list[list[str]]:
    """For each place that the candidate changed, the tests that run it."""
    request = suite.request
    groups: list[list[str]] = []
    for path in sorted({edit.path for edit in request.proposal.edits}) if request.proposal else ():
        if path not in coverage.tests:
            continue
        base = trees.read(request.baseline_tree, path)
        before, after = (_content(trees, tree, path) for tree in (champion.tree, request.tree))
        groups += coverage.covering(path, base, touched_lines(base, before, after))
    return groups


def _content(trees: RunTrees, tree: str, path: str) -> bytes:
    try:
        return trees.read(tree, path)
    except KeyError:  # the edit deletes or makes it
        return b""


def can_be_named(suite: Suite, id: str) -> bool:
    """Whether pytest finds this very test by its id: plug-ins rewrite ids, and long ones were cut."""
    path, colons, _ = id.partition("::")
    if not colons or "\\" in id or "[" in path or len(id) >= 1000:
        return False
    moving = suite.request.baseline.moving if suite.request.baseline else ()
    return function_of(id) not in moving and (suite.configuration.rootdir / path).is_file()
