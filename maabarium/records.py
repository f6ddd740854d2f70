"""The values that flow through a run: each is a frozen record, made in exactly one place.

This module knows nothing of git, SQLite, processes or pytest. Times are seconds, trees and commits are hex
object ids of the run's private repository, paths are POSIX paths relative to the target's top level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "COMBINATION", "EXHAUSTED", "PAIRED", "PHASES", "REASON_CODES", "VERDICTS", "Attempt", "Call", "CallKind",
    "Champion", "Clock", "Draft", "DraftKind", "Evaluation", "Experiment", "FileEdit", "FileMode", "Gate", "LineMap",
    "Measured", "Measurement", "MetricEffect", "Operation", "Origin", "Outcome", "Phase", "Proposal", "ReasonCode",
    "Record", "Stage", "TestOutcome", "TestResult", "TestRole", "Verdict",
]  # fmt: skip

Operation = Literal["create", "modify", "delete"]
FileMode = Literal[0o100644, 0o100755]
"""Of git: a plain file, or one that can be executed."""
Stage = Literal["baseline", "calibrate", "screen", "pair", "audit"]
PAIRED: tuple[Stage, ...] = ("pair", "calibrate")
"""Stages that measure two sides; `calibrate` is the champion beside itself, at the start of a run."""
Verdict = Literal["baseline", "promoted", "rejected", "invalid", "tampered", "cancelled", "error"]
TestOutcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
TestRole = Literal["suite", "rule", "holdout"]
"""A test of the target's own suite, of the blueprint's rules, or of the rules that proposers must not learn from."""
Clock = Literal["cpu", "wall"]
Phase = Literal[
    "starting", "planning", "branching", "applying", "evaluating", "confirming", "persisting", "promoting",
    "cleaning_up", "completed", "cancelled",
]  # fmt: skip
ReasonCode = Literal[
    "baseline", "kept", "worse", "no_gain", "too_small", "undecided", "no_effect", "duplicate", "stale_conflict",
    "gate_failed", "guard_failed", "tests_lost", "timeout", "crashed", "out_of_memory", "output_flood", "import_failed",
    "unparseable", "does_not_apply", "out_of_bounds", "policy_objection", "tampered", "differs_from_champion",
    "grader_unproven", "biased", "provider_failed", "budget_spent", "promotion_failed", "interrupted", "exhausted",
    "internal",
]  # fmt: skip
CallKind = Literal["propose", "critique", "revise", "vote", "veto", "repair"]
DraftKind = Literal["proposal", "critique", "revision", "vote", "veto", "reply", "finding"]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
PHASES: tuple[Phase, ...] = get_args(Phase)
REASON_CODES: tuple[ReasonCode, ...] = get_args(ReasonCode)
EXHAUSTED = "the proposer has nothing left to try"
"""The reason that a run has when it ends as `exhausted`."""
COMBINATION = "combination"
"""The operator of a proposal that joins changes which were tried alone."""


class Record(BaseModel):
    """Base of all records: immutable, no unknown fields, bytes as base64 in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class FileEdit(Record):
    """The whole final content of one file (`None` only for a deletion). Bytes are kept exactly."""

    path: str
    operation: Operation
    content: bytes | None = None
    mode: FileMode | None = None
    """Git file mode; `None` keeps the parent's (a new file gets 100644)."""

    @property
    def digest(self) -> str:
        """SHA-256 of the content, the key of the store's `blobs` table; empty for a deletion."""
        return "" if self.content is None else hashlib.sha256(self.content).hexdigest()


class Origin(Record):
    """Who thought of a proposal: the agent or proposer, its arm, operator, and the place it worked on."""

    agent: str = ""
    arm: str = ""
    operator: str = ""
    site: str = ""


class Call(Record):
    """One call of a model: who asked whom, why, and what it cost. Counts and cost are None where nobody knows."""

    agent: str
    provider: str
    model: str
    kind: CallKind
    round: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost: float | None = None  # US dollars
    latency_ms: int = 0
    error: str = ""


class Draft(Record):
    """Something that a council wrote on the way to its proposal; untrusted text."""

    agent: str
    kind: DraftKind
    content: str
    round: int = 0


