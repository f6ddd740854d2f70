"""One measurement: trees in, evaluations out. Never raises; its arguments pickle, so any executor may run it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from maabarium.blueprint.sources import Offer
from maabarium.errors import MaabariumError
from maabarium.plugins.meeting import LONGEST_WAIT, Meeting, Side
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import PAIRED, Evaluation, Gate, Measured, Phase
from maabarium.worker.job import MeasureJob
from maabarium.worker.repetition import joined, merged
from maabarium.worker.worker import Worker
from maabarium.workspace.worktree import Worktree

__all__ = ["run_measurement"]

SIDES = ("candidate", "champion")


def run_measurement(worker: Worker, job: MeasureJob) -> Measured:
    """Do one job. Whatever breaks on our side comes back as `problem`; the candidate's failures are gates."""
    seconds: dict[Phase, float] = {}
    made = Pair()
    problem = ""
    try:
        if job.stage in PAIRED:
            made = _pair(worker, job, seconds)
        else:
            with worker.worktree() as worktree:
                made = Pair(candidate=_evaluate(worker, job, worktree, job.tree, seconds))
    except MaabariumError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - a worker must always answer
        problem = f"{type(error).__name__}: {error}"
    return Measured(
        number=job.number,
        stage=job.stage,
        candidate=made.candidate,
        champion=made.champion,
        pair=job.pair,
        candidate_first=job.stage not in PAIRED or job.candidate_first,
        apart=made.apart,
        server=made.server,
        problem=problem,
        phases=seconds,
    )


@dataclass(frozen=True)
class Pair:
    """What a pair, or a part of one, showed of each side. `apart`: a sentence when they were to run side by side and
    did not."""

    candidate: Evaluation | None = None
    champion: Evaluation | None = None
    apart: str = ""

    @classmethod
    def of(cls, sides: Mapping[str, Evaluation], apart: str = "") -> Pair:
        """A pair of evaluations by side."""
        return cls(sides.get("candidate"), sides.get("champion"), apart)

    @property
    def server(self) -> str:
        """The process from which both sides were forked; empty when there is none."""
        first, second = self.candidate, self.champion
        return first.server if first is not None and second is not None and first.server == second.server else ""

    @property
    def failed(self) -> bool:
        """Whether a gate of either side does not hold, so that nothing more has to be measured."""
        return any(side is not None and side.failed_gate is not None for side in (self.candidate, self.champion))


def _pair(worker: Worker, job: MeasureJob, seconds: dict[Phase, float]) -> Pair:
    """Champion and candidate: side by side what can be taken so, and in turn what cannot."""
    side_by_side = job.side_by_side & job.sources
    if worker.setup.blueprint.sandbox.level == "trusted":  # there both sides might want the same port
        side_by_side = frozenset()
    in_turn = job.sources - side_by_side
    if not side_by_side:
        return _in_turn(worker, job, math.ceil(job.repeats / 2), seconds)
    first = _side_by_side(worker, job.model_copy(update={"sources": side_by_side}), seconds)
    if not in_turn or first.failed or first.apart:
        return first
    second = _in_turn(worker, job.model_copy(update={"sources": in_turn}), 1, seconds)
    return Pair.of({name: joined(getattr(first, name), getattr(second, name), in_turn) for name in SIDES})


def _side_by_side(worker: Worker, job: MeasureJob, seconds: dict[Phase, float]) -> Pair:
    """`job.repeats` times both sides at once. One that did not run together is made once more; then it is given up."""
    done: list[Pair] = []
    for number in range(job.repeats):
        pair = _at_once(worker, job, f"{number}", seconds)
        if pair.apart and not pair.failed:
            pair = _at_once(worker, job, f"{number} again", seconds)
        done.append(pair)
        if pair.failed or pair.apart:
            break
    return _merged(done)


def _merged(pairs: Sequence[Pair]) -> Pair:
    """Repetitions as one pair. Without a failed gate of its own, a candidate of a pair that is apart has this one."""
    sides = {name: merged([getattr(pair, name) for pair in pairs]) for name in SIDES}
    result, apart = Pair.of(sides), pairs[-1].apart
    if not apart or result.failed:
        return result
    gate = Gate(name="side_by_side", passed=False, reason_code="undecided", detail=f"twice {apart}")
    gates = (*sides["candidate"].gates, gate)
    return Pair.of(sides | {"candidate": sides["candidate"].model_copy(update={"gates": gates})}, apart)


def _at_once(worker: Worker, job: MeasureJob, repetition: str, seconds: dict[Phase, float]) -> Pair:
    """Both sides at the same time, each in a worktree of its own; coins say which starts, in which, and wakes first."""
    usual = job.baseline.session_seconds if job.baseline else 0.0
    wait = min(max(LONGEST_WAIT, usual), job.timeout / 4)
    meeting = Meeting(f"{job.name}:wake {repetition}", wait)
    spent: tuple[dict[Phase, float], dict[Phase, float]] = {}, {}
    order = _order(job, f"order {repetition}")
    turns = worker.metronome.beating() if job.precise else nullcontext()
    with worker.worktree() as one, worker.worktree() as two, turns, ThreadPoolExecutor(2) as threads:
        worktrees = (one, two) if job.coin(f"worktree {repetition}") else (two, one)
        started = {}
        for (name, tree), worktree, own, side in zip(order, worktrees, spent, meeting.sides, strict=True):
            started[name] = threads.submit(_evaluate, worker, job, worktree, tree, own, side)
            started[name].add_done_callback(partial(_leave, side))
        result = {name: future.result() for name, future in started.items()}
    for phase in {*spent[0], *spent[1]}:
        seconds[phase] = seconds.get(phase, 0.0) + max(own.get(phase, 0.0) for own in spent)
    return Pair.of(result, meeting.apart)


