"""A program that is started but waits at a gate until its parent has confined it. Knows no limits by itself.

Code of ours between fork and exec is not safe in a program with threads, and confining after exec is a race: on a busy
machine a small program forks, leaves its session and cleans its environment before the parent gets its turn (seen).
So the first program is a POSIX shell which reads one line from its standard input and then *becomes* the program. If
the parent dies first, the read fails and nothing starts. Costs 0.6 ms; the shell adds PWD to the environment.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["Gate", "find_program"]

SHELL = "/bin/sh"
WAIT = 'read -r _ || exit 125; exec "$@" </dev/null'


class Gate:
    """One gate for one process: start `argv` with `stdin`, confine it, `open` the gate, `close` in any case."""

    def __init__(self) -> None:
        self.stdin, self._ours = os.pipe()
        self._closed = False

    def argv(self, program: Sequence[str], settings: Iterable[str] = ()) -> list[str]:
        """The command to start instead; `settings` are shell commands to execute before the program."""
        return [SHELL, "-c", "; ".join([*settings, WAIT]), "sh", *program]

    def open(self) -> None:
        """Let the program begin. A process that died meanwhile is no error."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._ours, b"\n")
        self.close()

    def close(self) -> None:
        """Give the descriptors back; a process that still waits ends with status 125."""
        if not self._closed:
            self._closed = True
            os.close(self.stdin)
            os.close(self._ours)


def find_program(name: str, path: str, cwd: Path) -> None:
    """Raise OSError when there is no such program: the shell would only say so in the output."""
    if "/" not in name:
        if shutil.which(name, path=path) is None:
            raise FileNotFoundError(f"there is no program of that name in {path}")
        return
    place = cwd / name
    if not place.exists():
        raise FileNotFoundError(f"there is no file {place}")
    if place.is_dir() or not os.access(place, os.X_OK):
        raise PermissionError(f"{place} is not executable")
