"""The budgets of tokens and money: what a call may cost is set aside before it is made, and settled after it.

So several calls at once cannot overshoot together. Knows no provider. Money is US dollars.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from maabarium.blueprint.schema import Budget, Model
from maabarium.errors import BudgetError
from maabarium.models.cancellation import SLICE, CancelToken
from maabarium.models.prices import cost_of
from maabarium.plugins.completion import CompletionRequest, ProviderFacts, Usage

__all__ = ["Reserve", "SpendingLedger", "estimated_prompt", "usage_or_estimate"]

CHARACTERS_PER_TOKEN = 4


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
        while True:
            with self._changed:
                self._refuse_unknown_price(model, reserve)
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

    def _refuse_unknown_price(self, model: Model, reserve: Reserve) -> None:
        if self._budget.money is not None and reserve.money is None and not self._budget.allow_unknown_prices:
            raise BudgetError(
                f'the price of "{model.name}" is not known, so the budget of money cannot be kept; give it as '
                "`price_input` and `price_output` (US dollars for a million tokens)",
                reason="budget",
            )

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
