"""What the pytest side contributes to Maabarium's plug-in registries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maabarium.errors import Problem
from maabarium.plugins.hookspecs import BlueprintCheck, hookimpl
from maabarium.plugins.protocols import EvaluatorFactory
from maabarium_pytest.grading.evaluator import PytestEvaluator
from maabarium_pytest.grading.requirements import missing_packages

__all__ = ["maabarium_check_blueprint", "maabarium_evaluators"]


@hookimpl
def maabarium_evaluators() -> Mapping[str, EvaluatorFactory]:
    """The `pytest` evaluator; its sources are written without a prefix."""
    return {"pytest": PytestEvaluator}


@hookimpl
def maabarium_check_blueprint(request: BlueprintCheck) -> Sequence[Problem]:
    """What the target's environment lacks for the metrics of this blueprint."""
    if "pytest" not in request.sources:
        return []
    return missing_packages(request.blueprint, request.path.parent, request.sources["pytest"])
