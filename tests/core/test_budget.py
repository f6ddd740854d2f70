"""Budgets: each limit ends a run with its sentence, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from maabarium.blueprint.schema import Budget
from maabarium.engine.checks import spent_budget
from maabarium.records import Outcome, Verdict


def outcomes(*verdicts: Verdict) -> list[Outcome]:
    """Newest first."""
    return [Outcome(number=9 - n, verdict=v, reason_code="worse", reason="") for n, v in enumerate(verdicts)]


def spent(latest: list[Outcome], *, evaluations: int = 0, seconds: float = 0.0, **limits: Any) -> str | None:
    return spent_budget(Budget.model_validate(limits), latest, evaluations, seconds)


def test_nothing_is_spent_at_the_start() -> None:
    assert spent([], patience=1, evaluations=0, wall_seconds=1, consecutive_failures=1) is None


@pytest.mark.parametrize(
    ("verdicts", "limit", "ends"),
    [
        (["invalid", "error"], 2, True),
        (["invalid", "error"], 3, False),
        (["invalid", "rejected", "error"], 2, False),
        (["rejected", "invalid", "invalid"], 2, False),
        (["tampered"], 1, False),
        (["invalid"] * 50, None, False),
    ],
)
def test_failures_count_only_in_a_row(verdicts: list[Verdict], limit: int | None, ends: bool) -> None:
    assert (spent(outcomes(*verdicts), consecutive_failures=limit) is not None) == ends


def test_ten_failures_in_a_row_are_the_default_limit() -> None:
    assert spent(outcomes(*["error"] * 9)) is None
    assert (
        spent(outcomes(*["error"] * 10))
        == "10 experiments in a row were invalid or broke (budget.consecutive_failures)"
    )


@pytest.mark.parametrize(("limit", "ends"), [(2, True), (3, False), (None, False)])
def test_patience_counts_from_the_last_promotion(limit: int | None, ends: bool) -> None:
    said = spent(outcomes("rejected", "rejected", "promoted", "rejected"), patience=limit)
    assert (said == "2 experiments in a row without a promotion (budget.patience)") == ends


def test_evaluations_and_time() -> None:
    assert spent_budget(Budget(evaluations=5), [], 4, 0.0) is None
    assert spent_budget(Budget(evaluations=5), [], 5, 0.0) == "5 evaluations were made (budget.evaluations)"
    assert spent([], seconds=9.9, wall_seconds=10) is None
    assert spent([], seconds=10.0, wall_seconds=10) == "10 s have passed (budget.wall_seconds)"
