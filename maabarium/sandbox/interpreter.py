"""Which folders an interpreter needs to be seen: its prefixes and package folders, wherever they are. Confines nothing.

Interpreters of pyenv, uv and conda live in the home folder, which a sandbox hides; what is named here is shown again,
read-only. Asked once per interpreter, in isolated mode (`-I`), of the interpreter itself.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

from maabarium.errors import SandboxError

__all__ = ["folders_of_program"]

PYTHON = re.compile(r"(python|pypy)[0-9.]*(t|d)?$")
PATIENCE = 30.0
QUESTION = """
import json, os, site, sys
packages = [entry for entry in sys.path if os.path.isdir(entry)]
own = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
print(json.dumps(sorted(own | set(packages) | set(site.getsitepackages()) | {os.path.dirname(sys.executable)})))
"""


def folders_of_program(name: str, path: str, cwd: Path) -> tuple[str, ...]:
    """Files and folders that this program needs beside the system's own.

    `name` is the first word of a command, `path` the PATH it is searched in. Raises SandboxError when an interpreter
    does not answer.
    """
    found = str(cwd / name) if "/" in name else shutil.which(name, path=path)
    if found is None:
        return ()
    if PYTHON.match(os.path.basename(found)):  # noqa: PTH119
        return (found, *folders_of_python(found))
    return (found, *(folders_of_python(script) if (script := shebang(found)) else ()))


def shebang(program: str) -> str | None:
    """The Python that a script names in its first line, if it does."""
    try:
        with open(program, "rb") as file:  # noqa: PTH123
            line = file.readline(512)
    except OSError:
        return None
    words = line[2:].split() if line.startswith(b"#!") else []
    word = os.fsdecode(words[0]) if words else ""
    return word if word.startswith("/") and PYTHON.match(os.path.basename(word)) else None  # noqa: PTH119


def folders_of_python(program: str) -> tuple[str, ...]:
    """Prefixes and package folders of an interpreter, and where its links lead."""
    if program == sys.executable:
        return _own_folders()
    try:
        stamp = Path(program).stat().st_mtime_ns
    except OSError as error:
        raise SandboxError(f"the interpreter {program} cannot be looked at: {error}") from error
    return _asked_folders(program, stamp)


@functools.cache
def _own_folders() -> tuple[str, ...]:
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    packages = [*site.getsitepackages(), *(entry for entry in sys.path if entry.endswith(("-packages", ".zip")))]
    executable = os.path.dirname(os.path.realpath(sys.executable))  # noqa: PTH120
    return tuple(sorted(prefixes | {entry for entry in packages if os.path.exists(entry)} | {executable}))  # noqa: PTH110


@functools.cache
def _asked_folders(program: str, stamp: int) -> tuple[str, ...]:
    environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    try:
        answer = subprocess.run(
            [program, "-I", "-c", QUESTION],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
        )
        folders = json.loads(answer.stdout)
        if not isinstance(folders, list) or not all(isinstance(folder, str) for folder in folders):
            raise ValueError("no list of folders")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxError(
            f"the interpreter {program} does not say where its packages are ({error}); "
            "check evaluator.python by running it by hand"
        ) from error
    return (*folders, os.path.dirname(os.path.realpath(program)))  # noqa: PTH120
