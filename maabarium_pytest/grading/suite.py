"""What is to be run for one request: interpreter, configuration, target files and rules, found before any process."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import EvaluationError
from maabarium.plugins.protocols import EvaluationRequest
from maabarium_pytest.grading.configuration import Configuration, find_configuration
from maabarium_pytest.grading.rules import Rules, read_rules
from maabarium_pytest.grading.surplus import surplus_plugins
from maabarium_pytest.grading.targets import TargetFiles, find_targets

__all__ = ["Suite", "find_interpreter", "prepare_suite"]


@dataclass(frozen=True)
class Suite:
    """One request, prepared."""

    request: EvaluationRequest
    python: str
    configuration: Configuration
    targets: TargetFiles
    rules: Rules
    surplus: tuple[str, ...]
    """Plug-ins of pytest that are not loaded."""

    @property
    def strict(self) -> bool:
        """Whether the baseline itself must be green."""
        return self.request.blueprint.constraints.require_tests_pass


def prepare_suite(request: EvaluationRequest, surplus: tuple[str, ...] | None = None) -> Suite:
    """Find everything; `surplus` as an earlier suite of this run has it. EvaluationError says what is not there."""
    options = request.blueprint.evaluator
    workspace = request.workspace
    targets = find_targets(workspace.path, request.blueprint.domain.target_files)
    rules = read_rules(request.folder, options.rules).with_holdout(read_rules(request.folder, options.holdout))
    if surplus is None:
        surplus = surplus_plugins(workspace.path, targets.paths, rules.contents.values())
    return Suite(
        request=request,
        python=find_interpreter(request.blueprint, request.folder),
        configuration=find_configuration(workspace.path, workspace.root),
        targets=targets,
        rules=rules,
        surplus=surplus,
    )


def find_interpreter(blueprint: Blueprint, folder: Path) -> str:
    """The target's interpreter: ours, a command, or a path relative to the blueprint's folder.

    Links are not resolved: a virtual environment is known by the path it is started under.
    """
    given = blueprint.evaluator.python
    if given is None:
        return sys.executable
    if "/" not in given:
        found = shutil.which(given)
        if found is None:
            raise EvaluationError(f'evaluator.python: there is no command "{given}" on the PATH')
        return found
    path = folder / Path(given).expanduser()
    if not path.is_file():
        raise EvaluationError(f"evaluator.python: {path} does not exist; give the path of the target's interpreter")
    return str(path.absolute())
