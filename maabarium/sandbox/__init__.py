"""The one door through which a process of a target is started; backends are plug-ins, ours is `subprocess`."""

from __future__ import annotations

from maabarium.protocols import SandboxFactory
from maabarium.sandbox.subprocess import SubprocessSandbox

__all__ = ["SANDBOXES", "SubprocessSandbox"]

SANDBOXES: dict[str, SandboxFactory] = {"subprocess": SubprocessSandbox}
"""Our backends by name, as `maabarium_sandboxes` contributes them."""
