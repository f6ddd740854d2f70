"""The evaluator `wasm`: a WASI module of the user's, asked and answering in JSON; it sees the tree read-only."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from maabarium.blueprint.schema import Blueprint, Settings
from maabarium.errors import EvaluationError, Problem, SandboxError
from maabarium.evaluators.answer import LARGEST_ANSWER, answered, ended_badly, failed_gate, grader_of
from maabarium.evaluators.process import find_manifest
from maabarium.evaluators.question import own_metrics, question, question_folder
from maabarium.plugins.hook_requests import BlueprintCheck
from maabarium.plugins.processes import Completed
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation, Gate, ReasonCode
from maabarium.safe_text import one_line, plain
from maabarium.sandbox.wasi import LARGEST_PROGRAM, WasiProgram
from maabarium.sandbox.wasm import WasmLimits, read_module
from maabarium.sandbox.wasm_child import GUEST

__all__ = ["WasmEvaluator", "wasm_files", "wasm_problems"]

NAME = "wasm"
GRACE = 3.0
"""Seconds beyond the module's own deadline until its process is killed: for a module that waits in a host call."""
LOG = 20_000
FAULTS = {"refused": "says", "broken": "could not be run"}
"""Endings that are not the candidate's failure."""


class WasmOptions(Settings):
    """`[evaluator.options.wasm]`. `path` is relative to the blueprint; `[evaluator] manifest_path` says the same."""

    path: str | None = None
    fuel: int = Field(default=20_000_000_000, ge=1, le=2**63 - 1)
    """About how many instructions one evaluation may take."""
    memory_mb: int = Field(default=256, ge=1, le=4096)
    timeout_seconds: float = Field(default=60, gt=0, le=86_400)


class WasmEvaluator:
    """Asks a module, in a process of its own in the sandbox. Its sources are whatever the metrics want."""

    sources = frozenset({"*"})

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.options = WasmOptions.model_validate(dict(options or {}))

    def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Ask once. Raises EvaluationError for a broken module or answer; one that traps is a failed gate."""
        path = _module_path(request.blueprint, request.folder, self.options)
        try:
            data = read_module(path, LARGEST_PROGRAM)
            return self._ask(request, path.name, _program(data, self.options), hashlib.sha256(data).hexdigest())
        except (EvaluationError, SandboxError) as error:
            raise EvaluationError(f"the evaluator wasm:{path.name}: {error}") from error

    def _ask(self, request: EvaluationRequest, who: str, program: WasiProgram, digest: str) -> Evaluation:
        workspace = request.workspace
        seconds = max(0.1, min(self.options.timeout_seconds, request.deadline - time.monotonic() - GRACE))
        root = workspace.root.relative_to(workspace.path).as_posix()
        guest_root = GUEST if root == "." else f"{GUEST}/{root}"
        with question_folder(workspace.scratch, question(request, NAME, GUEST, guest_root)) as files:
            argv = program.argv(workspace.path, seconds, question=files.question, answer=files.answer, log=files.log)
            completed = workspace.run(argv, timeout=seconds + GRACE, readable=program.readable)
            answer = files.read("answer.json", LARGEST_ANSWER)
            log = files.read("log.txt", LOG) or files.read("log.txt2", LOG) or b""
        grader = grader_of(request, module=digest, options=self.options.model_dump(mode="json", exclude={"path"}))
        seen = Evaluation(grader=grader, log=plain(log[:LOG].decode("utf-8", "replace")))
        gate = self._gate(program, completed, who, seconds)
        return answered(seen, gate, answer, own_metrics(request, NAME), request.sources)

    def _gate(self, program: WasiProgram, completed: Completed, who: str, seconds: float) -> Gate | None:
        """The gate that fails because the module did not come to its end; None when it did. Raises EvaluationError when
        that is the module's own doing, or ours."""
        gate = ended_badly(completed, seconds, who)
        if gate is not None:
            return gate
        ending = program.ending(completed)
        if ending.kind in FAULTS:
            raise EvaluationError(f"{FAULTS[ending.kind]}: {one_line(ending.detail, 400)}")
        reasons: dict[str, tuple[ReasonCode, str]] = {
            "fuel": ("timeout", f"used up its fuel of {self.options.fuel:,} instructions"),
            "deadline": ("timeout", f"did not end within {seconds:.3g} s"),
            "large": ("output_flood", f"answered with {ending.detail} bytes; at most {LARGEST_ANSWER:,} are read"),
            "exit": ("crashed", f"ended with status {one_line(ending.detail, 20)}"),
            "trap": ("crashed", f"trapped: {one_line(ending.detail, 300)}"),
        }
        if ending.kind not in reasons:
            return None
        code, said = reasons[ending.kind]
        return failed_gate(code, f"{who} {said}")


def wasm_problems(request: BlueprintCheck) -> list[Problem]:
    """What is wrong with the module of a blueprint that needs one."""
    evaluator = request.blueprint.evaluator
    own = evaluator.options.get(NAME, {})
    in_general = evaluator.manifest_path and not own.get("path")
    where = "evaluator.manifest_path" if in_general else f"evaluator.options.{NAME}.path"
    try:
        options = WasmOptions.model_validate(own)
        path = _module_path(request.blueprint, request.path.parent, options)
        _program(read_module(path, LARGEST_PROGRAM), options)
    except ValidationError:
        pass  # said where the evaluator is made
    except EvaluationError as error:
        return [Problem(where, str(error))]
    except SandboxError as error:
        return [Problem(where, f"{path.name} {error}")]
    return []


def wasm_files(blueprint: Blueprint, folder: Path) -> tuple[Path, ...]:
    """The module, when one is asked for and there."""
    try:
        path = _module_path(blueprint, folder, WasmOptions.model_validate(blueprint.evaluator.options.get(NAME, {})))
    except EvaluationError:
        return ()
    return (path,) if path.is_file() else ()


@lru_cache(maxsize=4)
def _program(data: bytes, options: WasmOptions) -> WasiProgram:
    limits = WasmLimits(fuel=options.fuel, memory=options.memory_mb * 1024 * 1024, seconds=options.timeout_seconds)
    return WasiProgram(data, limits, LARGEST_ANSWER)


def _module_path(blueprint: Blueprint, folder: Path, options: WasmOptions) -> Path:
    named = options.path or blueprint.evaluator.manifest_path
    if not named:
        raise EvaluationError('is missing: the evaluator wasm needs the path of its module, such as "grade.wasm"')
    return find_manifest(folder, blueprint.domain.repo_path, named)
