"""Where a run is killed: a fresh copy of the target with its own cache, the child processes, and their user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["CHILD", "TARGET", "Stage", "git", "kill"]

TARGET = Path(__file__).with_name("target")
CHILD = Path(__file__).with_name("crash_child.py")
BLUEPRINT = "loop/stall.toml"
_USER = ("-c", "user.name=User", "-c", "user.email=user@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *arguments: str) -> str:
    """What git prints."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Stage:
    """One copy of the target at `root/target`, its cache at `root/cache`."""

    def __init__(self, root: Path, *, by_pytest: bool = False, iterations: int | None = None) -> None:
        self.root = root
        self.target = root / "target"
        self.database = self.target / "data" / "maabarium.db"
        self.log = self.database.with_suffix(".log")
        self.by_pytest = by_pytest
        self.iterations = iterations
        self.commits: list[str] = []
        """What the user committed, oldest first."""

    def build(self) -> Stage:
        """Make the target; every stage's first commit is the same."""
        self.root.mkdir(parents=True)
        ignored = shutil.ignore_patterns("__pycache__", "data")
        shutil.copytree(TARGET, self.target, ignore=ignored)
        git(self.target, "init", "-q", "-b", "main")
        git(self.target, "add", "-A")
        self._commit("Open the stall", "2026-01-01T12:00:00Z")
        return self

    def commit(self) -> None:
        """The user goes on working on their own branch."""
        number = len(self.commits)
        (self.target / "notes.txt").write_text(f"thought {number}\n")
        git(self.target, "add", "notes.txt")
        self._commit(f"Note thought {number}", f"2026-01-01T13:{number:02}:00Z")

    def _commit(self, message: str, when: str) -> None:
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        command = ["git", "-C", str(self.target), *_USER, "commit", "-q", "-m", message]
        subprocess.run(command, check=True, env={**os.environ, **dates})
        self.commits.append(git(self.target, "rev-parse", "HEAD").strip())

    def start(self, *, resume: bool = False, die: str = "", database: Path | None = None) -> subprocess.Popen[str]:
        """Start or resume a run as the leader of a process group; `die` is for the child script alone."""
        prefix = "--maabarium-" if self.by_pytest and not die else "--"
        if self.by_pytest and not die:
            command = [
                "-m",
                "pytest",
                "-p",
                "crash_calm",
                "--maabarium",
                BLUEPRINT,
                *(["--maabarium-resume=last"] if resume else []),
            ]
            command += [f"--maabarium-db={database}"] if database else []
        else:
            command = [str(CHILD), BLUEPRINT, *(["--resume"] if resume else []), *(["--die", die] if die else [])]
            command += ["--database", str(database)] if database else []
        if self.iterations:
            command.append(f"{prefix}iterations={self.iterations}")
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.root / "cache"), "PYTHONPATH": str(CHILD.parent)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # it makes every session three times as slow
        with (self.root / "output.txt").open("a") as output:
            return subprocess.Popen(
                [sys.executable, *command], cwd=self.target, env=environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip

    def output(self) -> str:
        """What the children printed."""
        return (self.root / "output.txt").read_text(errors="replace")

    def transitions(self) -> int:
        """How many transitions the log tells of."""
        try:
            return self.log.read_text().count('"sequence"')
        except OSError:
            return 0

    def left_processes(self) -> list[str]:
        """Processes of this stage that still live, a moment after it ended."""
        for _ in range(20):
            found = [line for line in map(self._belongs, Path("/proc").glob("[0-9]*")) if line]
            if not found:
                return []
            time.sleep(0.1)
        return found

    def _belongs(self, process: Path) -> str:
        try:
            if int(process.name) == os.getpid():
                return ""
            texts = [os.fsencode(os.readlink(process / "cwd")), (process / "cmdline").read_bytes()]  # noqa: PTH115
            return f"process {process.name}" if any(os.fsencode(self.root) in text for text in texts) else ""
        except OSError:
            return ""  # it ended, or is somebody else's


def kill(process: subprocess.Popen[str], *, group: bool) -> bool:
    """SIGKILL for the process, or for all of its group; whether it was still running."""
    if process.poll() is not None:
        return False
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    return process.wait() == -signal.SIGKILL
