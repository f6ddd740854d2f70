"""Rewrites together: tried when each alone has been tried, without those that hurt."""

from __future__ import annotations

from proposal_requests import Files, make_attempt, make_context, make_request

from maabarium.proposers.mutate import Mutate
from maabarium.proposers.mutate.combinations import combinations
from maabarium.proposers.mutate.rewrites import Rewrites
from maabarium.records import Attempt, Origin

SOURCE = b"""import re


def known(word):
    return word in ["if", "else", "for", "while"]


def first(values):
    return sorted(values)[0]


def digits(text):
    return re.search("[0-9]+", text)
"""


def attempt_of(number: int, origin: Origin, effect: float, pairs: int = 0) -> Attempt:
    return make_attempt(number, "rejected", {}, origin=origin.model_dump(), summary="x", effect=effect, pairs=pairs)


def test_all_harmless_rewrites_come_first_and_each_result_compiles() -> None:
    singles = list(Rewrites().changes(make_request({"a.py": SOURCE})))
    assert len(singles) >= 3
    joined = list(combinations(Rewrites(), make_request({"a.py": SOURCE})))
    assert len({change.content for change in joined}) == len(joined)
    for change in joined:
        compile(change.content, "a.py", "exec")
    first = joined[0].content
    assert b"sorted(values)[0]" not in first and b'["if", "else"' not in first


def test_what_hurt_alone_is_left_out() -> None:
    singles = list(Rewrites().changes(make_request({"a.py": SOURCE})))
    bad = next(change for change in singles if "min" in change.operator or "sorted" in change.operator)
    origin = Origin(agent="mutate", arm="rewrites", operator=bad.operator, site=bad.site)
    request = make_request({"a.py": SOURCE}, history=[attempt_of(1, origin, 0.95, pairs=8)])
    assert all(b"sorted(values)[0]" in change.content for change in combinations(Rewrites(), request))
    lucky = make_request({"a.py": SOURCE}, history=[attempt_of(1, origin, 0.95)])
    assert any(b"sorted(values)[0]" not in change.content for change in combinations(Rewrites(), lucky))


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
