"""Minutes keep everything, in an order that does not depend on threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from maabarium.errors import ProviderError
from maabarium.proposers.minutes import LONGEST, Minutes
from maabarium.records import Call


def call(agent: str) -> Call:
    return Call(agent=agent, provider="p", model="m", kind="propose")


def test_turns_come_before_agents() -> None:
    minutes = Minutes()
    minutes.wrote("b", "proposal", "first")
    minutes.turn()
    minutes.wrote("b", "critique", "third")
    minutes.wrote("a", "critique", "second")
    assert [draft.content for draft in minutes.drafts] == ["first", "second", "third"]


def test_threads_lose_nothing_and_change_no_order() -> None:
    minutes = Minutes()
    agents = [f"agent{index:02}" for index in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda agent: minutes.heard([call(agent)] * 3), agents))
    assert [one.agent for one in minutes.calls] == [agent for agent in agents for _ in range(3)]


def test_what_is_too_long_says_how_much_was_left_out() -> None:
    minutes = Minutes()
    minutes.wrote("a", "reply", "x" * (LONGEST + 7))
    assert minutes.drafts[0].content.endswith("[7 more characters]")


def test_an_error_carries_them() -> None:
    minutes = Minutes()
    minutes.heard([call("a")])
    assert minutes.on(ProviderError("no")).calls == (call("a"),)
