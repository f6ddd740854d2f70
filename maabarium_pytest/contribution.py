"""What the pytest side contributes to Maabarium's plug-in registries."""

from __future__ import annotations

from collections.abc import Mapping

from maabarium.hookspecs import hookimpl
from maabarium.protocols import EvaluatorFactory
from maabarium_pytest.grading.evaluator import PytestEvaluator

__all__ = ["maabarium_evaluators"]


@hookimpl
def maabarium_evaluators() -> Mapping[str, EvaluatorFactory]:
    """The `pytest` evaluator; its sources are written without a prefix."""
    return {"pytest": PytestEvaluator}
