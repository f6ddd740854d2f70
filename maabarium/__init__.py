"""Maabarium: a keep-winner loop graded by tests. The names here are what plug-ins may rely on.

Each is imported when it is first asked for, because `maabarium --help` needs none of them (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maabarium.errors import MaabariumError, ProposalError, ProviderError
    from maabarium.plugins.completion import Completion, CompletionRequest, Message, Provider, ProviderContext, Usage
    from maabarium.plugins.hookspecs import hookimpl
    from maabarium.plugins.protocols import EvaluationRequest, Evaluator, ProposalRequest, Proposer, Section
    from maabarium.records import Evaluation, FileEdit, Gate, Measurement, Outcome, Proposal

__all__ = [
    "Completion", "CompletionRequest", "Evaluation", "EvaluationRequest", "Evaluator", "FileEdit", "Gate",
    "MaabariumError", "Measurement", "Message", "Outcome", "Proposal", "ProposalError", "ProposalRequest",
    "Proposer", "Provider", "ProviderContext", "ProviderError", "Section", "Usage", "hookimpl",
]  # fmt: skip

__version__ = "0.1.0"

_ROOMS = ("errors", "records", "plugins.protocols", "plugins.completion", "plugins.hookspecs")


if not TYPE_CHECKING:  # a checker reads the imports above, and refuses a name that is not among them

    def __getattr__(name: str) -> object:
        """A public name, from the first of our modules that lists it."""
        for room in _ROOMS if name in __all__ else ():
            module = importlib.import_module(f"{__name__}.{room}")
            if name in module.__all__:
                return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
