"""The manifest of a process plug-in: the original's TOML file, read and checked. Starts nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from maabarium.blueprint.schema import Settings
from maabarium.errors import EvaluationError
from maabarium.safe_text import one_line

__all__ = ["Manifest", "find_manifest", "folder_digest", "is_file", "read_manifest"]

LARGEST = 256 * 1024
PYTHONS = frozenset({"python", "python3"})
MOST_FILES = 2000
MOST_BYTES = 32 * 1024 * 1024
_SKIPPED = frozenset({".git", "__pycache__", ".venv", "node_modules"})

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


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
        """What to start. Raises EvaluationError when it is not there.

        A bare `python` or `python3` is the interpreter that we run in: what PATH finds may be a shim, a script that
        needs the home folder to find the real one, which the sandbox hides.
        """
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
        if path.stat().st_size > LARGEST:
            raise EvaluationError(f"{path.name} is larger than {LARGEST:,} bytes, which no manifest is")
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

    Empty when there is too much to read, or it cannot be: then nothing that was measured earlier may stand for it.
    """
    try:
        return _digest(folders)
    except OSError:
        return ""


def _digest(folders: tuple[Path, ...]) -> str:
    state, files, size = hashlib.sha256(), 0, 0
    for top in dict.fromkeys(folders):
        for where, inner, names in os.walk(top):
            inner[:] = sorted(set(inner) - _SKIPPED)
            for path in (Path(where, name) for name in sorted(names)):
                if path.is_symlink() or not path.is_file():
                    continue
                files, size = files + 1, size + path.stat().st_size
                if files > MOST_FILES or size > MOST_BYTES:
                    return ""
                state.update(f"{path.relative_to(top)}\0{path.stat().st_mode & 0o111}\0".encode("utf-8", "replace"))
                state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()
