"""The one door to git: GitPython's command wrapper in an environment that runs nobody else's programs.

Must not know what the commands mean. In a repository of the user only commands that start nothing foreign may
go through it; hooks, fsmonitor, signing, pager, transports and (where listed) filters are switched off here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from maabarium.errors import WorkspaceError
from maabarium.safe_text import printable
from maabarium.workspace.storage import storing

__all__ = ["IDENTITY", "Git", "as_path", "as_text", "close_pipes", "failure"]

IDENTITY = ("Maabarium", "maabarium@localhost")
"""Author and committer of everything we commit."""

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
        """Run one command to its end and return its standard output exactly.

        `write=False` takes no optional lock. Raises WorkspaceError when the exit status is not one of `ok`.
        """
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
        environment = self._environment | {"GIT_OPTIONAL_LOCKS": "1" if write else "0"} | dict(env or {})
        foreign = [name for name in os.environ if name.startswith("GIT_") and name not in self._kept]
        command = [_executable(), *arguments]
        if foreign:  # we may have been started from a hook; the wrapper can add to the environment, not take away
            scrub = [part for name in foreign if name not in environment for part in ("-u", name)]
            command = ["env", *scrub, *command]
        wrapper = _command_wrapper()(str(self.folder))
        with storing("start git in", self.folder):
            held: Any = wrapper.execute(
                command, istream=subprocess.PIPE if stdin else None, as_process=True, env=environment
            )
        process: subprocess.Popen[bytes] = held.proc
        held.proc = None  # GitPython would interrupt it when the holder goes
        return process


def _executable() -> str:
    found = shutil.which("git")
    if found is None:
        raise WorkspaceError("git is not installed or not on the PATH; install it (https://git-scm.com/downloads)")
    return found


def _command_wrapper() -> Any:
    """GitPython's `git.cmd.Git`. Imported late: it costs 75 ms and looks for git at import."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from git.cmd import Git as Wrapper

    return Wrapper


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """End a started command: close its pipes, so that it finishes by itself, and collect it."""
    pipes: list[IO[bytes] | None] = [process.stdin, process.stdout, process.stderr]
    for pipe in pipes:
        if pipe is not None:
            with suppress(BrokenPipeError):  # it is gone already
                pipe.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
