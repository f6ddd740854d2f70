"""Evaluators from outside: programs and WebAssembly modules of the user's, as `maabarium_evaluators` offers them."""

from __future__ import annotations

from pathlib import Path

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import Problem
from maabarium.evaluators.process import ProcessEvaluator, process_files, process_problems
from maabarium.evaluators.wasm import WasmEvaluator, wasm_files, wasm_problems
from maabarium.plugins.hook_requests import BlueprintCheck
from maabarium.plugins.protocols import EvaluatorFactory

__all__ = ["EVALUATORS", "ProcessEvaluator", "WasmEvaluator", "evaluator_problems", "outside_files"]

EVALUATORS: dict[str, EvaluatorFactory] = {"process": ProcessEvaluator, "wasm": WasmEvaluator}
"""Ours by name."""


def evaluator_problems(request: BlueprintCheck) -> list[Problem]:
    """What is wrong with the manifest or module that a blueprint needs; `maabarium_check_blueprint` answers this."""
    found = process_problems(request) if "process" in request.sources else []
    return found + (wasm_problems(request) if "wasm" in request.sources else [])


def outside_files(blueprint: Blueprint, folder: Path) -> tuple[Path, ...]:
    """The files that an evaluator from outside consists of, as far as they can be told: no candidate may change them.
    `folder`: where the blueprint lies. What is not there, or not asked for, is left out."""
    wanted = {blueprint.evaluator.kind, *blueprint.evaluator.options}
    files = process_files(blueprint, folder) if "process" in wanted else ()
    return files + (wasm_files(blueprint, folder) if "wasm" in wanted else ())
