"""Which sessions a stage needs: the next one, from those that have run. Pure.

A baseline runs the suite twice (what differs is flaky or noisy), a fast one some times more, and traces its lines once;
`screen` runs everything once, up to the first lost test, `audit` in new processes under several hash seeds; `pair` and
`calibrate` run the rules alone when only scores are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from maabarium.records import PAIRED, Clock
from maabarium_pytest.grading.gates import session_gate
from maabarium_pytest.grading.grade import grade
from maabarium_pytest.grading.losses import ends_at_first_loss
from maabarium_pytest.grading.session import Mode, SessionResult
from maabarium_pytest.grading.suite import AUDIT_SEED, Suite

__all__ = ["next_session"]

TIMED: dict[str, Clock] = {"tests.cpu": "cpu", "score:": "cpu", "tests.duration": "wall", "benchmark:": "wall"}
"""The clock that stands behind a source as long as nothing was measured, by the beginning of its name."""
LEAST_TIMEOUT = 10.0
TIMEOUT_FACTOR = 3.0
TRACE_SECONDS = 20.0
TRACE_FACTOR = 5.0
LEAST_TRACE = 0.5
AGAIN, AGAIN_SECONDS = 5, 0.5
"""So many more sessions of a baseline at most, and what they may take together."""
SEEDS, SEEDS_SECONDS, SEEDS_SHARE, LONGEST_AUDIT = 6, 2.0, 0.01, 20.0
"""Hash seeds of an audit at most, what those after the second may take together (seconds, and share of a run's time),
and the seconds of a suite above which one has to do."""
UNORDERED_SECONDS = 8.0
"""What they may take where the candidate is seen to use what has no order."""


def next_session(suite: Suite, done: Sequence[SessionResult], left: float) -> Mode | None:
    """What the next session is for, None when the stage has all it needs. `left` are seconds to the deadline.

    Raises EvaluationError when a baseline cannot be graded at all.
    """
    baseline = suite.request.baseline
    needed = 2 if baseline is None else 1
    if any(not session_gate(suite, session, baseline).passed for session in done[:needed]):
        return None
    mode = Mode(_timeout(suite, left), coverage="coverage" in suite.request.sources, pin=_pinned(suite, done))
    if len(done) < needed:
        mode = replace(mode, first_loss=baseline is not None and ends_at_first_loss(suite, baseline))
        alone = suite.request.stage == "audit" or (baseline is None and not done)
        mode = replace(mode, cold=alone, hash_seed=AUDIT_SEED if alone else 0)
        return replace(mode, bytecode=baseline is None and not done, only_rules=_only_rules(suite))
    if baseline is None:
        return _again(done, left) or _trace(suite, done, left)
    return _other_order(suite, mode, done) if suite.request.stage == "audit" else None


def _again(done: Sequence[SessionResult], left: float) -> Mode | None:
    """One more session of a fast baseline: what fails now and then has more chances to be seen."""
    more = sum(session.mode.purpose == "again" for session in done)
    usual = done[1].completed.duration
    if done[-1].mode.purpose == "trace" or not done[1].server or more >= AGAIN:
        return None
    too_long = (more + 1) * usual > AGAIN_SECONDS or left < LEAST_TIMEOUT
    return None if too_long else replace(done[1].mode, purpose="again", loaded=False)


def _other_order(suite: Suite, mode: Mode, done: Sequence[SessionResult]) -> Mode | None:
    """One more session before a winner is kept, under another hash seed and with other orders of what has none."""
    spent = sum(session.completed.duration for session in done[2:])
    usual = done[0].completed.duration
    limit = min(SEEDS_SECONDS, SEEDS_SHARE * (suite.request.blueprint.budget.wall_seconds or math.inf))
    limit = UNORDERED_SECONDS if suite.unordered else limit
    enough = len(done) >= SEEDS or (len(done) > 1 and spent + usual > limit)
    baseline = suite.request.baseline
    if enough or usual > LONGEST_AUDIT or grade(suite, done, baseline).failed_gate is not None:
        return None
    seed = AUDIT_SEED + len(done)
    return replace(mode, cold=True, hash_seed=seed, disorder=seed)


def _trace(suite: Suite, done: Sequence[SessionResult], left: float) -> Mode | None:
    """A session that says which lines run; None when it was made, has no time, or is of no use."""
    slower = max(session.completed.duration for session in done[:2])
    timeout = min(TRACE_SECONDS, max(2.0, TRACE_FACTOR * slower), left)
    traced = done[-1].mode.purpose == "trace" or timeout < LEAST_TRACE or not suite.targets.paths
    if traced or grade(suite, done, None).failed_gate is not None:
        return None
    return Mode(timeout, purpose="trace", cold=True)


def _timeout(suite: Suite, left: float) -> float:
    """Seconds a session may take: adapted to the baseline, capped by blueprint and deadline."""
    limit, baseline = float(suite.request.blueprint.constraints.timeout_seconds), suite.request.baseline
    if baseline is not None:
        usual = baseline.session_seconds or baseline.duration
        sides = 1 if suite.request.meeting is None else 2  # they share a core
        limit = min(limit, max(LEAST_TIMEOUT, TIMEOUT_FACTOR * usual) * sides)
    return max(0.1, min(limit, left))


def _pinned(suite: Suite, done: Sequence[SessionResult]) -> bool:
    """Whether to keep the session on one core: CPU times are steadier there, but what a program gains by working on
    several cores at once shows on a wall clock only, and there only when it has them."""
    baseline = suite.request.baseline
    if baseline is not None:
        known = {measurement.source: measurement.clock for measurement in baseline.measurements}
    else:
        known = {f"score:{name}": score.clock for name, score in done[0].transcript.scores.items()} if done else {}
    usual = {
        source: clock for source in suite.request.sources for start, clock in TIMED.items() if source.startswith(start)
    }
    return {known.get(source, clock) for source, clock in usual.items()} - {None} == {"cpu"}


def _only_rules(suite: Suite) -> bool:
    sources = suite.request.sources
    scores = bool(sources) and all(source.startswith("score:") for source in sources)
    return suite.request.stage in PAIRED and scores and bool(suite.rules.tests)