class Proposal(Record):
    """A set of edits with a one-line summary that says what changes and why."""

    summary: str
    edits: tuple[FileEdit, ...]
    author: str = ""
    origin: Origin = Origin()
    data: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Facts the proposer wants back in its history, such as the parameter values it chose."""
    drafts: tuple[Draft, ...] = ()
    calls: tuple[Call, ...] = ()


class Measurement(Record):
    """One number from one source, in its own unit. `clock` is set when it is a time taken by a clock."""

    source: str
    value: float
    unit: str = ""
    clock: Clock | None = None
    seconds: float | None = None
    """How long its clock ran: the value itself where that is a time; None where no clock stands behind the value."""
    possible: float | None = None
    """For points: the number that could be earned; `value` is the number earned."""


class Gate(Record):
    """One condition that must hold before a score counts. A failed one carries its reason code."""

    name: str
    passed: bool
    reason_code: ReasonCode = "gate_failed"
    detail: str = ""


class TestResult(Record):
    """One test of one evaluation. `detail` is the trimmed failure text, empty when it passed."""

    __test__ = False  # not a pytest class, whatever its name says

    id: str
    outcome: TestOutcome
    duration: float = 0.0
    detail: str = ""
    role: TestRole = "suite"

    @property
    def failed(self) -> bool:
        """Whether it ended badly, in the test itself or around it."""
        return self.outcome in ("failed", "error")


class LineMap(Record):
    """Which lines ran: by test id (path -> lines), and how often in all (path -> line -> hits)."""

    by_test: dict[str, dict[str, tuple[int, ...]]] = Field(default_factory=dict)
    hits: dict[str, dict[int, int]] = Field(default_factory=dict)


class Evaluation(Record):
    """What one evaluation of one tree found out. Failures of the candidate are failed gates, not exceptions."""

    measurements: tuple[Measurement, ...] = ()
    gates: tuple[Gate, ...] = ()
    tests: tuple[TestResult, ...] = ()
    not_run: int = 0
    """Tests that were not run because a lost one had decided: such a part answers for no other run."""
    grader: str = ""
    """Fingerprint of what may change the verdict beside tree and environment: rules, options, metric definitions."""
    environment: str = ""  # fingerprint of interpreter, packages and machine
    log: str = ""  # head and tail of what the child printed; untrusted text
    duration: float = 0.0
    session_seconds: float = 0.0
    """Baselines: what one session of the suite takes, for estimates and timeouts; 0 when the evaluator has none."""
    flaky: tuple[str, ...] = ()
    """Baselines: ids of tests that came or ended differently in two runs of the same tree."""
    noisy: tuple[str, ...] = ()
    """Baselines: sources whose values differed in two runs of the same tree."""
    partial: tuple[str, ...] = ()  # baselines: ids of rules that earn points: failing them gates nothing
    moving: tuple[str, ...] = ()  # baselines: functions of tests whose ids differ from process to process
    rewritten: tuple[str, ...] = ()  # baselines: files that may not change, and that the suite itself changes
    later_flaky: tuple[str, ...] = ()
    """Ids of tests that the champion lost, too, after this tree had; of a run's baseline, all that came so far."""
    lines: LineMap | None = None
    sessions: str = ""  # of a baseline: how the evaluator runs the sessions that come, for the header
    server: str = ""  # the process from which its session was forked; empty when it was started by itself

    @property
    def failed_gate(self) -> Gate | None:
        """The first gate that does not hold, or `None`."""
        return next((gate for gate in self.gates if not gate.passed), None)

    def values(self) -> dict[str, float]:
        """Measurements by source."""
        return {measurement.source: measurement.value for measurement in self.measurements}


class Champion(Record):
    """The best tree so far and what was measured of it."""

    number: int
    commit: str
    tree: str
    evaluation: Evaluation
    total: float


class Experiment(Record):
    """One numbered attempt: which champion it starts from, whose idea it is, and its seed."""

    number: int
    parent: int
    parent_commit: str
    parent_tree: str
    tree: str = ""
    origin: Origin = Origin()
    seed: int = 0


class Measured(Record):
    """The answer to one measure job. `problem` is set only if our side broke (verdict `error`)."""

    number: int
    stage: Stage
    candidate: Evaluation | None = None
    champion: Evaluation | None = None
    """For a pair: the champion's evaluation made beside the candidate's."""
    pair: int = 0
    candidate_first: bool = False
    apart: str = ""
    """For a pair that was to run side by side: a sentence when it did not; such a pair shows nothing."""
    server: str = ""
    """For a pair: the process from which both sides were forked, whose memory layout they share; empty without."""
    problem: str = ""
    phases: dict[Phase, float] = Field(default_factory=dict)


class MetricEffect(Record):
    """One metric of one outcome: raw values before and after, and the normalised value that entered the total."""

    name: str
    source: str
    weight: float
    direction: Literal["maximize", "minimize"]
    unit: str = ""
    baseline: float | None = None
    champion: float | None = None
    raw: float | None = None
    value: float
    """Normalised to [0, 1]; 0.5 is the baseline for relative metrics."""


class Outcome(Record):
    """The end of one experiment: verdict, reason, and the measured effect."""

    number: int
    verdict: Verdict
    reason_code: ReasonCode
    reason: str
    summary: str = ""
    origin: Origin = Origin()
    parent: int = 0
    tree: str = ""
    total: float | None = None
    metrics: tuple[MetricEffect, ...] = ()
    gates: tuple[Gate, ...] = ()
    failing: tuple[str, ...] = ()
    """Ids of tests that failed (at most 50)."""
    held_out: tuple[str, ...] = ()
    """Those of `failing` that proposers must not be shown."""
    not_run: int = 0  # as in Evaluation: `failing` is then not all
    failures: tuple[TestResult, ...] = ()  # with what pytest said; of a baseline that does not hold only
    output: str = ""  # what was printed last, likewise; untrusted text
    effect: float | None = None
    """Improvement factor over the champion (weighted geometric mean; above 1 is better)."""
    interval: tuple[float, float] | None = None
    """95 % interval of `effect`, when it was confirmed by pairs."""
    pairs: int = 0
    branch: str = ""
    commit: str = ""
    duration: float = 0.0
    phases: dict[Phase, float] = Field(default_factory=dict)


class Attempt(Record):
    """One finished experiment as a proposer sees it."""

    outcome: Outcome
    data: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    paths: tuple[str, ...] = ()
