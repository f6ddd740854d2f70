"""Rewrites together: tried when each alone has been tried, without those that hurt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proposal_requests import Files, make_attempt, make_context, make_request

from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate import Mutate
from maabarium.proposers.mutate.combinations import MAX_FRUITLESS, combinations
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.proposers.mutate.rewrites.arm import Rewrites
from maabarium.records import Attempt, Origin

SOURCE = b"""import re


WORDS = ["if", "else", "for", "while"]


def known(word):
    return word in WORDS


def first(values):
    return sorted(values)[:2]


def digits(text):
    return re.search("[0-9]+", text)
"""


def attempt_of(number: int, origin: Origin, effect: float | None, pairs: int = 0, **fields: Any) -> Attempt:
    said = {"origin": origin.model_dump(), "summary": "x", "effect": effect, "pairs": pairs, **fields}
    return make_attempt(number, "rejected", {}, **said)


def origin_of(change: Mutation) -> Origin:
    return Origin(agent="mutate", arm="rewrites", operator=change.operator, site=change.site)


def request_with(
    effects: Sequence[float | None], pairs: int = 0, **fields: Any
) -> tuple[ProposalRequest, list[Mutation]]:
    """A request whose history tried the rewrites one by one with these effects, and those rewrites."""
    singles = list(Rewrites().changes(make_request({"a.py": SOURCE})))
    assert len(singles) == len(effects)
    history = [
        attempt_of(number, origin_of(change), effect, pairs=pairs, **fields)
        for number, (change, effect) in enumerate(zip(singles, effects, strict=True), 1)
    ]
    return make_request({"a.py": SOURCE}, history=history), singles


def sites_of(request: ProposalRequest) -> set[str]:
    """All places that any combination takes along."""
    return {site for change in combinations([Rewrites()], request) for site in change.site.split("+")}


def test_all_promising_rewrites_come_first_and_each_result_compiles() -> None:
    request, singles = request_with([1.0, 1.01, 1.02])
    joined = list(combinations([Rewrites()], request))
    assert len({change.content for change in joined}) == len(joined) > 1
    for change in joined:
        compile(change.content, "a.py", "exec")
    assert joined[0].summary.startswith("1-3 at once (") and len(joined[0].site.split("+")) == len(singles)
    assert joined[1].summary.startswith("2 + 3 at once ("), "then those that looked better"
    first = joined[0].content
    assert b"sorted(values)[:2]" not in first and b'= ["if", "else"' not in first


def test_nothing_is_taken_along_that_was_not_tried_or_may_not_be() -> None:
    request, singles = request_with([1.01, 1.01, 1.01])
    fewer = make_request({"a.py": SOURCE}, history=request.history[:1])
    assert not sites_of(fewer)
    excluded = singles[0].operator
    proposer = Mutate(make_context(arms=["rewrites"], operators={"exclude": [excluded]}))
    history = request.history[1:]
    seen = [Files({"a.py": change.content}).tree for change in singles[1:]]
    joined = proposer.propose(make_request({"a.py": SOURCE}, number=9, history=history, seen=seen))
    assert joined is not None and joined.origin.operator == "combination" and excluded not in joined.origin.site


def test_what_looked_worse_is_left_out_and_what_looked_better_is_named() -> None:
    request, (first, _, third) = request_with([1.02, 0.95, 1.001])
    (joined,) = combinations([Rewrites()], request)
    assert joined.site == "+".join(sorted(f"{each.operator}@{each.site}" for each in (first, third)))
    assert joined.summary.startswith("1 + 3 at once (")
    assert first.summary.partition(":")[0] in joined.summary


def test_losers_are_not_combined() -> None:
    assert not sites_of(request_with([0.95, 0.9, 0.97])[0])
    assert not sites_of(request_with([1.1, 0.95, 0.9])[0])
    assert not sites_of(request_with([None, None, None])[0]), "what broke the tests or lost by an exact score"
    assert not sites_of(request_with([0.97, 0.97, 0.97], pairs=12)[0])


def test_how_near_is_near_depends_on_the_noise_that_was_seen() -> None:
    effects = [0.99, 0.99, 1.0]
    noisy, _ = request_with(effects, pairs=8, interval=(0.9, 1.1), reason_code="undecided")
    quiet, _ = request_with(effects, pairs=8, interval=(0.989, 0.991), reason_code="undecided")
    assert len(sites_of(noisy)) == 3 and not sites_of(quiet)


def test_the_last_experiment_of_a_place_counts() -> None:
    request, singles = request_with([1.0, 1.0, 0.5])
    again = attempt_of(4, origin_of(singles[2]), 1.01)
    both = make_request({"a.py": SOURCE}, history=[*request.history, again])
    assert next(iter(combinations([Rewrites()], both))).summary.startswith("1 + 2 + 4 at once (")


def test_after_a_few_fruitless_combinations_on_a_champion_no_more_are_made() -> None:
    request, _ = request_with([1.01, 1.01, 1.01])
    joined = next(iter(combinations([Rewrites()], request)))
    failed = [attempt_of(number, origin_of(joined), 0.99) for number in range(4, 4 + MAX_FRUITLESS)]
    fewer = make_request({"a.py": SOURCE}, history=[*request.history, *failed[1:]])
    assert list(combinations([Rewrites()], fewer))
    history = [*request.history, *failed]
    assert not list(combinations([Rewrites()], make_request({"a.py": SOURCE}, history=history)))
    assert list(combinations([Rewrites()], make_request({"a.py": SOURCE}, history=history, champion=9)))


def test_all_places_of_one_function_go_together() -> None:
    source = b"import re\n\n\ndef f(x):\n    return re.match('a', x), re.match('b', x), re.match('c', x)\n"
    singles = list(Rewrites().changes(make_request({"a.py": source})))
    history = [attempt_of(number, origin_of(change), 1.0) for number, change in enumerate(singles, 1)]
    joined = next(iter(combinations([Rewrites()], make_request({"a.py": source}, history=history))))
    assert joined.content.count(b"re.compile") == 3 and b"re.match" not in joined.content
    assert joined.summary.startswith(f"1-{len(singles)} at once (") and "pattern once (f, 3rd)" in joined.summary


def test_mutate_goes_on_with_combinations() -> None:
    proposer = Mutate(make_context(arms=["rewrites"]))
    history: list[Attempt] = []
    seen: list[str] = []
    operators = []
    for number in range(1, 30):
        proposal = proposer.propose(make_request({"a.py": SOURCE}, number=number, seed=7, history=history, seen=seen))
        if proposal is None:
            break
        operators.append(proposal.origin.operator)
        seen.append(Files({"a.py": SOURCE}).after(proposal.edits).tree)
        history.append(attempt_of(number, proposal.origin, 1.0).model_copy(update={"paths": ("a.py",)}))
    singles = [operator for operator in operators if operator != "combination"]
    assert operators[: len(singles)] == singles, "combinations wait until every single rewrite was tried"
    assert "combination" in operators
