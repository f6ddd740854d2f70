"""Maabarium: a keep-winner loop graded by tests. The names here are what plug-ins may rely on."""

from maabarium.errors import MaabariumError, ProposalError
from maabarium.hookspecs import hookimpl
from maabarium.protocols import (
    EvaluationRequest,
    Evaluator,
    ProposalRequest,
    Proposer,
)
from maabarium.records import Evaluation, FileEdit, Gate, Measurement, Outcome, Proposal

__all__ = [
    "Evaluation",
    "EvaluationRequest",
    "Evaluator",
    "FileEdit",
    "Gate",
    "MaabariumError",
    "Measurement",
    "Outcome",
    "Proposal",
    "ProposalError",
    "ProposalRequest",
    "Proposer",
    "hookimpl",
]

__version__ = "0.1.0"
