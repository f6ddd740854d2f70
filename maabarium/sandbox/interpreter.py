"""Which folders an interpreter needs to be seen: its prefixes and package folders, wherever they are.

Interpreters of pyenv, uv and conda live in the home folder, which a sandbox hides; what is named here is shown again.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import json
import os
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from maabarium.code.python_file import parse_strictly
from maabarium.errors import SandboxError

__all__ = ["folders_of_program"]

PYTHON = re.compile(r"(python|pypy)[0-9.]*(t|d)?$")
HOOK = re.compile(r"import\s+([\w.]+)")
MODULE = re.compile(r"\.(py|pyi|so|pyd)$")
ANSWER_SECONDS = 30.0
QUESTION = """
import json, os, site, sys
packages = [entry for entry in sys.path if os.path.isdir(entry)]
own = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
print(json.dumps([sorted(own), packages + site.getsitepackages() + [os.path.dirname(sys.executable)]]))
"""
"""Entries of `sys.path` beside the package folders come from `.pth` files: editable installs."""


def folders_of_program(name: str, path: str, cwd: Path) -> tuple[str, ...]:
    """Files and folders that this program needs beside the system's own. `name` is the first word of a command, `path`
    the PATH it is searched in. Raises SandboxError when an interpreter does not answer."""
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
    linked = [entry for folder in packages for entry in _linked_from(folder)]
    return _shown(prefixes, [*packages, *linked, executable])


def _linked_from(folder: str) -> Iterator[str]:
    """What the `.pth` files of a package folder lead to: editable installs, by a path or by an import hook."""
    with contextlib.suppress(OSError):  # a folder on the path that this user may not look into
        for file in sorted(Path(folder).glob("*.pth")):
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                if hook := HOOK.match(line):
                    yield from _named_in(Path(folder, f"{hook[1]}.py"))
                elif line.strip() and not line.startswith("#"):
                    yield os.path.join(folder, line.strip())  # noqa: PTH118


def _named_in(hook: Path) -> Iterator[str]:
    """The packages that an import hook finds: build backends write their absolute paths into it."""
    with contextlib.suppress(OSError, SyntaxError):
        for node in ast.walk(parse_strictly(hook.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/"):
                place = Path(node.value)
                if os.path.exists(place):  # noqa: PTH110 - False, not an error, where this user may not look
                    yield str(place.parent if place.name == "__init__.py" else place)


def _shown(prefixes: Iterable[str], folders: Iterable[str]) -> tuple[str, ...]:
    """What is to be seen: prefixes and package folders whole, of an editable install what can be imported only.

    Such a folder is somebody's checkout: it may hold a repository, `.env` files and databases beside the package.
    """
    found = set(prefixes)
    own = tuple(f"{prefix.rstrip('/')}/" for prefix in prefixes)
    for folder in folders:
        whole = folder.endswith("-packages") or f"{folder}/".startswith(own) or os.path.exists(f"{folder}/__init__.py")  # noqa: PTH110
        if whole or not os.path.isdir(folder):  # noqa: PTH112
            found.update([folder] if os.path.exists(folder) else [])  # noqa: PTH110
            continue
        with contextlib.suppress(OSError):
            found.update(entry.path for entry in os.scandir(folder) if _is_importable(entry))
    return tuple(sorted(found))


def _is_importable(entry: os.DirEntry[str]) -> bool:
    """Whether a name in a checkout is a module, or a package with at least one in it."""
    if entry.is_dir():
        return entry.name.isidentifier() and any(map(MODULE.search, os.listdir(entry.path)))  # noqa: PTH208
    return MODULE.search(entry.name) is not None


@functools.cache
def _asked_folders(program: str, stamp: int) -> tuple[str, ...]:
    environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    try:
        answer = subprocess.run(
            [program, "-I", "-c", QUESTION],
            capture_output=True,
            text=True,
            check=True,
            timeout=ANSWER_SECONDS,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
        )
        prefixes, folders = json.loads(answer.stdout)
        if not all(isinstance(folder, str) for folder in (*prefixes, *folders)):
            raise ValueError("no lists of folders")
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        raise SandboxError(
            f"the interpreter {program} does not say where its packages are ({error}); "
            "check evaluator.python by running it by hand"
        ) from error
    linked = [entry for folder in folders if folder.endswith("-packages") for entry in _linked_from(folder)]
    return (*_shown(prefixes, [*folders, *linked]), os.path.dirname(os.path.realpath(program)))  # noqa: PTH120
