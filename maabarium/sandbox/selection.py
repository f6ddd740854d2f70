"""Which sandbox a run uses: the level of the blueprint, held by a backend that was tried. Never weaker in silence."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.processes import DescribesSandbox, Sandbox, SandboxFactory
from maabarium.safe_text import one_line
from maabarium.sandbox.probe import WORK, observe_quickly

__all__ = ["PLAIN", "REMEDY", "Reach", "available", "describe", "notes_of", "reasons", "select"]

PREFERENCE = ("namespaces", "bubblewrap", "landlock")
"""Backends in the order in which they are tried; those of plug-ins come behind, by name."""
CONFINING = ("standard", "strict")
PLAIN = "subprocess"
REMEDY = (
    "allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns; for a "
    "container its seccomp profile), or install bubblewrap, or use Linux 6.12 or newer for Landlock"
)
"""What helps where nothing confines."""


@dataclass(frozen=True)
class Reach:
    """Whether a backend holds a level on this machine, and if not, why."""

    backend: str
    level: str
    ok: bool
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.level} ({self.backend})"


class Fallback:
    """A sandbox that is taken because no better one is to be had, which its notes say."""

    def __init__(self, sandbox: Sandbox, notes: tuple[str, ...]) -> None:
        self.name, self.level = sandbox.name, sandbox.level
        self.held_by = sandbox.held_by if isinstance(sandbox, DescribesSandbox) else sandbox.name
        self.notes = notes
        self.run = sandbox.run


_known: dict[tuple[str, str], tuple[SandboxFactory, Reach]] = {}
"""By name and level; the factory is kept with what it reached, because another one may bear the same name."""
_lock = threading.Lock()


def available(factories: Mapping[str, SandboxFactory]) -> list[Reach]:
    """Every backend at every level that confines, really tried; each once in the life of this program."""
    return [_reach(name, factories[name], level) for name in _ordered(factories) for level in CONFINING]


def select(options: SandboxOptions, factories: Mapping[str, SandboxFactory], cancel: threading.Event) -> Sandbox:
    """The sandbox for these options. `auto` is the best that confines, else `trusted` with a note that says why.

    Raises SandboxError naming what is missing, and what to do, when the level that is asked for cannot be held.
    """
    if options.level == "trusted":
        return factories[PLAIN](options, cancel)
    level = "standard" if options.level == "auto" else options.level
    tried = []
    for name in _ordered(factories):
        reach = _reach(name, factories[name], level)
        if reach.ok:
            return factories[name](options.model_copy(update={"level": level}), cancel)
        tried.append(reach)
    if options.level == "auto":
        sandbox = factories[PLAIN](options.model_copy(update={"level": "trusted"}), cancel)
        note = f"the level standard is not to be had here, so nothing keeps the tests in: {reasons(tried)}"
        return Fallback(sandbox, (*notes_of(sandbox), note))
    raise SandboxError(
        f'[sandbox] level = "{level}" cannot be held here: {reasons(tried)}; {REMEDY}, or write '
        'level = "trusted" if you trust what is evaluated'
    )


def describe(sandbox: Sandbox) -> str:
    """How a sandbox is shown: its level and how it is held."""
    return f"{sandbox.level} ({sandbox.held_by if isinstance(sandbox, DescribesSandbox) else sandbox.name})"


def notes_of(sandbox: Sandbox) -> tuple[str, ...]:
    """What a sandbox says of itself that the user should know."""
    return tuple(sandbox.notes) if isinstance(sandbox, DescribesSandbox) else ()


def _ordered(factories: Mapping[str, SandboxFactory]) -> list[str]:
    names = [name for name in PREFERENCE if name in factories]
    return names + sorted(name for name in factories if name not in (*PREFERENCE, PLAIN))


def reasons(tried: Iterable[Reach]) -> str:
    """Why none of them was taken."""
    said = [f"{reach.backend}: {one_line(reach.reason, 1000)}" for reach in tried]
    return "; ".join(said) or "there is no backend that confines"


def _reach(name: str, factory: SandboxFactory, level: str) -> Reach:
    with _lock:
        known = _known.get((name, level))
        if known is None or known[0] is not factory:
            known = _known[name, level] = (factory, _tried(name, factory, level))
        return known[1]


def _tried(name: str, factory: SandboxFactory, level: str) -> Reach:
    try:
        sandbox = factory(SandboxOptions.model_validate({"level": level}), threading.Event())
        if sandbox.level != level:
            return Reach(name, level, False, f'it holds the level "{sandbox.level}"')
        seen = observe_quickly(sandbox)
    except (SandboxError, OSError) as error:
        return Reach(name, level, False, str(error))
    through = [one.attempt for one in seen if one.succeeded]
    if attacks := [attempt for attempt in through if attempt != WORK]:
        return Reach(name, level, False, f"a program inside could: {', '.join(attacks)}")
    if WORK not in through:
        return Reach(name, level, False, "a program inside could not write to its own folders")
    return Reach(name, level, True)
