"""An experiment under way, and the outcome that it becomes. Owned by the engine alone; what leaves here is frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from maabarium.acceptance.judge import Decision
from maabarium.blueprint.schema import Blueprint
from maabarium.causes import output_end
from maabarium.events import Proposed, RunRecord
from maabarium.plugins.protocols import ProposalRequest
from maabarium.records import (
    Champion,
    Evaluation,
    Experiment,
    Measured,
    Origin,
    Outcome,
    Phase,
    Proposal,
    TestResult,
)
from maabarium.scoring import effects, weighted_total
from maabarium.worker.job import MeasureJob

__all__ = ["RunningExperiment", "baseline_of", "experiment_of", "pair_values", "steady", "without_flaky"]

FAILING_SHOWN = 50
EXPLAINED = 10
"""Failing tests of a baseline whose text its outcome keeps."""
DETAIL = 2000
"""Characters of such a text, and of what was printed."""
SIDES = ("champion", "candidate")


@dataclass
class RunningExperiment:
    """One experiment between its proposal and its verdict."""

    experiment: Experiment
    proposal: Proposal
    tree: str
    parent: Champion | None
    """The champion it is measured against; None for the baseline."""
    screened: Evaluation | None = None
    pairs: list[Measured] = field(default_factory=list)
    calibration: list[Measured] = field(default_factory=list)
    """The baseline's: pairs with itself."""
    index: int = 0
    """Which share of the run's error budget it has, from 1; 0 while it is not found promising."""
    job: MeasureJob | None = None
    """The measurement that is due or running."""
    phases: dict[Phase, float] = field(default_factory=dict)
    evaluations: int = 0

    @property
    def number(self) -> int:
        """The experiment's number."""
        return self.experiment.number

    def spent(self, measured: Measured) -> None:
        """Add the time and evaluations that the measurement took, which is due no more."""
        self.job = None
        for phase, seconds in measured.phases.items():
            self.phases[phase] = self.phases.get(phase, 0.0) + seconds
        self.evaluations += (measured.candidate is not None) + (measured.champion is not None)

    def settled(self) -> Evaluation | None:
        """The screening evaluation with the medians of the pairs in place of single noisy values."""
        if self.screened is None:
            return None
        seen = pair_values(self.pairs, "candidate")
        for side in SIDES:  # of a calibration both are this tree
            for source, values in pair_values(self.calibration, side).items():
                seen.setdefault(source, []).extend(values)
        medians = {source: median(values) for source, values in seen.items()}
        measurements = tuple(
            measurement.model_copy(update={"value": medians.get(measurement.source, measurement.value)})
            for measurement in self.screened.measurements
        )
        return self.screened.model_copy(update={"measurements": measurements})

    def outcome(
        self, blueprint: Blueprint, baseline: Evaluation, decision: Decision, *, branch: str, commit: str = ""
    ) -> Outcome:
        """The outcome that this decision makes of it; `branch` and `commit` count for a promotion."""
        evaluation = self.settled()
        champion = None
        total = None
        if evaluation is not None and self.parent is not None:
            medians = {source: median(seen) for source, seen in pair_values(self.pairs, "champion").items()}
            champion = self.parent.evaluation.values() | medians
        rows = effects(blueprint, baseline, champion, evaluation) if evaluation is not None else ()
        if evaluation is not None and len(rows) == len(blueprint.metrics.metrics):
            total = weighted_total(blueprint.objectives, baseline.values(), evaluation)
        latest = self.pairs[-1].candidate if self.pairs and self.pairs[-1].candidate else evaluation
        whole = evaluation if decision.next == "keep" else latest  # pairs may leave the suite out
        failing = [test for test in whole.tests if test.failed][:FAILING_SHOWN] if whole else []
        return Outcome(
            number=self.number,
            verdict=decision.verdict,
            reason_code=decision.reason_code,
            reason=decision.reason,
            summary=self.proposal.summary,
            origin=self.proposal.origin,
            parent=self.experiment.parent,
            tree=self.tree,
            total=total,
            metrics=rows,
            gates=latest.gates if latest else (),
            failing=tuple(test.id for test in failing),
            held_out=tuple(test.id for test in failing if test.role == "holdout"),
            not_run=latest.not_run if latest else 0,
            **(_evidence(latest, failing) if latest and decision.next != "keep" and not self.number else {}),
            effect=decision.effect,
            interval=decision.interval,
            pairs=len(self.pairs),
            branch=branch if commit and self.number else "",
            commit=commit,
            duration=sum(self.phases.values()),
            phases=dict(self.phases),
        )


def _evidence(evaluation: Evaluation, failing: Sequence[TestResult]) -> dict[str, Any]:
    """What is stored of a baseline that does not hold, so that every front end can say why."""
    told = tuple(test.model_copy(update={"detail": test.detail[-DETAIL:]}) for test in failing if test.detail)
    return {"failures": told[:EXPLAINED], "output": output_end(evaluation.log, DETAIL)}


def without_flaky(champion: Champion, flaky: Sequence[str]) -> Champion:
    """The champion without tests that fail now and then: there is nothing to repair, or to learn, by them."""
    if not flaky:
        return champion
    return champion.model_copy(update={"evaluation": steady(champion.evaluation, flaky)})


def steady(evaluation: Evaluation, flaky: Sequence[str]) -> Evaluation:
    """The evaluation without these tests."""
    names = frozenset(flaky)
    return evaluation.model_copy(update={"tests": tuple(test for test in evaluation.tests if test.id not in names)})


def baseline_of(run: RunRecord, seed: int) -> Proposed:
    """Experiment 0: the start as it is, by the same path as any other."""
    experiment = Experiment(
        number=0, parent=0, parent_commit=run.start_commit, parent_tree=run.start_tree, tree=run.start_tree, seed=seed
    )
    return Proposed(experiment=experiment, proposal=Proposal(summary="baseline", edits=()))


def experiment_of(request: ProposalRequest, proposal: Proposal | None) -> Experiment:
    """The experiment that a request was for; its tree is not known yet."""
    return Experiment(
        number=request.number,
        parent=request.champion.number,
        parent_commit=request.champion.commit,
        parent_tree=request.champion.tree,
        origin=proposal.origin if proposal else Origin(),
        seed=request.seed,
    )


def pair_values(pairs: Sequence[Measured], side: str) -> dict[str, list[float]]:
    """All values that one side of these pairs gave, by source."""
    seen: dict[str, list[float]] = {}
    for pair in pairs:
        evaluation = pair.candidate if side == "candidate" else pair.champion
        for measurement in evaluation.measurements if evaluation else ():
            seen.setdefault(measurement.source, []).append(measurement.value)
    return seen
