"""The mutate proposer as a whole: a function of files, history and seed that ends when nothing is left."""

from __future__ import annotations

from typing import Any

import pytest
from proposal_requests import Files, make_attempt, make_context, make_request
from pydantic import ValidationError

from maabarium.proposers.mutate import Mutate
from maabarium.records import Attempt, Proposal, TestResult

SOURCE = b"""N = 4  # maabarium: tune(1, 8)
MODE = "a"  # maabarium: choice("a", "b")


def known(word):
    return word in ["if", "else", "for", "while"]


def last(values):
    if len(values) > 0:
        return values[len(values) + 1]
    return None


def least(values):
    return sorted(values)[:2]
"""
FAILING = (TestResult(id="test_a.py::test_last", outcome="failed", detail="a.py:11: IndexError"),)


def run(
    proposer: Mutate, rounds: int, *, tests: tuple[TestResult, ...] = (), fresh: bool = False, **more: Any
) -> list[Proposal]:
    """Proposals of a run in which every attempt is rejected; with `fresh`, a new proposer each time."""
    history: list[Attempt] = []
    seen: list[str] = []
    made: list[Proposal] = []
    for number in range(1, rounds + 1):
        request = make_request({"a.py": SOURCE}, number=number, seed=number, history=history, seen=seen, tests=tests)
        proposal = (Mutate(make_context(**more)) if fresh else proposer).propose(request)
        if proposal is None:
            break
        made.append(proposal)
        seen.append(Files({"a.py": SOURCE}).after(proposal.edits).tree)
        outcome = {"origin": proposal.origin.model_dump(), "summary": proposal.summary, "total": 0.5}
        attempt = make_attempt(number, "rejected", proposal.data, **outcome)
        history.append(attempt.model_copy(update={"paths": tuple(edit.path for edit in proposal.edits)}))
    return made


def test_a_resumed_run_asks_for_the_same() -> None:
    assert run(Mutate(make_context()), 12) == run(Mutate(make_context()), 12, fresh=True)


def test_it_never_repeats_a_tree_and_ends() -> None:
    made = run(Mutate(make_context()), 400)
    trees = [Files({"a.py": SOURCE}).after(proposal.edits).tree for proposal in made]
    assert len(set(trees)) == len(trees)
    assert 5 < len(made) < 400
    assert {"parameters", "rewrites", "ruff"} <= {proposal.origin.arm for proposal in made}


def test_a_proposal_says_who_what_and_why() -> None:
    made = run(Mutate(make_context(arms=["parameters"])), 3)
    for proposal in made:
        assert proposal.author == "mutate"
        assert proposal.origin.agent == "mutate"
        assert proposal.origin.site in proposal.data
        assert " -> " in proposal.summary
        assert ": " in proposal.summary
        assert "\n" not in proposal.summary


def test_repairs_come_first_while_tests_fail_and_only_then() -> None:
    red = run(Mutate(make_context()), 5, tests=FAILING)
    assert [proposal.origin.arm for proposal in red] == ["repairs"] * len(red)
    assert red
    green = run(Mutate(make_context()), 30)
    assert "repairs" not in {proposal.origin.arm for proposal in green}


def test_arms_and_operators_can_be_chosen() -> None:
    chosen = run(Mutate(make_context(arms=["rewrites"])), 30)
    assert {proposal.origin.arm for proposal in chosen} == {"rewrites"}
    only = run(Mutate(make_context(operators={"include": ["choice", "tu*"], "exclude": ["tune"]})), 30)
    assert {proposal.origin.operator for proposal in only} == {"choice"}


def test_unmarked_numbers_when_asked() -> None:
    source = b"LIMIT = 100\n"
    assert Mutate(make_context()).propose(make_request({"a.py": source})) is None
    proposal = Mutate(make_context(unmarked=True)).propose(make_request({"a.py": source}))
    assert proposal is not None
    assert proposal.origin.operator == "constant"


@pytest.mark.parametrize(
    "options", [{"arm": ["rewrites"]}, {"arms": ["rewrite"]}, {"arms": []}, {"operators": {"x": 1}}]
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Mutate(make_context(**options))


def test_markers_that_cannot_be_used_are_reported_not_fatal() -> None:
    request = make_request({"a.py": b"X = 1  # maabarium: tune(2)\n"})
    proposer = Mutate(make_context())
    assert proposer.propose(request) is None
    (problem,) = proposer.notes(request.files, request.targets)
    assert problem.where == "a.py:1"


def test_files_that_are_not_python_do_no_harm() -> None:
    files = {"a.py": b"def (:\n", "b.bin": b"\xff\x00", "c.py": b"\xff\xfe\x00", "d.md": b"# maabarium: tune(1, 2)\n"}
    assert Mutate(make_context(unmarked=True)).propose(make_request(files, tests=FAILING)) is None
