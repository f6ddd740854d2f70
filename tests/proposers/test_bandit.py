"""The bandit: pays attention to what paid, forgets with the champion, and repeats itself for a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from proposal_requests import make_attempt

from maabarium.proposers.mutate.bandit import Bandit, function_of
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.records import Attempt


def change(operator: str, name: str = "f", path: str = "a.py", weight: float = 0.3) -> Mutation:
    return Mutation(path, operator, f"{path}::{name}::0", f"{operator} in {name}", b"", weight)


def attempt(number: int, verdict: str, of: Mutation, **fields: Any) -> Attempt:
    origin = {"agent": "mutate", "arm": "rewrites", "operator": of.operator, "site": of.site}
    made = make_attempt(number, verdict, origin=origin, summary=of.summary, **fields)
    return made.model_copy(update={"paths": (of.path,)})


def firsts(changes: Sequence[Mutation], history: Sequence[Attempt], draws: int = 200) -> Counter[str]:
    """How often each operator at each place comes first."""
    return Counter(next(Bandit.of(history, seed).ranked(changes)).summary for seed in range(draws))


def test_every_change_is_ranked_once_and_the_same_way_for_a_seed() -> None:
    changes = [change(operator, name) for operator in "abc" for name in "fgh"]
    once = list(Bandit.of((), 7).ranked(changes))
    assert once == list(Bandit.of((), 7).ranked(changes))
    assert sorted(once, key=lambda each: each.key) == sorted(changes, key=lambda each: each.key)
    assert any(list(Bandit.of((), seed).ranked(changes)) != once for seed in range(20))


def test_without_history_the_heavier_change_mostly_comes_first_but_not_always() -> None:
    count = firsts([change("a", weight=0.2), change("b", weight=0.5)], ())
    assert count["a in f"] < count["b in f"]
    assert count["a in f"] > 0


def test_what_the_arms_know_is_not_drowned_by_chance() -> None:
    """Of many changes that hardly ever pay, none comes before one that mostly does."""
    changes = [change("likely", weight=0.7), *(change(f"rare {n}", weight=0.15) for n in range(20))]
    assert firsts(changes, ())["likely in f"] > 180


def test_an_operator_that_paid_is_preferred_at_other_places() -> None:
    history = [
        attempt(1, "promoted", change("good", "x")),
        *(attempt(n, "rejected", change("bad", "x")) for n in (2, 3, 4)),
    ]
    count = firsts([change("good", "y", "b.py"), change("bad", "y", "b.py")], history)
    assert count["good in y"] > 150


def test_a_function_that_paid_is_preferred() -> None:
    history = [
        attempt(1, "promoted", change("a", "hot")),
        *(attempt(n, "rejected", change("a", "cold")) for n in (2, 3)),
    ]
    count = firsts([change("b", "hot"), change("b", "cold")], history)
    assert count["b in hot"] > 120


def test_an_invalid_proposal_costs_more_than_a_rejected_one() -> None:
    history = [
        *(attempt(n, "invalid", change("i", "x")) for n in (1, 2, 3)),
        *(attempt(n, "rejected", change("r", "x")) for n in (4, 5, 6)),
    ]
    count = firsts([change("i", "y", "b.py"), change("r", "y", "b.py")], history)
    assert count["r in y"] > count["i in y"]


def test_old_attempts_fade_when_the_champion_changes() -> None:
    losses = [attempt(n, "rejected", change("a", "x")) for n in range(1, 5)]
    wins = [make_attempt(n, "promoted") for n in range(5, 15)]
    fresh = Bandit.of(losses, 1).tallies[("operator", "a")].losses
    assert fresh == 4
    assert Bandit.of([*losses, *wins], 1).tallies[("operator", "a")].losses < fresh / 5


def test_a_change_that_failed_before_waits_behind_all_others() -> None:
    failed = change("a", weight=0.5)
    changes = [failed, *(change("a", name, weight=0.3) for name in "gh")]
    history = [attempt(1, "rejected", failed)]
    assert all(list(Bandit.of(history, seed).ranked(changes))[-1] is failed for seed in range(50))
    stale = [attempt(1, "rejected", failed, reason_code="stale_conflict")]
    assert firsts(changes, stale)[failed.summary] > 20
    pairs = {"reason_code": "undecided", "effect": 1.2, "pairs": 15}
    nearly = [attempt(1, "rejected", failed, interval=(1.1, 1.3), **pairs)]
    assert firsts(changes, nearly)[failed.summary] > 100
    perhaps = [attempt(1, "rejected", failed, interval=(0.9, 1.3), **pairs)]
    assert firsts(changes, perhaps)[failed.summary] == 0


def test_errors_and_the_attempts_of_others_teach_nothing() -> None:
    strange = make_attempt(1, "rejected", origin={"agent": "council", "operator": "a"})
    broken = attempt(2, "error", change("a"), reason_code="internal")
    bandit = Bandit.of([strange, broken, attempt(3, "cancelled", change("a"))], 1)
    assert bandit.tallies == {}
    assert bandit.failed == frozenset()


def test_a_near_miss_counts_a_little() -> None:
    near = attempt(1, "rejected", change("a"), reason_code="undecided", effect=1.1)
    tally = Bandit.of([near], 1).tallies[("operator", "a")]
    assert 0 < tally.wins < tally.losses


@given(st.lists(st.floats(-1, 2, allow_nan=False), max_size=20), st.integers())
def test_any_weight_can_be_ranked(weights: list[float], seed: int) -> None:
    changes = [change("a", str(n), weight=weight) for n, weight in enumerate(weights)]
    assert len(list(Bandit.of((), seed).ranked(changes))) == len(weights)


def test_the_function_of_a_site_leaves_out_its_ordinal() -> None:
    assert function_of("a.py::C.f::3") == "a.py::C.f"
