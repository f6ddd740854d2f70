"""The one door through which a process of a target is started; backends are plug-ins, ours is `subprocess`."""

from __future__ import annotations

from maabarium.plugins.protocols import SandboxFactory
from maabarium.sandbox.bubblewrap import BubblewrapSandbox
from maabarium.sandbox.namespaces import NamespacesSandbox
from maabarium.sandbox.restricted import LandlockSandbox
from maabarium.sandbox.subprocess import SubprocessSandbox

__all__ = ["SANDBOXES", "BubblewrapSandbox", "LandlockSandbox", "NamespacesSandbox", "SubprocessSandbox"]

SANDBOXES: dict[str, SandboxFactory] = {
    "namespaces": NamespacesSandbox,
    "bubblewrap": BubblewrapSandbox,
    "landlock": LandlockSandbox,
    "subprocess": SubprocessSandbox,
}
"""Our backends by name, as `maabarium_sandboxes` contributes them."""
