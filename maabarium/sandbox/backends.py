"""Our sandboxes: each a runner of one door and caps. Each raises SandboxError for what it cannot hold here."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from functools import partial

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.processes import SandboxFactory
from maabarium.sandbox.bubblewrap import PROGRAM, BubblewrapDoor
from maabarium.sandbox.caps import NPROC_UNBOUND, ROOT_UNBOUND, Caps
from maabarium.sandbox.door import PlainDoor
from maabarium.sandbox.kept import ForkingRunner
from maabarium.sandbox.launch_plans import NOTE, PRIVATE, SCOPE_ABI, landlock_plan, namespaces_plan
from maabarium.sandbox.launcher import syscalls
from maabarium.sandbox.launcher_door import LaunchDoor
from maabarium.sandbox.runner import Runner
from maabarium.sandbox.seccomp import NUMBERS

__all__ = ["SANDBOXES", "bubblewrap_sandbox", "landlock_sandbox", "namespaces_sandbox", "subprocess_sandbox"]


def subprocess_sandbox(options: SandboxOptions, cancel: threading.Event) -> Runner:
    """The level `trusted`, on every system, without privileges.

    It keeps an *accident* from harming anything. It does not confine: the process reads and writes what its user may,
    and has the network.
    """
    if options.level not in ("auto", "trusted"):
        raise SandboxError(
            f'[sandbox] level = "{options.level}" cannot be held by the backend "subprocess", which reaches '
            '"trusted"; choose a backend that confines, or write level = "trusted" if you trust what is evaluated'
        )
    caps = Caps(options)
    return Runner("subprocess", "trusted", "subprocess", PlainDoor, caps, cancel, notes=caps.notes(NPROC_UNBOUND))


def namespaces_sandbox(options: SandboxOptions, cancel: threading.Event) -> Runner:
    """`standard` and `strict`: a world of its own, with Landlock where there is one."""
    level = level_of("namespaces", options, "standard", "strict")
    caps = Caps(options, bounded=True, namespaced=True, helpers=2)
    held_by = f"namespaces{', landlock' if syscalls.landlock_abi() else ''}, seccomp"
    door = partial(LaunchDoor, plan=partial(namespaces_plan, caps=caps, strict=level == "strict"))
    runner = ForkingRunner("namespaces", level, held_by, door, caps, cancel, PRIVATE, confined_notes(level, caps))
    runner.strict = level == "strict"
    return runner


def bubblewrap_sandbox(options: SandboxOptions, cancel: threading.Event) -> Runner:
    """`standard` and `strict`: the same world, built by `bwrap`, without Landlock."""
    level = level_of("bubblewrap", options, "standard", "strict")
    if shutil.which(PROGRAM) is None:
        raise SandboxError("bubblewrap is not installed (there is no bwrap in PATH)")
    caps = Caps(options, bounded=True, helpers=4)
    door = partial(BubblewrapDoor, caps=caps, strict=level == "strict")
    return Runner("bubblewrap", level, "bubblewrap, seccomp", door, caps, cancel, PRIVATE, confined_notes(level, caps))


def landlock_sandbox(options: SandboxOptions, cancel: threading.Event) -> Runner:
    """`standard` without namespaces: a Landlock domain and a filter that refuses what it does not guard."""
    level = level_of("landlock", options, "standard")
    abi = syscalls.landlock_abi()
    if abi < SCOPE_ABI:
        raise SandboxError(
            f'the backend "landlock" needs Landlock version {SCOPE_ABI} (Linux 6.12), which also keeps signals '
            f"inside; this kernel has {f'version {abi}' if abi else 'none, or it is forbidden here'}"
        )
    caps = Caps(options, bounded=True, helpers=2)
    door = partial(LaunchDoor, plan=partial(landlock_plan, caps=caps))
    notes = (NOTE, *caps.notes(NPROC_UNBOUND))
    return Runner("landlock", level, "landlock, seccomp", door, caps, cancel, notes=notes)


def level_of(name: str, options: SandboxOptions, *reached: str) -> str:
    """The level that a confining backend is to hold. Raises SandboxError when it does not reach it, or not here."""
    wanted = "standard" if options.level == "auto" else options.level
    if wanted not in reached:
        known = " and ".join(f'"{level}"' for level in reached)
        raise SandboxError(
            f'[sandbox] level = "{wanted}" cannot be held by the backend "{name}", which reaches {known}'
        )
    if sys.platform != "linux" or os.uname().machine not in NUMBERS:
        raise SandboxError(f'the backend "{name}" knows Linux on {" and ".join(NUMBERS)} only')
    return wanted


def confined_notes(level: str, caps: Caps) -> tuple[str, ...]:
    """What does not hold of the caps; at `strict` everything must."""
    notes = caps.notes(ROOT_UNBOUND)
    if ROOT_UNBOUND in notes and level == "strict":
        raise SandboxError(f'[sandbox] level = "strict": {ROOT_UNBOUND}')
    return notes


SANDBOXES: dict[str, SandboxFactory] = {
    "namespaces": namespaces_sandbox,
    "bubblewrap": bubblewrap_sandbox,
    "landlock": landlock_sandbox,
    "subprocess": subprocess_sandbox,
}
"""Our backends by name, as `maabarium_sandboxes` contributes them."""
