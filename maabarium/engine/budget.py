"""What a run may use: whether it has been used. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from maabarium.blueprint.schema import Budget
from maabarium.records import Outcome

__all__ = ["out_of_time", "since_promotion", "spent_budget"]


def spent_budget(budget: Budget, latest: Sequence[Outcome], evaluations: int, seconds: float) -> str | None:
    """A sentence when a limit is reached, else None. `latest` are the outcomes, newest first, without the baseline."""
    failures = next((n for n, o in enumerate(latest) if o.verdict not in ("invalid", "error")), len(latest))
    since = since_promotion(latest)
    if budget.consecutive_failures and failures >= budget.consecutive_failures:
        return f"{failures} experiments in a row were invalid or broke"
    if budget.patience and since >= budget.patience:
        return f"{since} experiments in a row without a promotion"
    if budget.evaluations and evaluations >= budget.evaluations:
        return f"{evaluations} evaluations were made"
    if out_of_time(budget, seconds):
        return f"{seconds:.0f} s have passed"
    return None


def since_promotion(latest: Sequence[Outcome]) -> int:
    """How many experiments ended since the last one that was kept; `latest` is newest first."""
    return next((n for n, outcome in enumerate(latest) if outcome.verdict == "promoted"), len(latest))


def out_of_time(budget: Budget, seconds: float) -> bool:
    """Whether the wall time is over."""
    return budget.wall_seconds is not None and seconds >= budget.wall_seconds
