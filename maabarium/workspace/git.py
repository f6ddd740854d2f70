"""The one door to git: its own program, in an environment that runs nobody else's.

In a user's repository only commands that start nothing foreign go through it: hooks, filters and the like are off.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from maabarium.errors import WorkspaceError
from maabarium.safe_text import printable
from maabarium.workspace.storage import storing

__all__ = [
    "IDENTITY", "OLDEST", "Git", "as_path", "as_text", "check_version", "close_pipes", "failure", "identity",
    "neutral_filters", "trusted_folders",
]  # fmt: skip

IDENTITY = ("Maabarium", "maabarium@localhost")
"""Author and committer of everything we commit."""
OLDEST = (2, 32)
"""The first git that lets us replace the global configuration (`GIT_CONFIG_GLOBAL`)."""

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "core.attributesFile": "/dev/null",
    "core.quotePath": "false",
    "core.alternateRefsCommand": ":",
    "core.sshCommand": "false",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "gpg.program": "false",
    "log.showSignature": "false",
    "diff.external": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
}  # fmt: skip

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",  # no lazy fetch of a partial clone, no remote helper
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_EDITOR": ":",
    "GIT_PAGER": "cat",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_AUTHOR_NAME": IDENTITY[0],
    "GIT_AUTHOR_EMAIL": IDENTITY[1],
    "GIT_COMMITTER_NAME": IDENTITY[0],
    "GIT_COMMITTER_EMAIL": IDENTITY[1],
    "LC_ALL": "C",
    "LANGUAGE": "C",
    "TZ": "UTC",
}


_PERSONAL = (
    "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_ATTR_NOSYSTEM", "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL",
)  # fmt: skip


def failure(command: Sequence[str], status: int, said: str) -> WorkspaceError:
    """The error for a git command that failed: `said` is what it printed, `status` its exit status."""
    shown = printable(" ".join(command))
    return WorkspaceError(f"git {shown} failed ({status}): {printable(said.strip()) or 'it said nothing'}")


def as_text(raw: bytes) -> str:
    """Names from git as text; what is not UTF-8 survives the way back (surrogateescape)."""
    return raw.decode("utf-8", "surrogateescape")


def as_path(raw: bytes) -> Path:
    """A path printed by git on a line of its own. Only the line's end is cut: a name may end in a blank."""
    return Path(os.fsdecode(raw.removesuffix(b"\n")))


class Git:
    """Runs git commands on one repository. Knows it from outside: `git_dir`, and `work_tree` where needed.

    With `git_dir=None` git looks for the repository from `folder` upwards, with its check of the owner.
    `personal` lets the user's own (global and system) configuration and identity count as well.
    """

    def __init__(
        self,
        git_dir: Path | None,
        work_tree: Path | None = None,
        index: Path | None = None,
        *,
        folder: Path | None = None,
        settings: Mapping[str, str] | None = None,
        safe: Iterable[str] = (),
        personal: bool = False,
    ) -> None:
        self.git_dir = git_dir
        self.folder = folder or work_tree or git_dir or Path("/")
        self._kept = _PERSONAL if personal else ()
        self._environment = {name: value for name, value in _ENVIRONMENT.items() if name not in self._kept}
        for name, path in (("GIT_DIR", git_dir), ("GIT_WORK_TREE", work_tree), ("GIT_INDEX_FILE", index)):
            if path is not None:
                self._environment[name] = str(path)
        pairs = [*{**_SETTINGS, **(settings or {})}.items(), *(("safe.directory", value) for value in safe)]
        self._environment["GIT_CONFIG_COUNT"] = str(len(pairs))
        for number, (key, value) in enumerate(pairs):
            self._environment[f"GIT_CONFIG_KEY_{number}"] = key
            self._environment[f"GIT_CONFIG_VALUE_{number}"] = value

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        ok: Iterable[int] = (0,),
        env: Mapping[str, str] | None = None,
        write: bool = False,
    ) -> bytes:
        """Run one command; its standard output. `write=False` takes no optional lock. WorkspaceError: not `ok`."""
        status, output, said = self.attempt(*arguments, stdin=stdin, env=env, write=write)
        if status not in ok:
            raise failure(arguments, status, said)
        return output

    def attempt(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None, write: bool = False
    ) -> tuple[int, bytes, str]:
        """Run one command; exit status, standard output, and what it printed on standard error."""
        process = self.start(*arguments, stdin=stdin is not None, env=env, write=write)
        with storing("talk to git in", self.folder):
            output, errors = process.communicate(stdin)
        return process.returncode, output, errors.decode("utf-8", "replace")

    def line(self, *arguments: str, **options: Any) -> str:
        """Run one command and return its output as one stripped line of text."""
        return as_text(self.run(*arguments, **options)).strip()

    def start(
        self, *arguments: str, stdin: bool = True, env: Mapping[str, str] | None = None, write: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a command with pipes. The caller ends it."""
        # we may have been started from a hook, which sets variables for the repository that it belongs to
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in self._kept}
        with storing("start git in", self.folder):
            return subprocess.Popen(
                [_executable(), *arguments],
                cwd=self.folder,
                env=inherited | self._environment | {"GIT_OPTIONAL_LOCKS": "1" if write else "0"} | dict(env or {}),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )


def _executable() -> str:
    found = shutil.which("git")
    if found is None:
        raise WorkspaceError("git is not installed or not on the PATH; install it (https://git-scm.com/downloads)")
    return found


def check_version() -> str:
    """What git says of its version. Raises WorkspaceError when there is none, or it is too old."""
    said = Git(None).line("version")
    numbers = re.search(r"(\d+)\.(\d+)", said)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise WorkspaceError(f"{said} is too old; git {OLDEST[0]}.{OLDEST[1]} or newer is needed")
    return said


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """End a started command: close its pipes, so that it finishes by itself, and collect it."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):  # it is gone already
                pipe.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# --- what we take from the user's own configuration: whom they trust, who they are, which filters there are ---


def trusted_folders() -> tuple[str, ...]:
    """`safe.directory` of the user's and the system's configuration: our own calls read neither. Runs nothing."""
    nowhere = Git(Path(os.devnull), folder=Path("/"), personal=True)  # in no repository, so no local configuration
    _, output, _ = nowhere.attempt("config", "-z", "--get-all", "safe.directory")
    return tuple(as_text(output).split("\0")[:-1])  # an empty one takes back those before it


def identity(git: Git) -> dict[str, str]:
    """What is missing of the user's name and address, as git variables, for a commit that is the user's act."""
    found = dict[str, str]()
    for key, name, ours in (("user.name", "NAME", IDENTITY[0]), ("user.email", "EMAIL", IDENTITY[1])):
        known = as_text(git.attempt("config", key)[1]).strip()
        for role in ("AUTHOR", "COMMITTER"):
            variable = f"GIT_{role}_{name}"
            found[variable] = os.environ.get(variable) or known or ours
    return found


def neutral_filters(git: Git) -> dict[str, str]:
    """Settings that switch every filter of this repository's configuration off, by name: there is no other way."""
    _, output, _ = git.attempt("config", "-z", "--name-only", "--get-regexp", r"^filter\.")
    names = {key[len("filter.") :].rpartition(".")[0] for key in as_text(output).split("\0") if key}
    off = {"clean": "", "smudge": "", "process": "", "required": "false"}
    return {f"filter.{name}.{key}": value for name in sorted(names) for key, value in off.items()}
