"""How a program gets from "started" to "running under its limits": one door for one run.

The plain door is the gate, a shell that waits; a confining backend brings its own. Supervision, clock, output and
the end of all processes are the same behind every door.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from maabarium.plugins.protocols import Command
from maabarium.sandbox.clock import CpuClock
from maabarium.sandbox.gate import Gate
from maabarium.sandbox.process_tree import ProcessTree

__all__ = ["Door", "GateDoor"]


class Door(Protocol):
    """What is started instead of the program, and what lets the program begin."""

    argv: Sequence[str]
    env: Mapping[str, str]
    path: str
    """PATH in which the program is searched."""
    stdin: int
    descriptors: tuple[int, ...]
    """Inherited beside the channel."""
    guard: Callable[[], str] | None
    """Asked every few milliseconds while the program runs: a sentence when it must end."""

    @property
    def tree(self) -> ProcessTree:
        """All processes behind this door."""

    def open(self, pid: int, clock: CpuClock) -> float:
        """Let the program begin; the CPU seconds that were used before it did. SandboxError when it cannot."""

    def close(self) -> None:
        """Give everything back."""


class GateDoor:
    """The shell at the gate; limits are set on it from outside."""

    descriptors: tuple[int, ...] = ()
    guard: Callable[[], str] | None = None

    def __init__(self, command: Command, env: Mapping[str, str], tree: ProcessTree, settings: Iterable[str]) -> None:
        self._gate = Gate()
        self.argv: Sequence[str] = self._gate.argv(list(command.argv), settings)
        self.env: Mapping[str, str] = env
        self.path = env["PATH"]
        self.stdin = self._gate.stdin
        self.tree = tree

    def open(self, pid: int, clock: CpuClock) -> float:
        """The gate's shell becomes the program; what it used is too little to be told apart."""
        self._gate.open()
        return 0.0

    def close(self) -> None:
        """Close the gate."""
        self._gate.close()
