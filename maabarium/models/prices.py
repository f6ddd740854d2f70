"""What a call costs: the blueprint's own prices first, then the catalogue of `genai-prices` (extra `prices`), offline.

An unknown price is None and never 0. Knows no budget. Prices are US dollars.
"""

from __future__ import annotations

from maabarium.blueprint.schema import Model
from maabarium.plugins.completion import ProviderFacts, Usage

__all__ = ["cost_of", "is_priced"]

MILLION = 1_000_000


def is_priced(model: Model, facts: ProviderFacts) -> bool:
    """Whether a call of this model can be given a price."""
    return cost_of(model, facts, Usage(prompt=1, completion=1)) is not None


def cost_of(model: Model, facts: ProviderFacts, usage: Usage) -> float | None:
    """What these tokens cost; None when a price is not known, or the number of tokens that it is for.

    The blueprint's price of a prompt counts for cached tokens, too: more than they cost, never less.
    """
    free = 0.0 if facts.free else None
    prices = [free if own is None else own for own in (model.price_input, model.price_output)]
    counts = (usage.prompt, usage.completion)
    if None in prices and None in counts:
        return None
    listed = _listed(model, facts, usage) if None in prices else (0.0, 0.0)
    if listed is None:
        return None
    cost = 0.0
    for price, count, catalogue in zip(prices, counts, listed, strict=True):
        if price is None:
            cost += catalogue
        elif price > 0:
            if count is None:
                return None
            cost += price * count / MILLION
    return cost


def _listed(model: Model, facts: ProviderFacts, usage: Usage) -> tuple[float, float] | None:
    """The catalogue's price of these counts: prompt, and completion with all that is asked beside them."""
    try:
        import genai_prices  # a quarter of a second, and most runs need no price
    except ImportError:
        return None
    cached = min(usage.cached or 0, usage.prompt or 0) or None
    counts = genai_prices.Usage(input_tokens=usage.prompt, cache_read_tokens=cached, output_tokens=usage.completion)
    try:
        if model.endpoint:
            found = genai_prices.calc_price(counts, model.name, provider_api_url=model.endpoint)
        elif facts.price_list:
            found = genai_prices.calc_price(counts, model.name, provider_id=facts.price_list)
        else:
            return None
    except (LookupError, ValueError):
        return None
    price = found.model_price
    if getattr(price, "input_mtok", None) is None or getattr(price, "output_mtok", None) is None:
        return None  # listed without a price: the library would call that 0
    return float(found.input_price), float(found.total_price - found.input_price)