def _leave(side: Side, ended: Future[Evaluation]) -> None:
    side.leave()


def _in_turn(worker: Worker, job: MeasureJob, rounds: int, seconds: dict[Phase, float]) -> Pair:
    """One side after the other, A B B A: what changes steadily meanwhile hits both alike. Which is A: a coin."""
    done: dict[str, list[Evaluation]] = {name: [] for name in SIDES}
    with worker.worktree() as worktree:
        for number in range(rounds):
            first, second = _order(job, f"order {number}")
            for name, tree in (first, second, second, first):
                done[name].append(_evaluate(worker, job, worktree, tree, seconds))
                if all(done.values()) and (pair := Pair.of({side: merged(done[side]) for side in SIDES})).failed:
                    return pair
    return pair


def _order(job: MeasureJob, coin: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Both sides with their trees, in the order that this coin of the job gives."""
    candidate, champion = ("candidate", job.tree), ("champion", job.champion_tree)
    return (candidate, champion) if job.coin(coin) else (champion, candidate)


def _evaluate(
    worker: Worker,
    job: MeasureJob,
    worktree: Worktree,
    tree: str,
    seconds: dict[Phase, float],
    meeting: Side | None = None,
) -> Evaluation:
    """Check the tree out and let every evaluator that is needed measure it; stop at a failed gate."""
    setup = worker.setup
    sandbox, evaluators, offer = worker.tools()
    began = time.perf_counter()
    worktree.reset(tree)
    seconds["applying"] = seconds.get("applying", 0.0) + time.perf_counter() - began
    began = time.perf_counter()
    workspace = worker.checked_out(worktree, sandbox, job.timeout)
    merged = Evaluation()
    for index, (name, evaluator) in enumerate(evaluators):
        wanted = _wanted(job.sources, name, offer)
        if index and not wanted:
            continue
        request = EvaluationRequest(
            workspace=workspace,
            blueprint=setup.blueprint,
            folder=setup.folder,
            stage=job.stage,
            seed=job.seed,
            deadline=time.monotonic() + job.timeout,
            number=job.number,
            proposal=job.proposal,
            champion=job.champion,
            baseline=job.baseline,
            sources=wanted,
            top=setup.repository.top,
            meeting=meeting,
            pair=job.name if job.stage in PAIRED else "",
            tree=tree,
            baseline_tree=job.baseline_tree,
            champion_tree=job.champion_tree,
            trees=worker.trees(job.timeout),
            rejections=dict(job.rejections),
        )
        merged = _merge(merged, evaluator.evaluate(request), name, offer)
        if merged.failed_gate is not None:
            break
    phase: Phase = "confirming" if job.stage in (*PAIRED, "audit") else "evaluating"
    took = time.perf_counter() - began
    seconds[phase] = seconds.get(phase, 0.0) + took
    return merged.model_copy(update={"duration": took})


def _wanted(sources: frozenset[str], name: str, offer: Offer) -> frozenset[str]:
    """The sources an evaluator is responsible for: `name:source`, and those without a name that it measures."""
    own = {source.removeprefix(f"{name}:") for source in sources if source.startswith(f"{name}:")}
    prefixes = tuple(f"{evaluator}:" for evaluator in offer.sources)
    without = (source for source in sources if not source.startswith(prefixes))
    return frozenset(own.union(source for source in without if (offer.owner(source) or offer.primary) == name))


def _merge(first: Evaluation, second: Evaluation, name: str, offer: Offer) -> Evaluation:
    """Both evaluations as one. What an evaluator measures and gates carries its name, unless its sources are bare."""
    measurements = tuple(m.model_copy(update={"source": offer.written(name, m.source)}) for m in second.measurements)
    noisy = tuple(offer.written(name, source) for source in second.noisy)
    if name == offer.primary:
        return second.model_copy(update={"measurements": measurements, "noisy": noisy})
    gates = tuple(g.model_copy(update={"name": offer.written(name, g.name)}) for g in second.gates)
    return first.model_copy(
        update={
            "measurements": first.measurements + measurements,
            "gates": first.gates + gates,
            "tests": first.tests + second.tests,
            "not_run": first.not_run + second.not_run,
            "flaky": first.flaky + second.flaky,
            "noisy": first.noisy + noisy,
            "partial": first.partial + second.partial,
            "session_seconds": first.session_seconds or second.session_seconds,
            "lines": first.lines or second.lines,
            "grader": f"{first.grader}+{name}:{second.grader}" if second.grader else first.grader,
            "environment": first.environment or second.environment,
            "log": first.log + second.log,
        }
    )
