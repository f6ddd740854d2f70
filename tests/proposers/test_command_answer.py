"""What agents print: the forms that are documented, and whatever else may come."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proposal_requests import make_attempt

from maabarium.blueprint.schema import Budget
from maabarium.errors import BudgetError
from maabarium.proposers.command.report import (
    COST,
    HEAD,
    TAIL,
    TOKENS,
    AgentBudget,
    AgentReport,
    kept,
    last_line,
    read_report,
)
from maabarium.records import Call
from maabarium.safe_text import one_line

CLAUDE = {
    "type": "result", "subtype": "success", "is_error": False, "total_cost_usd": 0.25, "num_turns": 4,
    "result": "I did it.\n\n**Summary:** cache the \u001b[31mpattern",
    "usage": {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7},
}  # fmt: skip
CODEX = [
    {"type": "thread.started"},
    {"type": "item.completed", "item": {"type": "agent_message", "text": "Summary: fewer copies"}},
    {"type": "turn.completed", "usage": {"input_tokens": 50, "cached_input_tokens": 40, "output_tokens": 6}},
]
FIRST = {"input": 1, "output": 2, "reasoning": 3, "cache": {"read": 4, "write": 5}}
SECOND = {"input": 1, "output": 1, "reasoning": 0, "cache": {"read": 0, "write": 0}}
OPENCODE = [
    {"type": "text", "part": {"text": "Done.\nSummary: a set"}},
    {"type": "step_finish", "part": {"cost": 0.5, "tokens": FIRST}},
    {"type": "step_finish", "part": {"cost": 0.25, "tokens": SECOND}},
]
AIDER = "Applied edit to a.py\nTokens: 2.5k sent, 1k cache hit, 104 received. Cost: $0.01 message, $0.03 session.\n"


def lines(objects: list[dict[str, object]]) -> str:
    return "warming up\n" + "\n".join(json.dumps(each) for each in objects) + "\n"


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        (lines([CLAUDE]), AgentReport("cache the pattern", 115, 7, 100, 0.25)),
        (json.dumps([{"type": "system"}, CLAUDE]), AgentReport("cache the pattern", 115, 7, 100, 0.25)),
        (json.dumps(CLAUDE, indent=2), AgentReport("cache the pattern", 115, 7, 100, 0.25)),
        (lines(CODEX), AgentReport("fewer copies", 50, 6, 40, None)),
        (lines(OPENCODE), AgentReport("a set", 11, 6, 4, 0.75)),
        (AIDER, AgentReport("", 2500, 104, None, 0.03)),
        (
            '{"summary": "own", "usage": {"prompt_tokens": 3, "completion_tokens": 4}, "cost": 1}',
            AgentReport("own", 3, 4, 0, 1.0),
        ),
        ("work\nSummary: first\nmore\n  - summary: last\n", AgentReport("last")),
        ('Summary: in words\n{"cost": 0.5}\n', AgentReport("in words", cost=0.5)),
        ("a summary: of something", AgentReport()),
        ("", AgentReport()),
    ],
)
def test_known_forms(output: str, answer: AgentReport) -> None:
    assert read_report(output) == answer


@pytest.mark.parametrize(
    "output",
    [
        '{"total_cost_usd": NaN}', '{"total_cost_usd": -1}', '{"total_cost_usd": true}', '{"cost": 1e400}',
        '{"usage": [1]}', '{"usage": {"input_tokens": "many"}}',
        "[" * 5000 + "]" * 5000, "{}", "}{", '{"part": {"tokens": 3}}',
        '{"usage": {"input_tokens": ' + "9" * 5000 + "}}",
    ],
)  # fmt: skip
def test_nonsense_counts_for_nothing(output: str) -> None:
    answer = read_report(output)
    assert answer.cost is None and not answer.prompt_tokens


KEYS = st.sampled_from(
    ["usage", "part", "tokens", "cache", "input_tokens", "item", "text", "result", "summary", "cost"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(st.text() | JSON.map(json.dumps))
def test_no_output_can_break_it(output: str) -> None:
    answer = read_report(output)
    assert len(answer.summary) <= 200 and one_line(answer.summary) == answer.summary
    assert answer.cost is None or answer.cost >= 0
    Call(agent="a", provider="p", model="m", kind="propose", prompt_tokens=answer.prompt_tokens, cost=answer.cost)


def test_long_output_keeps_both_ends() -> None:
    text = kept("head\x1b[2J" + "x" * 100_000 + "tail\r\n")
    assert text.startswith("headx") and text.endswith("tail") and len(text) < HEAD + TAIL + 100
    assert last_line("one\ntwo\n\n") == "two" and last_line("") == ""


def call(cost: float | None, tokens: int = 0) -> Call:
    return Call(agent="a", provider="command", model="m", kind="propose", cost=cost, prompt_tokens=tokens)


def test_budgets_are_kept_between_sessions() -> None:
    spending = AgentBudget(Budget(money=1.0, tokens=100))
    spending.check(())
    spending.count(call(0.6, 10))
    spending.check(())
    spending.count(call(0.6, 10))
    with pytest.raises(BudgetError, match=r"\$1\.2000 of \$1 are spent"):
        spending.check(())


def test_a_resumed_run_goes_on_counting() -> None:
    spending = AgentBudget(Budget(tokens=100))
    with pytest.raises(BudgetError, match="120 of 100 tokens"):
        spending.check((make_attempt(1, "rejected", {TOKENS: 120, COST: 0.5}),))


def test_a_budget_of_money_needs_an_agent_that_counts() -> None:
    spending = AgentBudget(Budget(money=1.0))
    spending.count(call(None))
    with pytest.raises(BudgetError, match="does not say what it costs"):
        spending.check(())
    generous = AgentBudget(Budget(money=1.0, allow_unknown_prices=True))
    generous.count(call(None))
    generous.check(())
