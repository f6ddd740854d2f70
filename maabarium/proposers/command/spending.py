"""The budgets of tokens and money, as far as an agent says what it used. Knows calls only.

A call of an agent cannot be priced before it is made, so a budget is looked at before each one: the last may overshoot.
"""

from __future__ import annotations

from collections.abc import Sequence

from maabarium.blueprint.schema import Budget
from maabarium.errors import BudgetError
from maabarium.records import Attempt, Call

__all__ = ["COST", "TOKENS", "AgentBudget"]

TOKENS, COST = "agent_tokens", "agent_cost"
"""Keys of `Proposal.data` under which a resumed run finds what was spent."""


class AgentBudget:
    """What one run's agent has used."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._tokens, self._money = 0, 0.0
        self._unpriced = False
        self._begun = False

    def check(self, history: Sequence[Attempt]) -> None:
        """Raise BudgetError when a budget is used up, or cannot be kept because the agent does not name its price.

        The first call takes over what the history of a resumed run says.
        """
        if not self._begun:
            self._begun = True
            for attempt in history:
                self._tokens += int(attempt.data.get(TOKENS) or 0)
                self._money += float(attempt.data.get(COST) or 0.0)
        budget = self._budget
        if budget.tokens is not None and self._tokens >= budget.tokens:
            raise BudgetError(f"{self._tokens:,} of {budget.tokens:,} tokens are used; raise `budget.tokens`")
        if budget.money is not None and self._money >= budget.money:
            raise BudgetError(f"${self._money:.4f} of ${budget.money:g} are spent; raise `budget.money`")
        if budget.money is not None and self._unpriced and not budget.allow_unknown_prices:
            raise BudgetError(
                "the agent does not say what it costs, so the budget of money cannot be kept; remove it, or set "
                "`budget.allow_unknown_prices`"
            )

    def count(self, call: Call) -> None:
        """Count what a call used."""
        self._tokens += (call.prompt_tokens or 0) + (call.completion_tokens or 0)
        self._money += call.cost or 0.0
        self._unpriced = self._unpriced or call.cost is None
