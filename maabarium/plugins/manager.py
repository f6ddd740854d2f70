"""The plug-in manager, built by a function and passed in, and the registries read from it."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Mapping
from typing import Any

import pluggy

from maabarium.errors import PluginError
from maabarium.plugins import hookspecs
from maabarium.plugins.protocols import BareSources
from maabarium.suggestions import suggestion

__all__ = [
    "KINDS", "PluginManager", "PluginWarning", "bare_evaluators", "build_plugins", "contributions", "lookup", "notify",
]  # fmt: skip

PluginManager = pluggy.PluginManager


class PluginWarning(UserWarning):
    """A plug-in failed where that must not end a run."""


KINDS = ("providers", "proposers", "evaluators", "executors", "sandboxes", "strategies")
"""The registries that plug-ins contribute to, as hook suffixes."""


def build_plugins(*extra: object, entry_points: bool = True) -> PluginManager:
    """Make a manager with our own plug-ins (through the same entry points as anybody's) and `extra` ones.

    Raises PluginError naming the distribution when one cannot be imported or does not fit a hook.
    """
    manager = PluginManager("maabarium")
    manager.add_hookspecs(hookspecs)
    if entry_points:
        for entry in importlib.metadata.entry_points(group="maabarium"):
            if manager.has_plugin(entry.name):
                continue
            try:
                manager.register(entry.load(), name=entry.name)
            except Exception as error:
                origin = f" of {entry.dist.name}" if entry.dist else ""
                raise PluginError(f"the plug-in {entry.name}{origin} cannot be loaded: {error}") from error
    try:
        for plugin in extra:
            manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"a plug-in does not fit: {error}") from error
    return manager


def contributions(manager: PluginManager, kind: str) -> dict[str, Any]:
    """All factories of one kind by name. Raises PluginError when two plug-ins give the same name."""
    merged: dict[str, Any] = {}
    owners: dict[str, str] = {}
    caller = getattr(manager.hook, f"maabarium_{kind}")
    for implementation in caller.get_hookimpls():
        given: Mapping[str, Any] = implementation.function()
        for name, factory in given.items():
            if name in merged:
                raise PluginError(
                    f"{kind}: {name!r} is contributed twice, by {owners[name]} and {implementation.plugin_name}"
                )
            merged[name] = factory
            owners[name] = implementation.plugin_name
    return dict(sorted(merged.items()))


def bare_evaluators(manager: PluginManager) -> frozenset[str]:
    """Names of the evaluators whose sources blueprints write without them (see `BareSources`)."""
    factories = contributions(manager, "evaluators").items()
    return frozenset(name for name, made in factories if isinstance(made, BareSources) and made.bare_sources)


def lookup(manager: PluginManager, kind: str, name: str) -> Any:
    """The factory of that name. Raises PluginError with a suggestion."""
    known = contributions(manager, kind)
    if name not in known:
        raise PluginError(f'no {kind.rstrip("s")} named "{name}"{suggestion(name, known)}')
    return known[name]


def notify(manager: PluginManager, event: str, request: object) -> None:
    """Call a notify hook, plug-in by plug-in; one that fails is warned about and never ends a run."""
    caller = getattr(manager.hook, f"maabarium_{event}")
    for implementation in caller.get_hookimpls():
        try:
            arguments = (request,) if implementation.argnames else ()
            implementation.function(*arguments)
        except Exception as error:  # noqa: BLE001 - a foreign plug-in must not end a run
            message = f"the plug-in {implementation.plugin_name} failed in maabarium_{event}: {error}"
            warnings.warn(message, PluginWarning, stacklevel=2)
