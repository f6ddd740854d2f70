"""One more "backend" for the tests: every command becomes a session of a program that was kept ready for it."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.processes import Command, Completed, SandboxFactory
from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.kept import LAUNCHER, ForkingRunner, Kept

__all__ = ["BACKENDS", "KEPT", "forking_runner", "keep", "session_of"]

PROGRAM = Path(__file__).parent / "forking.py"
KEPT = "kept"


class KeptSandbox:
    """A `Sandbox` that keeps a program for each command, runs the command as its only session, and ends the program."""

    def __init__(self, runner: ForkingRunner) -> None:
        self._runner = runner
        self.name, self.level, self.held_by, self.notes = KEPT, runner.level, runner.held_by, runner.notes

    def run(self, command: Command) -> Completed:
        """As `Sandbox.run`. Of the disk the session sees the folder that holds its tree and, if named, its home."""
        places = [command.cwd, *(Path(command.env[name]) for name in ("HOME", "TMPDIR") if name in command.env)]
        place = Path(os.path.commonpath(places))
        python = command.argv[0] if Path(command.argv[0]).name.startswith("python") else sys.executable
        kept = keep(
            self._runner,
            place,
            env=command.env,
            readable=command.readable,
            writable=command.writable,
            python=[python, *(word for word in command.argv[1:3] if word in ("-I", "-S"))],
        )
        try:
            return kept.run(session_of(command), place)
        finally:
            kept.close()


def keep(
    runner: ForkingRunner,
    place: Path,
    *,
    env: Mapping[str, str] | None = None,
    readable: tuple[Path, ...] = (),
    writable: tuple[Path, ...] = (),
    python: Sequence[str] = (sys.executable, "-I", "-S"),
    code: str = "",
) -> Kept:
    """Keep `forking.py`, whose sessions see their folder at `place`; `code` is executed in it before it is ready."""
    argv = [*python, str(PROGRAM), str(LAUNCHER), code]
    return runner.keep(Command(argv, place, env or {}, readable=(PROGRAM, *readable), writable=writable), place, place)


def session_of(command: Command) -> Command:
    """What a kept `forking.py` is told, so that it does what the command does."""
    return dataclasses.replace(command, argv=[json.dumps(dict(command.env)), json.dumps(list(command.argv))])


def forking_runner(options: SandboxOptions, cancel: threading.Event) -> ForkingRunner:
    """The runner that keeps programs."""
    runner = SANDBOXES["namespaces"](options, cancel)
    assert isinstance(runner, ForkingRunner)
    return runner


BACKENDS: dict[str, SandboxFactory] = {
    **SANDBOXES,
    KEPT: lambda options, cancel: KeptSandbox(forking_runner(options, cancel)),
}
"""Those of `maabarium_sandboxes`, and the sessions of a kept program."""
