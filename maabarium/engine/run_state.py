"""The state of a run: champions, experiments under way, outcomes and counters.

They change by stored transitions only, so that replaying a journal gives the same state again. Nothing here
writes to the store or moves the branch; git objects are read and made, which is harmless to repeat.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from maabarium.acceptance.calibration import Calibration, bias_sentence, calibrate, pairs_wanted
from maabarium.acceptance.evidence import ErrorBudget
from maabarium.acceptance.judge import RULES, Decision, Judge, noisy_sources
from maabarium.acceptance.stable_tests import with_later_flaky
from maabarium.acceptance.steadiness import LEAST_SECONDS, Steadiness
from maabarium.blueprint.schema import Blueprint
from maabarium.code.moved_lines import moved_lines
from maabarium.engine.actions import RunRepository, RunStore
from maabarium.engine.running_experiment import RunningExperiment, steady, without_flaky
from maabarium.errors import ProposalError
from maabarium.events import Proposed
from maabarium.plugins.protocols import ProposalRequest
from maabarium.records import (
    PAIRED,
    Attempt,
    Champion,
    Evaluation,
    FileEdit,
    Measured,
    Outcome,
    Proposal,
    Stage,
    Verdict,
)  # fmt: skip
from maabarium.scoring import unscorable, weighted_total
from maabarium.worker.job import MeasureJob
from maabarium.worker.repetition import repeats_needed

__all__ = ["RunState"]

MOST_REJECTIONS = 200
"""Tests of which a worker is told how often they rejected."""

BASELINE = Decision("keep", "baseline", "baseline", "measured as it is")


class RunState:
    """Champions, experiments under way, outcomes and counters of one run."""

    def __init__(self, blueprint: Blueprint, seed: int, repository: RunRepository, rules: int = RULES) -> None:
        self.blueprint = blueprint
        self.seed = seed
        self.rules = rules
        """Version of the acceptance rules with which the run began."""
        self.repository = repository
        self.champions: list[Champion] = []
        """The baseline, then every winner."""
        self.outcomes: dict[int, Outcome] = {}
        self.under_way: dict[int, RunningExperiment] = {}
        self.attempts: dict[int, Attempt] = {}
        self.baseline = Evaluation()
        self.noisy: frozenset[str] = frozenset()
        """Sources that need pairs, known after the baseline."""
        self.calibration: Calibration | None = None
        """What the start beside itself showed; None where no objective is noisy, and in runs of earlier rules."""
        self.steadiness = Steadiness()
        self.seen: dict[str, int] = {}
        """Trees that were proposed, with the experiment's number."""
        self.rejections: Counter[str] = Counter()
        """How many candidates each test rejected: what is run first, never what is decided."""
        self.budget = ErrorBudget()
        self.evaluations = 0

    @property
    def promoted(self) -> int:
        """How many winners were kept."""
        return max(0, len(self.champions) - 1)

    def seed_of(self, number: int) -> int:
        """The seed of an experiment: a function of the run's seed and the number alone."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}:{number}".encode()).digest()[:6])

    def request(self, number: int, champion: Champion) -> ProposalRequest:
        """What a proposer is asked for an experiment that starts from this champion."""

        def is_new(edits: Sequence[FileEdit]) -> bool:
            try:
                return self.repository.examine(champion.tree, edits) not in self.seen
            except ProposalError:
                return False

        return ProposalRequest(
            number=number,
            seed=self.seed_of(number),
            blueprint=self.blueprint,
            champion=without_flaky(self._with_lines(champion), self.baseline.flaky),
            baseline=steady(self.baseline, self.baseline.flaky),
            files=self.repository.view(champion.tree),
            targets=self.repository.targets(champion.tree),
            history=tuple(self.attempts[key] for key in sorted(self.attempts)),
            is_new=is_new,
        )

    def _with_lines(self, champion: Champion) -> Champion:
        """The champion with the lines that the baseline's tests ran, where its own files have them."""
        if champion.evaluation.lines is not None or self.baseline.lines is None or not self.champions:
            return champion
        old, new = self.repository.view(self.champions[0].tree), self.repository.view(champion.tree)
        both = set(old.paths()) & set(new.paths())
        kept = (attempt for attempt in self.attempts.values() if attempt.outcome.verdict == "promoted")
        paths = sorted({path for attempt in kept for path in attempt.paths} & both)
        contents = {path: (old.read(path), new.read(path)) for path in paths}
        lines = moved_lines(self.baseline.lines, {path: pair for path, pair in contents.items() if pair[0] != pair[1]})
        return champion.model_copy(update={"evaluation": champion.evaluation.model_copy(update={"lines": lines})})

    def known(self, tree: str, store: RunStore) -> Evaluation | None:
        """What an earlier run measured of this tree: an answer when nothing in it is noisy."""
        if self.noisy or not self.baseline.grader:
            return None
        found = store.evaluation(tree, self.baseline.grader, self.baseline.environment)
        return None if found is None or found.not_run else found  # a part answers for its own run alone

    def add_proposal(self, event: Proposed) -> Decision | None:
        """An experiment has its proposal; a decision when it ends here, else `running.job` is due."""
        number = event.experiment.number
        running = RunningExperiment(
            experiment=event.experiment,
            proposal=event.proposal or Proposal(summary="", edits=()),
            tree=event.experiment.tree,
            parent=next((c for c in self.champions if number and c.number == event.experiment.parent), None),
            phases={"planning": event.planning_seconds} if event.planning_seconds else {},
        )
        self.under_way[number] = running
        if event.reason_code:
            verdicts: dict[str, Verdict] = {
                "provider_failed": "error", "internal": "error", "duplicate": "rejected", "budget_spent": "rejected",
            }  # fmt: skip
            return Decision("lose", verdicts.get(event.reason_code, "invalid"), event.reason_code, event.reason)
        self.seen.setdefault(running.tree, number)
        if number and self.blueprint.promotion.autonomy == 0:
            return Decision("lose", "rejected", "policy_objection", "proposed only: promotion.autonomy is 0")
        running.job = self._job(running, "screen" if number else "baseline")
        return None

    def add_measurement(self, running: RunningExperiment, measured: Measured) -> Decision | None:
        """A measurement came back; a decision when the experiment is over, else `running.job` is what comes next."""
        running.spent(measured)
        if measured.problem or measured.candidate is None:
            problem = measured.problem or "nothing was measured"
            return Decision("error", "error" if running.number else "baseline", "internal", problem)
        self.baseline = with_later_flaky(self.baseline, measured)
        if running.parent is None:
            return self._judge_baseline(running, measured, measured.candidate)
        decision = self._judge(running, running.parent, measured, measured.candidate)
        if decision.next in ("lose", "error"):
            return decision
        if running.parent is not self.champions[-1]:
            return self._rebase(running, running.parent, self.champions[-1])
        if decision.promising and not running.index:
            running.index = self.budget.take()
        if decision.next != "keep":
            running.job = self._job(running, "pair" if decision.next == "pair" else "audit")
        return decision if decision.next == "keep" else None

    def conclude(self, running: RunningExperiment, outcome: Outcome) -> None:
        """The experiment is over: champions, history and counters follow."""
        self.under_way.pop(running.number, None)
        self.evaluations += running.evaluations
        self.outcomes[outcome.number] = outcome
        if outcome.verdict == "cancelled":
            return
        self.steadiness.add(*self._shown(running))
        settled = running.settled()
        if outcome.verdict == "rejected":
            self.rejections.update(outcome.failing)
        if self.rules < 3 and outcome.pairs and not running.index:  # earlier rules gave each a share
            running.index = self.budget.take()
        if outcome.verdict == "promoted":
            self.budget.give_back(running.index)
        if running.number:
            paths = tuple(edit.path for edit in running.proposal.edits)
            self.attempts[running.number] = Attempt(outcome=outcome, data=running.proposal.data, paths=paths)
        if settled is None or not (outcome.verdict == "promoted" or outcome.reason_code == "baseline"):
            return
        if not running.number:
            self.baseline = settled.model_copy(update={"later_flaky": self.baseline.later_flaky})
            self.noisy = noisy_sources(self.blueprint, settled)
        running.tree = outcome.tree or running.tree  # what was kept, even if today it would be re-based otherwise
        self.champions.append(self._champion(running, outcome.commit, settled))

    def _job(self, running: RunningExperiment, stage: Stage) -> MeasureJob:
        paired = stage in PAIRED
        champion = running.parent.evaluation if running.parent else self.baseline
        every = frozenset(str(metric.source) for metric in self.blueprint.metrics.metrics)
        by_cpu = {m.source for m in self.baseline.measurements if m.clock == "cpu"}  # two at once on one core
        seconds = self.steadiness.wanted(*self._shown(running))
        return MeasureJob(
            number=running.number,
            stage=stage,
            tree=running.tree,
            champion_tree=running.parent.tree if running.parent else running.tree if paired else "",
            pair=len(running.calibration if stage == "calibrate" else running.pairs) + 1 if paired else 0,
            proposal=running.proposal,
            champion=running.parent if stage == "screen" else None,
            baseline=None if stage == "baseline" else self.baseline,
            baseline_tree=self.champions[0].tree if self.champions else running.tree if paired else "",
            rejections=tuple(self.rejections.most_common(MOST_REJECTIONS)) if stage == "screen" else (),
            seed=running.experiment.seed,
            timeout=self.blueprint.constraints.timeout_seconds * (3.0 if stage in ("baseline", "audit") else 1.0),
            sources=self.noisy if paired else every,
            exclusive=stage == "baseline" or paired,
            side_by_side=self.noisy & by_cpu if paired else frozenset(),
            repeats=repeats_needed(champion, self.noisy, seconds) if paired else 1,
            precise=seconds >= LEAST_SECONDS,
        )

    def _shown(self, running: RunningExperiment) -> tuple[list[float], list[float]]:
        """What `Judge.shown` says of a candidate's pairs."""
        return self._judge_of(running.parent).shown(running.screened, running.pairs) if running.parent else ([], [])

    def _judge(
        self, running: RunningExperiment, parent: Champion, measured: Measured, candidate: Evaluation
    ) -> Decision:
        judge = self._judge_of(parent)
        if measured.stage == "screen":
            running.screened = candidate
            return judge.screen(candidate)
        screened = running.screened or Evaluation()
        if measured.stage == "audit":
            confirmed = judge.confirm(screened, running.pairs, running.index) if running.pairs else None
            return judge.audit(screened, candidate, confirmed)
        running.pairs.append(measured)
        return judge.confirm(screened, running.pairs, running.index)

    def _judge_of(self, champion: Champion) -> Judge:
        known = self.calibration.steadied if self.calibration else 0.0
        return Judge(self.blueprint, self.baseline, champion, self.noisy, known)

    def winner_of_before(self, running: RunningExperiment) -> Decision:
        """What to make of an experiment that was being promoted by earlier rules when its run was cut."""
        return self._judge_of(running.parent or self.champions[-1]).believed(running.screened, running.pairs)

    def _judge_baseline(
        self, running: RunningExperiment, measured: Measured, evaluation: Evaluation
    ) -> Decision | None:
        """Gates of the baseline; where an objective is noisy, pairs of it with itself follow."""
        metrics, paired = self.blueprint.metrics.metrics, measured.stage in PAIRED
        if paired:
            metrics = tuple(metric for metric in metrics if metric.source in self.noisy)
        else:
            running.screened = evaluation
        for side in (evaluation, measured.champion or Evaluation()) if paired else (evaluation,):
            gate, problem = side.failed_gate, unscorable(metrics, side)
            if gate is not None:
                return Decision("lose", "baseline", gate.reason_code, gate.detail or f"the gate {gate.name} failed")
            if problem:
                return Decision("lose", "baseline", "gate_failed", problem)
        if paired:
            running.calibration.append(measured)
        else:
            self.baseline = evaluation
            self.noisy = noisy_sources(self.blueprint, evaluation)
        judge = self._judge_of(self._champion(running, "", self.baseline))
        return self._calibrate(running, judge) if judge.decides_by_pairs else BASELINE

    def _calibrate(self, running: RunningExperiment, judge: Judge) -> Decision | None:
        """The decision on a baseline when its pairs with itself are enough, else `running.job` is one more."""
        pairs, rules = running.calibration, self.blueprint.acceptance
        ratios, lengths = judge.shown(self.baseline, pairs)
        seconds = [sum(pair.phases.values()) for pair in pairs]
        if len(pairs) < pairs_wanted(ratios, seconds, self.blueprint.budget.wall_seconds):
            running.job = self._job(running, "calibrate")
            return None
        self.steadiness.add(ratios, lengths, 0.0)
        self.calibration = calibrate(ratios, seconds, rules, lengths)
        if self.calibration.biased:
            return Decision("lose", "baseline", "biased", bias_sentence(self.calibration))
        return BASELINE

    def _champion(self, running: RunningExperiment, commit: str, evaluation: Evaluation) -> Champion:
        total = weighted_total(self.blueprint.objectives, self.baseline.values(), evaluation)
        return Champion(number=running.number, commit=commit, tree=running.tree, evaluation=evaluation, total=total)

    def _rebase(self, running: RunningExperiment, old: Champion, new: Champion) -> Decision | None:
        """The champion changed meanwhile: merge onto the new one and measure anew."""
        edits = self.repository.rebase(old.tree, new.tree, running.tree)
        try:
            tree = self.repository.examine(new.tree, edits) if edits is not None else ""
        except ProposalError:
            tree = ""
        if tree in ("", new.tree) or self.seen.get(tree, running.number) != running.number:
            reason = f"promising, but it conflicts with experiment {new.number}, which was kept meanwhile"
            return Decision("lose", "rejected", "stale_conflict", reason)
        self.seen[tree] = running.number
        running.parent, running.tree, running.screened, running.index = new, tree, None, 0
        running.pairs.clear()
        running.job = self._job(running, "screen")
        return None
