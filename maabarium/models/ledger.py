"""Budgets and prices: what a call may cost is set aside before it is made, and settled after it.

So several calls at once cannot overshoot together. A price is the blueprint's own, else that of the catalogue
`genai-prices` (extra `prices`, offline); an unknown one is None and never 0. Money is US dollars.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from maabarium.blueprint.schema import Budget, Model
from maabarium.errors import BudgetError
from maabarium.models.waiting import SLICE, CancelToken
from maabarium.plugins.completion import CompletionRequest, ProviderFacts, Usage

__all__ = ["Reserve", "SpendingLedger", "cost_of", "estimated_prompt", "is_priced", "usage_or_estimate"]

CHARACTERS_PER_TOKEN = 4
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


def estimated_prompt(request: CompletionRequest) -> int:
    """About how many tokens the prompt has."""
    return -(-sum(len(message.content) for message in request.messages) // CHARACTERS_PER_TOKEN)


def usage_or_estimate(usage: Usage, request: CompletionRequest, content: str) -> Usage:
    """The provider's counts, and where it gives none, ours."""
    prompt = estimated_prompt(request) if usage.prompt is None else usage.prompt
    completion = -(-len(content) // CHARACTERS_PER_TOKEN) if usage.completion is None else usage.completion
    return Usage(prompt, completion, usage.cached)


@dataclass(frozen=True)
class Reserve:
    """What one call may take; `money` is None when nobody knows the price."""

    tokens: int
    money: float | None

    @classmethod
    def of(cls, model: Model, facts: ProviderFacts, request: CompletionRequest) -> Reserve:
        """The prompt as estimated, and an answer as long as it may be."""
        usage = Usage(prompt=estimated_prompt(request), completion=request.max_tokens)
        return cls(estimated_prompt(request) + request.max_tokens, cost_of(model, facts, usage))


class SpendingLedger:
    """What was spent and what is set aside, of a run. Safe from several threads."""

    def __init__(self, budget: Budget, tokens: int, money: float, cancellation: CancelToken) -> None:
        """`tokens` and `money` were spent before, by the part of the run that is resumed."""
        self._budget, self._cancellation = budget, cancellation
        self._tokens, self._money = tokens, money
        self._all_priced = True
        self._held_tokens, self._held_money = 0, 0.0
        self._changed = threading.Condition()

    @property
    def spent(self) -> tuple[int, float | None]:
        """Tokens, and US dollars: None once a call was made whose cost nobody knows."""
        with self._changed:
            return self._tokens, self._money if self._all_priced else None

    def set_aside(self, model: Model, reserve: Reserve) -> None:
        """Set a call's share aside. BudgetError if the budgets do not allow it.

        If it is only the calls under way that stand in the way, wait for what they leave.
        """
        if self._budget.money is not None and reserve.money is None and not self._budget.allow_unknown_prices:
            raise BudgetError(
                f'the price of "{model.name}" is not known, so the budget of money cannot be kept; give it as '
                "`price_input` and `price_output` (US dollars for a million tokens)",
                reason="budget",
            )
        while True:
            with self._changed:
                if said := self._refusal(reserve, 0, 0.0):
                    raise BudgetError(said, reason="budget")
                if not self._refusal(reserve, self._held_tokens, self._held_money):
                    self._held_tokens += reserve.tokens
                    self._held_money += reserve.money or 0.0
                    return
                self._changed.wait(SLICE)
            self._cancellation.check()

    def settle(self, reserve: Reserve, spent: Reserve) -> None:
        """Give back what was set aside, and count what was spent."""
        with self._changed:
            self._held_tokens -= reserve.tokens
            self._held_money -= reserve.money or 0.0
            self.count(spent.tokens, spent.money)
            self._changed.notify_all()

    def count(self, tokens: int, money: float | None) -> None:
        """Count what was spent and never set aside."""
        with self._changed:
            self._tokens += tokens
            self._money += money or 0.0
            self._all_priced = self._all_priced and money is not None

    def _refusal(self, reserve: Reserve, held_tokens: int, held_money: float) -> str:
        """Why a call is not allowed, or nothing."""
        limit = self._budget.tokens
        if limit is not None and self._tokens + held_tokens + reserve.tokens > limit:
            return (
                f"the next call may take {reserve.tokens:,} tokens, and {max(limit - self._tokens, 0):,} of "
                f"{limit:,} are left; raise `budget.tokens` or lower `max_tokens`"
            )
        allowed, cost = self._budget.money, reserve.money or 0.0
        if allowed is not None and cost and self._money + held_money + cost > allowed:
            return (
                f"the next call may cost ${cost:.4f}, and ${max(allowed - self._money, 0):.4f} of ${allowed:g} are "
                "left; raise `budget.money` or lower `max_tokens`"
            )
        return ""
