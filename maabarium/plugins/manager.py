"""The plug-in manager, built by a function and passed in, and the registries read from it."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pluggy
from pydantic import ValidationError

from maabarium.errors import MaabariumError, PluginError
from maabarium.plugins import hookspecs
from maabarium.plugins.protocols import BareSources
from maabarium.suggestions import suggestion

__all__ = [
    "FAILURES", "KINDS", "PluginManager", "PluginWarning", "ask", "ask_lists", "bare_evaluators", "build_plugins",
    "contributions", "contributors", "lookup", "make", "notify",
]  # fmt: skip

PluginManager = pluggy.PluginManager


class PluginWarning(UserWarning):
    """A plug-in failed where that must not end a run."""


KINDS = {
    "providers": "provider",
    "proposers": "proposer",
    "evaluators": "evaluator",
    "executors": "executor",
    "sandboxes": "sandbox",
    "strategies": "strategy",
}
"""The registries that plug-ins contribute to, as hook suffixes, and what one entry of each is called."""

FAILURES = (Exception, SystemExit)
"""What foreign code may raise: a plug-in that calls `sys.exit` has failed, too."""


def build_plugins(*extra: object, entry_points: bool = True) -> PluginManager:
    """Make a manager with our own plug-ins (through the same entry points as anybody's) and `extra` ones.

    Raises PluginError naming the distribution when one cannot be imported or does not fit a hook.
    """
    manager = PluginManager("maabarium")
    manager.add_hookspecs(hookspecs)
    entries = list(importlib.metadata.entry_points(group="maabarium")) if entry_points else []
    times = Counter(entry.name for entry in entries)
    for entry in entries:
        origin = f" of {entry.dist.name}" if entry.dist else ""
        name = entry.name if times[entry.name] == 1 else entry.name + origin
        try:
            manager.register(entry.load(), name=name)
        except FAILURES as error:
            raise PluginError(f"the plug-in {entry.name}{origin} cannot be loaded: {error}") from error
    try:
        for plugin in extra:
            manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"a plug-in does not fit: {error}") from error
    return manager


def ask(manager: PluginManager, hook: str, request: object = None) -> Iterator[tuple[str, Any]]:
    """What plug-ins answer to `maabarium_<hook>` beside None, by name. PluginError: one raises. No wrappers."""
    for implementation in reversed(getattr(manager.hook, f"maabarium_{hook}").get_hookimpls()):
        if implementation.wrapper or implementation.hookwrapper:
            continue
        try:
            answer = implementation.function(*([request] if implementation.argnames else []))
        except FAILURES as error:
            raise _failed(implementation.plugin_name, hook, error) from error
        if answer is not None:
            yield implementation.plugin_name, answer


def ask_lists(manager: PluginManager, hook: str, request: object) -> list[Any]:
    """All that plug-ins answer to a hook that gives a sequence. Raises PluginError, also for anything else."""
    found: list[Any] = []
    for name, answer in ask(manager, hook, request):
        if isinstance(answer, str) or not isinstance(answer, Iterable):
            raise PluginError(f"the plug-in {name} answered maabarium_{hook} with {answer!r:.80}, which is no sequence")
        try:
            found += answer
        except FAILURES as error:  # a generator runs only now
            raise _failed(name, hook, error) from error
    return found


def _failed(plugin: str, hook: str, error: BaseException) -> PluginError:
    return PluginError(f"the plug-in {plugin} failed in maabarium_{hook}: {type(error).__name__}: {error}")


def contributors(manager: PluginManager, kind: str) -> dict[str, tuple[Any, str]]:
    """All factories of one kind by name, each with its plug-in. Raises PluginError when a name is given twice."""
    merged: dict[str, tuple[Any, str]] = {}
    for plugin, given in ask(manager, kind):
        if not isinstance(given, Mapping):
            raise PluginError(f"the plug-in {plugin} answered maabarium_{kind} with {given!r:.80}, which is no mapping")
        for name, factory in given.items():
            if name in merged:
                raise PluginError(f"{kind}: {name!r} is contributed twice, by {merged[name][1]} and {plugin}")
            merged[name] = factory, plugin
    return dict(sorted(merged.items()))


def contributions(manager: PluginManager, kind: str) -> dict[str, Any]:
    """All factories of one kind by name. Raises PluginError when two plug-ins give the same name."""
    return {name: factory for name, (factory, _) in contributors(manager, kind).items()}


def bare_evaluators(manager: PluginManager) -> frozenset[str]:
    """Names of the evaluators whose sources blueprints write without them (see `BareSources`)."""
    factories = contributions(manager, "evaluators").items()
    return frozenset(name for name, made in factories if isinstance(made, BareSources) and made.bare_sources)


def lookup(manager: PluginManager, kind: str, name: str) -> Any:
    """The factory of that name. Raises PluginError with a suggestion."""
    known = contributions(manager, kind)
    if name not in known:
        raise PluginError(f'no {KINDS[kind]} named "{name}"{suggestion(name, known)}')
    return known[name]


def make(manager: PluginManager, kind: str, name: str, *arguments: Any) -> Any:
    """What the factory of that name makes. Raises PluginError when there is none, or it breaks.

    What it says of a blueprint (MaabariumError, pydantic's ValidationError) is passed on.
    """
    factory = lookup(manager, kind, name)
    try:
        return factory(*arguments)
    except (MaabariumError, ValidationError):
        raise
    except FAILURES as error:
        raise PluginError(f'the {KINDS[kind]} "{name}" cannot be made: {type(error).__name__}: {error}') from error


def notify(manager: PluginManager, event: str, request: object) -> None:
    """Call a notify hook, plug-in by plug-in; one that fails is warned about and never ends a run."""
    for implementation in getattr(manager.hook, f"maabarium_{event}").get_hookimpls():
        try:
            implementation.function(*([request] if implementation.argnames else []))
        except FAILURES as error:  # a foreign plug-in must not end a run
            message = f"the plug-in {implementation.plugin_name} failed in maabarium_{event}: {error}"
            warnings.warn(message, PluginWarning, stacklevel=2)
