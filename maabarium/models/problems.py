"""What is wrong with the models of a blueprint, as far as it can be told without asking any of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from maabarium.blueprint.schema import Budget, Model, Models
from maabarium.blueprint.sentences import quote
from maabarium.errors import BlueprintError, MaabariumError, MissingKeyError, Problem
from maabarium.models.ledger import is_priced
from maabarium.models.waiting import CancelToken
from maabarium.plugins.completion import ProviderContext, ProviderFactory, facts_of
from maabarium.secret import Secret
from maabarium.suggestions import suggestion

__all__ = ["problems_of_models"]


def problems_of_models(
    models: Models,
    budget: Budget,
    factories: Mapping[str, ProviderFactory],
    folder: Path,
    find_key: Callable[[Model], Secret | None],
) -> tuple[Problem, ...]:
    """Providers that do not exist and keys that cannot be found; without any, prices, budgets and options.

    `folder` is the blueprint's. Every provider is made once and closed; making connects to nothing.
    """
    places = [(f"models.models[{index}]", model) for index, model in enumerate(models.models)]
    found = [problem for where, model in places for problem in _unreachable(model, where, factories, find_key)]
    if not found:
        found += [problem for where, model in places for problem in _unusable(model, where, budget, factories, folder)]
    return tuple(found)


def _unreachable(
    model: Model, where: str, factories: Mapping[str, ProviderFactory], find_key: Callable[[Model], Secret | None]
) -> Iterator[Problem]:
    provider = model.provider.strip().lower()
    if provider not in factories:
        said = f"no provider named {quote(model.provider)}{suggestion(provider, factories)}"
        yield Problem(f"{where}.provider", said)
        return
    facts = facts_of(factories[provider])
    if (model.api_key_env or facts.needs_key) and find_key(model) is None:
        name = model.api_key_env or facts.key_env
        variable = f"the environment variable {name} is not set" if name else "no environment variable names one"
        said = f"{quote(model.name)} needs a key: {variable}, and `maabarium keys set {provider}` was not used"
        yield Problem(f"{where}.api_key_env", said)


def _unusable(
    model: Model, where: str, budget: Budget, factories: Mapping[str, ProviderFactory], folder: Path
) -> Iterator[Problem]:
    factory = factories[model.provider.strip().lower()]
    if budget.money is not None and not budget.allow_unknown_prices and not is_priced(model, facts_of(factory)):
        yield Problem(
            f"{where}.price_input",
            f'the price of "{model.name}" ({model.provider}) is not known, so the budget of money cannot be '
            "kept; give price_input and price_output (US dollars for a million tokens), install the list of prices "
            '(`pip install "maabarium[prices]"`), or set budget.allow_unknown_prices',
        )
    if budget.tokens is not None and model.max_tokens >= budget.tokens:
        yield Problem(
            "budget.tokens",
            f'is {budget.tokens}, and one answer of "{model.name}" may take {model.max_tokens}: it would '
            "never be asked; raise it, or lower max_tokens",
        )
    context = ProviderContext(model, folder, Secret("a-key-for-the-check"))
    made = CancelToken(time.monotonic, time.sleep).run(lambda: factory(context))
    error = made.exception()
    if error is None:
        made.result().close()
    elif isinstance(error, BlueprintError):
        yield from error.problems
    elif not isinstance(error, MissingKeyError):
        said = str(error) if isinstance(error, MaabariumError) else f"{type(error).__name__}: {error}"
        yield Problem(f"{where}.provider", said)
