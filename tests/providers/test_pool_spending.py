"""Prices and budgets: what is unknown stays unknown, and no budget is overshot, however many ask at once."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_doubles import Doubles, broken, make_pool, model, problems, purpose, request

from maabarium.blueprint.schema import Budget, Model
from maabarium.errors import BudgetError, ProviderError
from maabarium.models import ledger
from maabarium.models.ledger import estimated_prompt
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import Completion, CompletionRequest, Message, ProviderFacts, Usage, facts_of

MILLION = Usage(prompt=1_000_000, completion=1_000_000)


# --- prices ---


def facts(member: Model) -> ProviderFacts:
    return facts_of(PROVIDERS.get(member.provider.strip().lower()))


def cost_of(member: Model, usage: Usage) -> float | None:
    return ledger.cost_of(member, facts(member), usage)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("gpt-4o-mini", "openai"), ("claude-sonnet-4-5", "anthropic"), ("gemini-2.5-flash", "gemini"),
        ("deepseek-chat", "deepseek"), ("llama-3.3-70b-versatile", "groq"), ("grok-4", "xai"),
        ("anthropic/claude-sonnet-4.5", "openrouter"),
    ],
)  # fmt: skip
def test_the_catalogue_knows_each_hosted_provider(name: str, provider: str) -> None:
    cost = cost_of(model(name, provider=provider), MILLION)
    assert cost is not None
    assert 0.05 < cost < 500


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a-model-nobody-knows", "provider": "openai"},
        {"name": "gpt-4o-mini", "provider": "custom"},
        {"name": "gpt-4o-mini", "provider": "openai", "endpoint": "http://localhost:8080/v1"},
        {"name": "gpt-4o-mini", "provider": "a-plug-in"},
        {"name": "text-embedding-3-small", "provider": "openai"},
        {"name": "x", "provider": "custom", "price_input": 1.0},
    ],
)
def test_an_unknown_price_is_none(fields: dict[str, Any]) -> None:
    assert cost_of(model(**fields), MILLION) is None
    assert not ledger.is_priced(model(**fields), facts(model(**fields)))


@pytest.mark.parametrize("provider", ["local", "ollama", "mock", "scripted", " Local "])
def test_what_runs_here_is_free(provider: str) -> None:
    assert cost_of(model("gpt-4o", provider=provider), MILLION) == 0.0
    assert cost_of(model(provider=provider), Usage()) == 0.0


def test_the_blueprint_knows_better() -> None:
    assert cost_of(model("gpt-4o", provider="openai", price_input=1.0, price_output=2.0), MILLION) == 3.0
    assert cost_of(model(provider="local", price_output=2.0), MILLION) == 2.0
    own_prompt = cost_of(model("gpt-4o-mini", provider="openai", price_input=100.0), MILLION)
    listed = cost_of(model("gpt-4o-mini", provider="openai"), Usage(prompt=0, completion=1_000_000))
    assert own_prompt is not None
    assert listed is not None
    assert own_prompt == pytest.approx(100.0 + listed)


def test_cached_tokens_are_cheaper_where_the_catalogue_says_so() -> None:
    mini = model("gpt-4o-mini", provider="openai")
    plain, cached = (cost_of(mini, Usage(1_000_000, 0, cached)) for cached in (None, 500_000))
    assert plain is not None
    assert cached is not None
    assert 0 < cached < plain
    assert cost_of(mini, Usage(10, 0, 50)) is not None, "more cached than there are: the server is odd, not we"


def test_without_counts_there_is_no_cost() -> None:
    assert cost_of(model("gpt-4o-mini", provider="openai"), Usage(prompt=5)) is None
    assert cost_of(model(provider="custom", price_input=1.0, price_output=1.0), Usage(completion=5)) is None
    assert cost_of(model(provider="custom", price_input=0.0, price_output=1.0), Usage(completion=5)) == 5e-6


def test_an_endpoint_that_the_catalogue_knows_has_its_prices() -> None:
    there = model("gpt-4o-mini", provider="openai-compat", endpoint="https://api.openai.com/v1")
    assert cost_of(there, MILLION) == cost_of(model("gpt-4o-mini", provider="openai"), MILLION)


def test_without_the_catalogue_only_own_prices_and_free_ones_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    hosted = model("gpt-4o-mini", provider="openai")
    assert cost_of(hosted, MILLION) is None
    assert cost_of(hosted.model_copy(update={"price_input": 1.0, "price_output": 2.0}), MILLION) == 3.0
    assert cost_of(model("gpt-4o", provider="local"), MILLION) == 0.0
    (problem,) = problems(Doubles(), hosted, budget=Budget(money=1.0))
    assert problem.where == "models.models[0].price_input" and 'pip install "maabarium[prices]"' in problem.message


# --- budgets ---


def test_a_prompt_is_a_quarter_of_its_characters() -> None:
    two = CompletionRequest((Message("system", "abc"), Message("user", "de")), 0.0, 10)
    assert estimated_prompt(two) == 2


def test_the_budget_is_checked_before_the_call() -> None:
    doubles = Doubles()
    pool = make_pool(doubles, budget=Budget(tokens=150))
    question = request("x" * 200, max_tokens=100)
    pool.ask(model(), question, purpose(1))
    assert pool.spent == (15, 0.0), "what the provider counted, not what was set aside"
    with pytest.raises(BudgetError, match="may take 150 tokens, and 135 of 150 are left") as raised:
        pool.ask(model(), question, purpose(2))
    assert raised.value.calls == ()
    assert len(doubles.of("one").asked) == 1


def test_a_resumed_run_has_spent_what_it_had_spent() -> None:
    pool = make_pool(Doubles(), budget=Budget(tokens=1000), tokens=990, money=0.5)
    assert pool.spent == (990, 0.5)
    with pytest.raises(BudgetError):
        pool.ask(model(), request(), purpose())


def test_money_is_counted_by_price() -> None:
    dear = model(provider="custom", price_input=10.0, price_output=1000.0)
    pool = make_pool(Doubles(), dear, budget=Budget(money=0.06))
    pool.ask(dear, request(), purpose(1))
    tokens, money = pool.spent
    assert (tokens, money) == (15, pytest.approx(0.0051))
    pool.ask(dear, request(), purpose(2))
    with pytest.raises(BudgetError, match=r"may cost \$0.0500, and \$0.0498 of \$0.06 are left"):
        pool.ask(dear, request(), purpose(3))


def test_money_cannot_be_counted_without_a_price() -> None:
    odd = model(provider="custom")
    with pytest.raises(BudgetError, match="price_input"):
        make_pool(Doubles(), odd, budget=Budget(money=1.0)).ask(odd, request(), purpose())
    allowed = make_pool(Doubles(), odd, budget=Budget(money=1.0, allow_unknown_prices=True))
    assert allowed.ask(odd, request(), purpose()).calls[0].cost is None
    assert allowed.spent == (15, None)


def test_a_provider_that_counts_nothing_is_counted_by_us() -> None:
    pool = make_pool(Doubles({"one": [Completion("four" * 10)]}), budget=Budget(tokens=1000))
    pool.ask(model(), request("x" * 40), purpose())
    assert pool.spent == (20, 0.0)


@pytest.mark.parametrize(("reason", "tokens"), [("http_429", 0), ("connect", 0), ("timeout", 60), ("refused", 60)])
def test_a_failure_counts_if_the_model_may_have_answered(reason: str, tokens: int) -> None:
    pool = make_pool(Doubles({"one": [broken(reason)]}), budget=Budget(tokens=1000))
    with pytest.raises(ProviderError):
        pool.ask(model(), request("x" * 40), purpose())
    assert pool.spent == (tokens, 0.0)


def test_what_a_plug_in_breaks_is_given_back() -> None:
    pool = make_pool(Doubles({"one": [KeyError("x"), KeyError("x")]}), budget=Budget(tokens=70))
    for number in range(2):
        with pytest.raises(ProviderError, match="KeyError"):
            pool.ask(model(), request(), purpose(number))
    assert pool.ask(model(), request(), purpose(3)).completion.content == "ok"


@settings(max_examples=15, deadline=None)
@given(
    budget=st.integers(60, 600),
    used=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=12),
)
def test_calls_at_once_cannot_overshoot_together(budget: int, used: list[tuple[int, int]]) -> None:
    """Whatever the models use of what they may, the sum stays in the budget, and what fits is not refused."""
    script: list[Any] = [Completion("x", Usage(prompt, completion)) for prompt, completion in used]
    pool = make_pool(Doubles({"one": script}), budget=Budget(tokens=budget), sleep=time.sleep)
    refused = []

    def ask(number: int) -> None:
        try:
            pool.ask(model(), request("x" * 12, max_tokens=50), purpose(number))
        except BudgetError:
            refused.append(pool.spent[0])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(ask, range(len(used))))
    assert pool.spent[0] <= budget
    assert all(spent + 53 > budget for spent in refused), "only what would not have fitted was refused"


def test_a_call_waits_for_what_those_under_way_leave() -> None:
    going = threading.Event()

    def slow(question: CompletionRequest) -> Completion:
        going.wait(5)
        return Completion("x", Usage(1, 1))

    doubles = Doubles({"one": [slow, slow]})
    pool = make_pool(doubles, budget=Budget(tokens=100), sleep=time.sleep)
    with ThreadPoolExecutor(2) as threads:
        asks = [threads.submit(pool.ask, model(), request(max_tokens=90), purpose(number)) for number in range(2)]
        time.sleep(0.2)
        assert len(doubles.of("one").asked) == 1, "the second may not start: together they might take 186"
        going.set()
        assert [ask.result(5).completion.content for ask in asks] == ["x", "x"]
    assert pool.spent == (4, 0.0)
