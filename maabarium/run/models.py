"""The models of a run: who serves them, with which keys, and what is wrong with them before anybody is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from maabarium.blueprint.schema import Blueprint, Model
from maabarium.blueprint.sentences import quote
from maabarium.errors import Problem
from maabarium.models.keys import find_key
from maabarium.models.pool import ModelPool
from maabarium.models.providers import DEFAULT_KEY_ENV, NEEDS_KEY
from maabarium.plugins.manager import PluginManager, contributions
from maabarium.plugins.protocols import DescribesProposer, NeedsModels
from maabarium.secret import Secret
from maabarium.suggestions import suggestion

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
    return ModelPool(
        blueprint.models,
        blueprint.budget,
        contributions(plugins, "providers"),
        folder=folder,
        find_key=find_key,
        tokens=spent[0],
        money=spent[1],
        record=record,
        replay=replay,
    )


def model_problems(
    blueprint: Blueprint,
    folder: Path,
    plugins: PluginManager,
    find: Callable[[Model], Secret | None] | None = find_key,
) -> tuple[Problem, ...]:
    """Providers that do not exist, keys that cannot be found, budgets without prices. `find` None: replayed."""
    if blueprint.models is None or not asks_models(blueprint, plugins):
        return ()
    known = contributions(plugins, "providers")
    problems: list[Problem] = []
    for index, model in enumerate(blueprint.models.models):
        where, provider = f"models.models[{index}]", model.provider.strip().lower()
        if provider not in known:
            said = f"no provider named {quote(model.provider)}{suggestion(provider, tuple(known))}"
            problems.append(Problem(f"{where}.provider", said))
        elif find is not None and (model.api_key_env or provider in NEEDS_KEY) and find(model) is None:
            problems.append(Problem(f"{where}.api_key_env", _missing(model, provider)))
    pool = None if problems or find is None else open_pool(blueprint, folder, plugins)
    return (*problems, *(pool.problems() if pool else ()))


def _missing(model: Model, provider: str) -> str:
    name = model.api_key_env or DEFAULT_KEY_ENV.get(provider, "")
    variable = f"the environment variable {name} is not set" if name else "no environment variable names one"
    return f"{quote(model.name)} needs a key: {variable}, and `maabarium keys set {provider}` was not used"
