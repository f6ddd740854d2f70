"""One measurement: trees in, evaluations out. Never raises; its arguments pickle, so any executor may run it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from maabarium.blueprint.sources import Offer
from maabarium.errors import MaabariumError
from maabarium.plugins.meeting import Meeting
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import PAIRED, Evaluation, Measured, Phase
from maabarium.worker.job import MeasureJob
from maabarium.worker.worker import CheckedOut, Worker
from maabarium.workspace.worktree import Worktree

__all__ = ["run_measurement"]


def run_measurement(worker: Worker, job: MeasureJob) -> Measured:
    """Do one job. Whatever breaks on our side comes back as `problem`; the candidate's failures are gates."""
    seconds: dict[Phase, float] = {}
    made: dict[str, Evaluation] = {}
    problem = ""
    paired = job.stage in PAIRED
    candidate_first = not paired or job.candidate_first
    sides = [("candidate", job.tree)]
    if paired:
        sides.insert(int(candidate_first), ("champion", job.champion_tree))
    try:
        if job.together and worker.setup.blueprint.sandbox.level != "trusted":  # there they might want the same port
            made = _evaluate_together(worker, job, sides, seconds)
        else:
            with worker.worktree() as worktree:
                for side, tree in sides:
                    made[side] = _evaluate(worker, job, worktree, tree, seconds)
    except MaabariumError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - a worker must always answer
        problem = f"{type(error).__name__}: {error}"
    return Measured(
        number=job.number,
        stage=job.stage,
        candidate=made.get("candidate"),
        champion=made.get("champion"),
        pair=job.pair,
        candidate_first=candidate_first,
        problem=problem,
        phases=seconds,
    )


def _evaluate_together(
    worker: Worker, job: MeasureJob, sides: Sequence[tuple[str, str]], seconds: dict[Phase, float]
) -> dict[str, Evaluation]:
    """Both sides at the same time, each in a worktree of its own (which of both: a coin, the order of `sides`)."""
    meeting = Meeting(f"{job.seed}:{job.number}:{job.pair}:wake", longest_wait=job.timeout / 4)
    spent: tuple[dict[Phase, float], dict[Phase, float]] = {}, {}
    with worker.worktree() as first, worker.worktree() as second, ThreadPoolExecutor(2) as threads:
        started = {
            side: threads.submit(_evaluate, worker, job, worktree, tree, own, meeting)
            for (side, tree), worktree, own in zip(sides, (first, second), spent, strict=True)
        }
        for future in started.values():
            future.add_done_callback(lambda ended: meeting.leave())
        result = {side: future.result() for side, future in started.items()}
    seconds.update({phase: max(own.get(phase, 0.0) for own in spent) for phase in {*spent[0], *spent[1]}})
    return result


def _evaluate(
    worker: Worker,
    job: MeasureJob,
    worktree: Worktree,
    tree: str,
    seconds: dict[Phase, float],
    meeting: Meeting | None = None,
) -> Evaluation:
    """Check the tree out and let every evaluator that is needed measure it; stop at a failed gate."""
    setup = worker.setup
    sandbox, evaluators, offer = worker.tools()
    began = time.perf_counter()
    worktree.reset(tree)
    seconds["applying"] = seconds.get("applying", 0.0) + time.perf_counter() - began
    began = time.perf_counter()
    workspace = CheckedOut(worktree.path, worktree.root, worktree.scratch, sandbox, job.timeout)
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
