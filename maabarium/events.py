"""The durable transitions of a run. The store writes one per transaction; replaying them rebuilds the engine.

Each event says what happened, never what it means: verdicts are recomputed from events when a run is resumed
and compared with the stored ones. The closed list of types is `EVENT_TYPES`.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter

from maabarium.records import Call, Draft, Evaluation, Experiment, Measured, Outcome, Proposal, ReasonCode, Record

__all__ = [
    "EVENT_TYPES", "Decided", "Journal", "MeasuredEvent", "Promoting", "Proposed", "RunFinished", "RunRecord",
    "RunStarted", "RunStatus", "RunView", "Sample", "Transition", "transition_adapter",
]  # fmt: skip

RunStatus = Literal["running", "completed", "interrupted", "failed"]
EventType = Literal["run_started", "proposed", "measured", "promoting", "decided", "run_finished"]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)


class RunRecord(Record):
    """What a run is, fixed at its start. Paths are absolute."""

    run_id: str
    """Eight hex characters."""
    blueprint_name: str
    blueprint_path: str
    blueprint_text: str
    blueprint_hash: str
    """SHA-256 over the blueprint's text and what it names beside it (proposals, manifests)."""
    grader_hash: str
    """SHA-256 over rules, metrics and evaluator options, a plus, and one over the protected files of the start."""
    seed: int
    max_iterations: int
    target: str
    """Top level of the target."""
    isolation: Literal["worktree", "snapshot"]
    repository: str
    """Git folder of the private repository."""
    base_commit: str
    start_commit: str
    """Where the run starts: the base, or the tip of the branch that it continues."""
    start_tree: str
    branch: str
    """Full name without `refs/heads/`: `maabarium/<slug>`."""
    promote: bool = True
    version: str = ""
    rules: int = 1
    """Version of the acceptance rules with which it began."""
    campaign_id: str | None = None
    task_id: str | None = None


class RunStarted(Record):
    """The first event of a run."""

    type: Literal["run_started"] = "run_started"
    run: RunRecord


class Proposed(Record):
    """An experiment has its proposal, or the reason why it has none. The baseline's proposal has no edits."""

    type: Literal["proposed"] = "proposed"
    experiment: Experiment
    proposal: Proposal | None = None
    reason_code: ReasonCode | None = None
    reason: str = ""
    planning_seconds: float = 0.0
    calls: tuple[Call, ...] = ()
    drafts: tuple[Draft, ...] = ()


class MeasuredEvent(Record):
    """A measure job came back."""

    type: Literal["measured"] = "measured"
    measured: Measured
    tree: str
    champion_tree: str = ""


class Promoting(Record):
    """Intent: the branch is about to be moved. Written before the push, so that a kill in between is known."""

    type: Literal["promoting"] = "promoting"
    number: int
    branch: str
    old: str
    """Expected commit at the branch; empty when the branch must not exist."""
    new: str


class Decided(Record):
    """An experiment ended. For a promotion: the branch has moved."""

    type: Literal["decided"] = "decided"
    outcome: Outcome


class RunFinished(Record):
    """The last event of a run (until it is resumed)."""

    type: Literal["run_finished"] = "run_finished"
    state: RunStatus
    reason_code: ReasonCode
    reason: str


Transition = Annotated[
    RunStarted | Proposed | MeasuredEvent | Promoting | Decided | RunFinished, Field(discriminator="type")
]
transition_adapter: TypeAdapter[Transition] = TypeAdapter(Transition)
Journal = tuple[Transition, ...]


class Sample(Record):
    """One value of one side of one pair, as the report draws it."""

    number: int
    pair: int
    side: Literal["champion", "candidate"]
    candidate_first: bool
    source: str
    clock: str = ""
    value: float


class RunView(Record):
    """All that is stored of a run, as reports, consoles and commands read it."""

    run: RunRecord
    state: RunStatus
    reason: str = ""
    started_at: str
    """RFC 3339, UTC."""
    finished_at: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    """In order of their numbers; the baseline is number 0."""
    experiments: dict[int, Experiment] = Field(default_factory=dict)
    proposals: dict[int, Proposal] = Field(default_factory=dict)
    calls: dict[int, tuple[Call, ...]] = Field(default_factory=dict)
    """What models were asked, by experiment."""
    drafts: dict[int, tuple[Draft, ...]] = Field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
    baseline: Evaluation | None = None
    calibration: tuple[Measured, ...] = ()
    """Pairs of the start with itself."""

    @property
    def kept(self) -> tuple[Outcome, ...]:
        """Winners, by number."""
        return tuple(outcome for outcome in self.outcomes if outcome.verdict == "promoted")

    @property
    def champion(self) -> Outcome | None:
        """The winner that stands at the end: the last, or the best if some were re-based; None without one."""
        parents = [winner.parent for winner in self.kept]
        if parents == [0, *(winner.number for winner in self.kept)][: len(parents)]:
            return self.kept[-1] if self.kept else None
        return max(self.kept, key=lambda winner: (winner.total if winner.total is not None else -1.0, winner.number))

    def ends_of(self, number: int) -> tuple[str, str] | None:
        """Commits or trees before and after an experiment, of a winner as it was kept; None without a tree."""
        outcome = next((outcome for outcome in self.outcomes if outcome.number == number), None)
        if outcome is not None and outcome.verdict == "promoted" and outcome.commit:
            return f"{outcome.commit}^", outcome.commit
        experiment = self.experiments.get(number)
        return (experiment.parent_tree, experiment.tree) if number and experiment and experiment.tree else None
