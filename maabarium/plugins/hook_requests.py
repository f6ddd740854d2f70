"""What hooks are asked: one frozen record per question, so that a new field breaks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Blueprint
from maabarium.records import Experiment, Outcome, Proposal

__all__ = [
    "BlueprintCheck", "DecisionRequest", "Event", "ExperimentStart", "ProposalCheck", "ReportRequest",
    "RunFinish", "RunStart", "StopRequest",
]  # fmt: skip


@dataclass(frozen=True)
class BlueprintCheck:
    """A loaded blueprint before binding. `sources`: evaluator -> what the metrics will need from it."""

    blueprint: Blueprint
    path: Path
    sources: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ProposalCheck:
    """A proposal that parsed and stayed in bounds, before it costs an evaluation."""

    blueprint: Blueprint
    proposal: Proposal
    experiment: Experiment


@dataclass(frozen=True)
class DecisionRequest:
    """What the acceptance rule concluded; a plug-in may decide otherwise."""

    blueprint: Blueprint
    outcome: Outcome


@dataclass(frozen=True)
class StopRequest:
    """Counters of the run, not its history."""

    blueprint: Blueprint
    experiments: int
    promoted: int
    since_promotion: int
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class RunStart:
    """A run is about to measure its baseline."""

    run_id: str
    blueprint: Blueprint
    resumed: bool = False


@dataclass(frozen=True)
class ExperimentStart:
    """An experiment got its number."""

    run_id: str
    number: int


@dataclass(frozen=True)
class RunFinish:
    """A run ended: `state` is completed, interrupted or failed; `reason` is a sentence."""

    run_id: str
    state: str
    reason: str
    promoted: int


@dataclass(frozen=True)
class Event:
    """One durable transition, as it was stored. `sequence` counts up from 1 within the run."""

    run_id: str
    sequence: int
    type: str
    number: int | None
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class ReportRequest:
    """The header or the summary of a run is being printed."""

    run_id: str
    blueprint: Blueprint
