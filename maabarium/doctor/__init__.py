"""What is looked at before a run is started, by trying it; each check says what it found and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from maabarium.blueprint.loading import load
from maabarium.doctor.confinement import check_sandbox, taken
from maabarium.doctor.environment import check_environment
from maabarium.doctor.findings import FUNNELS, Finding, failed, has_failed, passed
from maabarium.doctor.instrument_checks import check_instrument
from maabarium.doctor.model_checks import check_models
from maabarium.doctor.storage_checks import check_storage, repair_storage
from maabarium.doctor.target_checks import bind_target, check_target
from maabarium.errors import BlueprintError, PluginError
from maabarium.plugins.manager import PluginManager, build_plugins, contributions
from maabarium.run.binding import Binding
from maabarium.sandbox import SANDBOXES
from maabarium.state_paths import state_paths_of

__all__ = ["FUNNELS", "Finding", "demanded_level", "examine", "has_failed", "taken"]


def examine(
    blueprint: Path | None, database: Path | None, *, level: str | None, network: bool, fix: bool
) -> Iterator[Finding]:
    """Findings in the order of `FUNNELS`; those about target and models only with a blueprint. `level`: only that one,
    and it must be held. Nothing is changed without `fix`."""
    state_paths = state_paths_of(blueprint or Path.cwd(), database)
    yield from check_environment(state_paths)
    plugins, finding = _plugins()
    yield finding
    factories = contributions(plugins, "sandboxes") if plugins is not None else SANDBOXES
    demanded = demanded_level(blueprint)
    yield from check_sandbox(factories, level=level, demanded=demanded)
    if plugins is not None:
        yield from check_instrument(plugins, level or demanded)
    binding: Binding | None = None
    if blueprint is not None and plugins is not None:
        binding, findings = bind_target(blueprint, plugins)
        yield from findings
        if binding is not None:
            yield from check_target(binding, blueprint, plugins)
            folder = blueprint.resolve().parent
            yield from check_models(binding.bound.blueprint, folder, plugins, network=network)
    git_dir = binding.target.git_dir if binding is not None else None
    if fix:
        yield from repair_storage(state_paths, git_dir)
    yield from check_storage(state_paths, git_dir)


def _plugins() -> tuple[PluginManager | None, Finding]:
    """The plug-ins; None when they cannot be used together."""
    try:
        plugins = build_plugins()
        kinds = {kind: contributions(plugins, kind) for kind in ("evaluators", "proposers", "providers", "sandboxes")}
    except PluginError as error:
        advice = "uninstall that plug-in, or another version of it"
        return None, failed("environment", "plug-ins", str(error), advice)
    counts = ", ".join(f"{kind}: {len(found)}" for kind, found in kinds.items())
    return plugins, passed("environment", "plug-ins", counts)


def demanded_level(blueprint: Path | None) -> str | None:
    """The level that a blueprint asks for by name; None when it leaves the choice, or cannot be read."""
    if blueprint is None:
        return None
    try:
        level = load(blueprint).blueprint.sandbox.level
    except BlueprintError:
        return None  # said in the findings about the target
    return None if level == "auto" else level
