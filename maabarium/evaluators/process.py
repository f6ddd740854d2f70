"""The evaluator `process`: a program of the user's, described by a manifest, asked over stdin and stdout.

The original's protocol, extended and checked. The program runs in the sandbox, like everything else that may touch a
candidate's files; stdin and stdout are files, so that neither side can wait for the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from maabarium.blueprint.schema import Blueprint, Settings
from maabarium.errors import EvaluationError, Problem
from maabarium.evaluators.answer import LARGEST_ANSWER, answered, ended_badly, failed_gate, grader_of
from maabarium.evaluators.question import own_metrics, question, question_folder
from maabarium.plugins.hook_requests import BlueprintCheck
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation
from maabarium.safe_text import one_line, plain
from maabarium.sandbox.file_access import WHOLE
from maabarium.sandbox.interpreter import folders_of_program

__all__ = ["Manifest", "ProcessEvaluator", "find_manifest", "process_files", "process_problems", "read_manifest"]

NAME = "process"
REDIRECT = 'asked=$1 answer=$2; shift 2; exec "$@" <"$asked" >"$answer"'
"""The sandbox starts without stdin and keeps only a part of the output: both go through files instead."""
LOG = 20_000
LARGEST_MANIFEST = 256 * 1024
PYTHONS = frozenset({"python", "python3"})
MOST_FILES = 2000
MOST_BYTES = 32 * 1024 * 1024
_SKIPPED = frozenset({".git", "__pycache__", ".venv", "node_modules"})

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


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
        # The sandbox sees only the shell that starts it, and shows system folders anyway.
        needed = folders_of_program(program[0], os.environ.get("PATH", os.defpath), manifest.working_dir)
        shown = [Path(entry) for entry in needed if entry not in WHOLE]
        with question_folder(workspace.scratch, asked) as files:
            completed = workspace.run(
                ["/bin/sh", "-c", REDIRECT, "sh", str(files.question), str(files.answer), *program],
                timeout=seconds,
                env=manifest.environment,
                cwd=manifest.working_dir,
                readable=(manifest.folder, manifest.working_dir, *shown),
            )
            answer = files.read("answer.json", LARGEST_ANSWER)
        gate = ended_badly(completed, seconds, manifest.plugin.id)
        if gate is None and len(answer or b"") > LARGEST_ANSWER:
            gate = failed_gate("output_flood", f"{manifest.plugin.id} wrote more than {LARGEST_ANSWER:,} bytes")
        seen = Evaluation(grader=self._fingerprint(request, manifest), log=plain(completed.output[-LOG:]))
        return answered(seen, gate, answer, own_metrics(request, NAME), request.sources)

    def _fingerprint(self, request: EvaluationRequest, manifest: Manifest) -> str:
        """What the score depends on beside the tree; unique when that cannot be told, so that nothing is reused."""
        if manifest.folder not in self._digests:
            digest = folder_digest(manifest.folder, manifest.working_dir)
            self._digests[manifest.folder] = digest or secrets.token_hex(16)
        digest = self._digests[manifest.folder]
        return grader_of(request, manifest=manifest.model_dump(mode="json"), files=digest)


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


class Plugin(Settings):
    """`[plugin]`."""

    id: Text
    version: str = ""
    display_name: str | None = None
    timeout_seconds: float = Field(default=60, gt=0, le=86_400)


class Process(Settings):
    """`[process]`. `working_dir` is relative to the manifest, and so is a command with a slash to it."""

    command: Text
    args: tuple[str, ...] = ()
    working_dir: str | None = None


class Manifest(Settings):
    """A manifest and where it lies; made by `read_manifest`."""

    plugin: Plugin
    process: Process
    environment: dict[Text, str] = Field(default_factory=dict)
    folder: Path
    """The manifest's own folder, absolute."""

    @property
    def working_dir(self) -> Path:
        """Where the process runs."""
        return (self.folder / (self.process.working_dir or ".")).resolve()

    def program(self) -> str:
        """What to start. Raises EvaluationError when it is not there. A bare `python` or `python3` is the interpreter
        that we run in: what PATH finds may be a script that needs the home folder, which the sandbox hides."""
        command = self.process.command
        if command in PYTHONS:
            return sys.executable
        if "/" in command:
            place = self.working_dir / command
            if not is_file(place) or not os.access(place, os.X_OK):
                raise EvaluationError(f"{command} is not an executable file in {self.working_dir}")
            return str(place)
        if shutil.which(command) is None:
            raise EvaluationError(f"there is no program {command} on PATH")
        return command


def find_manifest(folder: Path, repo_path: str, name: str) -> Path:
    """Where a blueprint's `manifest_path` leads: from its own folder, else (as in the original) from `repo_path`."""
    here, there = folder / name, folder / repo_path / name
    return there if is_file(there) and not is_file(here) else here


def is_file(path: Path) -> bool:
    """Whether that is a file; what cannot be a name (an argument with a whole script in it) is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest. Raises EvaluationError with what is wrong, and where."""
    try:
        if not is_file(path):
            raise EvaluationError(f"there is no manifest {path.name} in {path.parent}")
        if path.stat().st_size > LARGEST_MANIFEST:
            raise EvaluationError(f"{path.name} is larger than {LARGEST_MANIFEST:,} bytes, which no manifest is")
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError(f"{path.name} cannot be read as TOML: {one_line(str(error))}") from error
    document.pop("folder", None)
    try:
        manifest = Manifest.model_validate({**document, "folder": path.parent.resolve()})
    except ValidationError as error:
        said = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)[:5]]
        raise EvaluationError(f"{path.name} is not a manifest: {one_line('; '.join(said), 400)}") from error
    if not manifest.working_dir.is_dir():
        raise EvaluationError(f"{path.name}: process.working_dir {manifest.working_dir} is not a folder")
    bad = [name for name in manifest.environment if "=" in name or "\0" in name or "\0" in manifest.environment[name]]
    if bad or any("\0" in word for word in (manifest.process.command, *manifest.process.args)):
        raise EvaluationError(f"{path.name} has a name or value that no process can be given")
    return manifest


def folder_digest(*folders: Path) -> str:
    """SHA-256 over the files of these folders, so that a changed plug-in is another grader; links are not followed.
    Empty when there is too much to read, or it cannot be: then nothing that was measured earlier may stand for it."""
    state, files, size = hashlib.sha256(), 0, 0
    with contextlib.suppress(OSError):
        for top in dict.fromkeys(folders):
            for where, inner, names in os.walk(top):
                inner[:] = sorted(set(inner) - _SKIPPED)
                for path in (Path(where, name) for name in sorted(names)):
                    if path.is_symlink() or not path.is_file():
                        continue
                    files, size = files + 1, size + path.stat().st_size
                    if files > MOST_FILES or size > MOST_BYTES:
                        return ""
                    mode = path.stat().st_mode & 0o111
                    state.update(f"{path.relative_to(top)}\0{mode}\0".encode("utf-8", "replace"))
                    state.update(hashlib.sha256(path.read_bytes()).digest())
        return state.hexdigest()
    return ""
