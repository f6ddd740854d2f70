"""The evaluator `process`: a program of the user's, described by a manifest, asked over stdin and stdout.

The original's protocol, extended and checked. The program runs in the sandbox, like everything else that may touch a
candidate's files; stdin and stdout are files, so that neither side can wait for the other. It must not know how scores
are judged.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from maabarium.blueprint.schema import Blueprint, Settings
from maabarium.errors import EvaluationError, Problem
from maabarium.evaluators.answer import LARGEST_ANSWER, answered, ended_badly
from maabarium.evaluators.manifest import Manifest, find_manifest, folder_digest, is_file, read_manifest
from maabarium.evaluators.question import own_metrics, question, question_folder
from maabarium.plugins.hook_requests import BlueprintCheck
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation, Gate
from maabarium.safe_text import plain
from maabarium.sandbox.file_access import WHOLE
from maabarium.sandbox.interpreter import folders_of_program

__all__ = ["ProcessEvaluator", "process_files", "process_problems"]

NAME = "process"
REDIRECT = 'asked=$1 answer=$2; shift 2; exec "$@" <"$asked" >"$answer"'
"""The sandbox starts without stdin and keeps only a part of the output: both go through files instead."""
LOG = 20_000


class ProcessOptions(Settings):
    """`[evaluator.options.process]`: what `[evaluator]` says too; needed when another evaluator is the primary one."""

    manifest_path: str | None = None
    plugin_id: str | None = None


class ProcessEvaluator:
    """Asks a program. Its sources are whatever the metrics want: the program says at once if it cannot."""

    sources = frozenset({"*"})

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.options = ProcessOptions.model_validate(dict(options or {}))
        self._digests: dict[Path, str] = {}

    def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Ask once. Raises EvaluationError for a broken manifest or answer; a program that dies is a failed gate."""
        manifest = _manifest(request.blueprint, request.folder, self.options)
        try:
            return self._ask(request, manifest)
        except EvaluationError as error:
            raise EvaluationError(f"the evaluator process:{manifest.plugin.id}: {error}") from error

    def _ask(self, request: EvaluationRequest, manifest: Manifest) -> Evaluation:
        workspace = request.workspace
        seconds = max(0.1, min(manifest.plugin.timeout_seconds, request.deadline - time.monotonic()))
        asked = question(request, NAME, str(workspace.path), str(workspace.root))
        program = [manifest.program(), *manifest.process.args]
        with question_folder(workspace.scratch, asked) as files:
            completed = workspace.run(
                ["/bin/sh", "-c", REDIRECT, "sh", str(files.question), str(files.answer), *program],
                timeout=seconds,
                env=manifest.environment,
                cwd=manifest.working_dir,
                readable=(manifest.folder, manifest.working_dir, *_folders(program[0], manifest.working_dir)),
            )
            answer = files.read("answer.json", LARGEST_ANSWER)
        gate = ended_badly(completed, seconds, manifest.plugin.id)
        if gate is None and len(answer or b"") > LARGEST_ANSWER:
            said = f"{manifest.plugin.id} wrote more than {LARGEST_ANSWER:,} bytes"
            gate = Gate(name="answer", passed=False, reason_code="output_flood", detail=said)
        seen = Evaluation(grader=self._fingerprint(request, manifest), log=plain(completed.output[-LOG:]))
        return answered(seen, gate, answer, own_metrics(request, NAME), request.sources)

    def _fingerprint(self, request: EvaluationRequest, manifest: Manifest) -> str:
        """What the score depends on beside the tree; unique when that cannot be told, so that nothing is reused."""
        if manifest.folder not in self._digests:
            digest = folder_digest(manifest.folder, manifest.working_dir)
            self._digests[manifest.folder] = digest or secrets.token_hex(16)
        parts = {
            "manifest": manifest.model_dump(mode="json"),
            "files": self._digests[manifest.folder],
            "metrics": request.blueprint.metrics.model_dump(mode="json"),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def process_problems(request: BlueprintCheck) -> list[Problem]:
    """What is wrong with the manifest of a blueprint that needs one."""
    own = request.blueprint.evaluator.options.get(NAME, {})
    where = f"evaluator.options.{NAME}.manifest_path" if "manifest_path" in own else "evaluator.manifest_path"
    try:
        _manifest(request.blueprint, request.path.parent, ProcessOptions.model_validate(own)).program()
    except ValidationError:
        return []  # said where the evaluator is made
    except EvaluationError as error:
        return [Problem(where, str(error))]
    return []


def process_files(blueprint: Blueprint, folder: Path) -> tuple[Path, ...]:
    """The manifest, and the files that its command line names in its working folder."""
    options = ProcessOptions.model_validate(blueprint.evaluator.options.get(NAME, {}))
    named = options.manifest_path or blueprint.evaluator.manifest_path
    try:
        manifest = _manifest(blueprint, folder, options)
    except EvaluationError:
        return ()
    words = [manifest.working_dir / word for word in (manifest.process.command, *manifest.process.args)]
    path = find_manifest(folder, blueprint.domain.repo_path, str(named))
    return (path, *filter(is_file, words))


def _folders(program: str, cwd: Path) -> list[Path]:
    """What the sandbox has to show of the program: it sees only the shell that starts it. System folders are there."""
    found = folders_of_program(program, os.environ.get("PATH", os.defpath), cwd)
    return [Path(entry) for entry in found if entry not in WHOLE]


def _manifest(blueprint: Blueprint, folder: Path, options: ProcessOptions) -> Manifest:
    """The manifest that a blueprint names, read anew: it may have been mended. Raises EvaluationError."""
    named = options.manifest_path or blueprint.evaluator.manifest_path
    if not named:
        raise EvaluationError("is missing: the evaluator process needs the path of its manifest")
    manifest = read_manifest(find_manifest(folder, blueprint.domain.repo_path, named))
    wanted = options.plugin_id or blueprint.evaluator.plugin_id
    if wanted and wanted != manifest.plugin.id:
        raise EvaluationError(f"the manifest is of the plug-in {manifest.plugin.id}, but plugin_id says {wanted}")
    return manifest
