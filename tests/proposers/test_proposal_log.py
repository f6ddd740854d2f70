"""A log of a proposal keeps everything, in an order that does not depend on threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from maabarium.errors import ProviderError
from maabarium.proposers.proposal_log import LONGEST, ProposalLog
from maabarium.records import Call


def call(agent: str) -> Call:
    return Call(agent=agent, provider="p", model="m", kind="propose")


def test_turns_come_before_agents() -> None:
    log = ProposalLog()
    log.add_draft("b", "proposal", "first")
    log.next_step()
    log.add_draft("b", "critique", "third")
    log.add_draft("a", "critique", "second")
    assert [draft.content for draft in log.drafts] == ["first", "second", "third"]


def test_threads_lose_nothing_and_change_no_order() -> None:
    log = ProposalLog()
    agents = [f"agent{index:02}" for index in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda agent: log.add_calls([call(agent)] * 3), agents))
    assert [one.agent for one in log.calls] == [agent for agent in agents for _ in range(3)]


def test_what_is_too_long_says_how_much_was_left_out() -> None:
    log = ProposalLog()
    log.add_draft("a", "reply", "x" * (LONGEST + 7))
    assert log.drafts[0].content.endswith("[7 more characters]")


def test_an_error_carries_them() -> None:
    log = ProposalLog()
    log.add_calls([call("a")])
    assert log.attached_to(ProviderError("no")).calls == (call("a"),)
