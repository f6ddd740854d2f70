"""Maabarium: a keep-winner loop graded by tests. The names here are what plug-ins may rely on."""

from maabarium.errors import MaabariumError, ProposalError, ProviderError
from maabarium.plugins.completion import Completion, CompletionRequest, Message, Provider, ProviderContext, Usage
from maabarium.plugins.hookspecs import hookimpl
from maabarium.plugins.protocols import (
    EvaluationRequest,
    Evaluator,
    ProposalRequest,
    Proposer,
    Section,
)
from maabarium.records import Evaluation, FileEdit, Gate, Measurement, Outcome, Proposal

__all__ = [
    "Completion",
    "CompletionRequest",
    "Evaluation",
    "EvaluationRequest",
    "Evaluator",
    "FileEdit",
    "Gate",
    "MaabariumError",
    "Measurement",
    "Message",
    "Outcome",
    "Proposal",
    "ProposalError",
    "ProposalRequest",
    "Proposer",
    "Provider",
    "ProviderContext",
    "ProviderError",
    "Section",
    "Usage",
    "hookimpl",
]

__version__ = "0.1.0"
