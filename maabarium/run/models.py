"""The models of a run: who serves them, with which keys, and what is wrong with them before anybody is asked."""

from __future__ import annotations

from pathlib import Path

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import Problem
from maabarium.models.keys import key_finder
from maabarium.models.pool import ModelPool
from maabarium.models.problems import problems_of_models
from maabarium.plugins.manager import PluginManager, contributions
from maabarium.plugins.protocols import DescribesProposer, NeedsModels

__all__ = ["asks_models", "model_problems", "models_of", "open_pool"]


def asks_models(blueprint: Blueprint, plugins: PluginManager) -> bool:
    """Whether the blueprint's proposer is given models."""
    factory = contributions(plugins, "proposers").get(blueprint.proposer_kind)
    return blueprint.models is not None and (not isinstance(factory, NeedsModels) or factory.needs_models)


def models_of(blueprint: Blueprint, plugins: PluginManager) -> str:
    """What proposes, in a few words for the head of a run: as its factory says, else its models."""
    factory = contributions(plugins, "proposers").get(blueprint.proposer_kind)
    if isinstance(factory, DescribesProposer):
        return factory.describe(blueprint)
    if blueprint.models is None or not asks_models(blueprint, plugins):
        return "no model"
    return blueprint.models.names


def open_pool(
    blueprint: Blueprint,
    folder: Path,
    plugins: PluginManager,
    *,
    spent: tuple[int, float] = (0, 0.0),
    record: Path | None = None,
    replay: Path | None = None,
) -> ModelPool | None:
    """The pool of a blueprint's models, which connects to nothing yet; None when its proposer asks none.

    `spent` are the tokens and US dollars of a run that is resumed.
    """
    if blueprint.models is None or not asks_models(blueprint, plugins):
        return None
    known = contributions(plugins, "providers")
    return ModelPool(
        blueprint.models,
        blueprint.budget,
        known,
        folder=folder,
        find_key=key_finder(known),
        tokens=spent[0],
        money=spent[1],
        record=record,
        replay=replay,
    )


def model_problems(
    blueprint: Blueprint, folder: Path, plugins: PluginManager, *, replayed: bool = False
) -> tuple[Problem, ...]:
    """What is wrong with the blueprint's models; nothing when none is asked, or a recording answers for them."""
    if blueprint.models is None or replayed or not asks_models(blueprint, plugins):
        return ()
    known = contributions(plugins, "providers")
    return problems_of_models(blueprint.models, blueprint.budget, known, folder, key_finder(known))
