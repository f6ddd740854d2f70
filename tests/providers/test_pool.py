"""The pool: turns, retries, fail-over, calls, closing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pool_doubles import KEY, Double, Doubles, FakeClock, broken, busy, make_pool, model, problems, purpose, request

from maabarium.blueprint.schema import Budget
from maabarium.errors import BlueprintError, BudgetError, MissingKeyError, Problem, ProviderError, UsageProblem
from maabarium.plugins.completion import Completion, CompletionRequest, Pool, Provider, ProviderContext, Usage
from maabarium.records import Call


def asked(pool: Any, name: str = "one", **fields: Any) -> Any:
    return pool.ask(pool.choose(name, purpose(**fields)), request(), purpose(**fields))


# --- who is asked ---


def test_it_is_a_pool() -> None:
    pool: Pool = make_pool(Doubles())
    assert pool.choose("one", purpose()).name == "one"


def test_explicit_gives_the_named_model() -> None:
    pool = make_pool(Doubles(), model("one"), model("two"))
    assert [pool.choose(name, purpose()).name for name in ("two", "one", "two")] == ["two", "one", "two"]
    with pytest.raises(UsageProblem, match='no model named "three"; there is: one, two'):
        pool.choose("three", purpose())


def test_round_robin_takes_turns_and_does_not_depend_on_what_was_before() -> None:
    members = [model(name) for name in ("a", "b", "c")]
    pool = make_pool(Doubles(), *members, assignment="round_robin")
    first = [pool.choose("a", purpose(1, agent)).name for agent in ("ada", "bob", "cy", "dee")]
    second = [pool.choose("a", purpose(2, agent)).name for agent in ("ada", "bob", "cy", "dee")]
    assert first == ["b", "c", "a", "b"]
    assert second == ["c", "a", "b", "c"]
    assert pool.choose("a", purpose(2, "bob")).name == "a", "the same purpose has the same model"
    resumed = make_pool(Doubles(), *members, assignment="round_robin")
    assert [resumed.choose("a", purpose(2, agent)).name for agent in ("ada", "bob", "cy", "dee")] == second


def test_nothing_is_made_before_it_is_asked() -> None:
    doubles = Doubles()
    pool = make_pool(doubles, model("one"), model("two"))
    assert doubles.made == []
    asked(pool, "two")
    asked(pool, "two")
    assert [double.context.model.name for double in doubles.made] == ["two"]
    assert doubles.made[0].context.key is not None
    assert doubles.made[0].context.key.reveal() == KEY


def test_names_of_providers_are_trimmed_and_in_lower_case() -> None:
    doubles = Doubles()
    odd = model(provider=" Mock ")
    pool = make_pool(None, odd)
    pool._factories = {"mock": doubles}
    assert asked(pool).completion.content == "ok"


def test_a_stranger_is_not_asked() -> None:
    with pytest.raises(UsageProblem, match="is none of this pool"):
        make_pool(Doubles()).ask(model("stranger"), request(), purpose())


# --- one answer, and what it is called ---


def test_an_answer_comes_with_its_call() -> None:
    answer = asked(make_pool(Doubles(), model(price_input=1.0, price_output=2.0)), kind="critique", round=2)
    assert answer.completion == Completion("ok", Usage(10, 5), model="one-exact")
    (call,) = answer.calls
    assert call == Call(
        agent="ada", provider="double", model="one", kind="critique", round=2, prompt_tokens=10, completion_tokens=5,
        cost=20e-6, latency_ms=0,
    )  # fmt: skip


def test_the_time_of_a_call_is_that_of_the_provider() -> None:
    clock = FakeClock()

    def slow(question: CompletionRequest) -> Completion:
        clock.sleep(1.25)
        return Completion("late")

    answer = asked(make_pool(Doubles({"one": [slow]}), clock=clock))
    assert answer.calls[0].latency_ms == 1250
    assert (answer.calls[0].prompt_tokens, answer.calls[0].completion_tokens) == (None, None)


# --- retries ---


def test_what_may_pass_is_tried_once_more_after_three_quarters_of_a_second() -> None:
    clock = FakeClock()
    doubles = Doubles({"one": [busy("http_5xx"), "fine"]})
    answer = asked(make_pool(doubles, clock=clock))
    assert answer.completion.content == "fine"
    assert clock.slept == pytest.approx(0.75)
    assert [bool(call.error) for call in answer.calls] == [True, False]


def test_there_are_two_attempts_in_all() -> None:
    doubles = Doubles({"one": [busy(), busy(), "never"]})
    with pytest.raises(ProviderError, match="rate limited") as raised:
        asked(make_pool(doubles))
    assert len(doubles.of("one").asked) == 2
    assert len(raised.value.calls) == 2
    assert (raised.value.reason, raised.value.retry) == ("http_429", True)


@pytest.mark.parametrize(("after", "slept"), [(4.0, 4.0), (0.0, 0.0), (3600.0, 30.0), (-5.0, 0.0)])
def test_the_server_says_how_long_to_wait_up_to_thirty_seconds(after: float, slept: float) -> None:
    clock = FakeClock()
    asked(make_pool(Doubles({"one": [busy(after=after), "fine"]}), clock=clock))
    assert clock.slept == pytest.approx(slept)


def test_what_will_not_pass_is_not_tried_again() -> None:
    doubles = Doubles({"one": [broken(), "never"]})
    clock = FakeClock()
    with pytest.raises(ProviderError, match="no such model"):
        asked(make_pool(doubles, clock=clock))
    assert (len(doubles.of("one").asked), clock.slept) == (1, 0.0)


# --- fail-over ---


def test_the_next_member_answers_for_one_that_fails() -> None:
    doubles = Doubles({"two": [broken()]})
    pool = make_pool(doubles, model("one"), model("two"), model("three"))
    answer = pool.ask(pool.choose("two", purpose()), request(), purpose())
    assert answer.completion.model == "one-exact", "the others in the order of the blueprint"
    assert [(call.model, bool(call.error)) for call in answer.calls] == [("two", True), ("one", False)]
    assert pool.notes() == ("one answered 1 time in the place of two, which failed",)


def test_when_all_fail_the_error_names_each_and_carries_all_calls() -> None:
    doubles = Doubles({"one": [broken("refused")], "two": [busy(), busy()]})
    with pytest.raises(ProviderError) as raised:
        asked(make_pool(doubles, model("one"), model("two")))
    assert raised.value.reason == "refused"
    assert "one: HTTP 404" in str(raised.value)
    assert "two: HTTP 429" in str(raised.value)
    assert [call.model for call in raised.value.calls] == ["one", "two", "two"]


def test_a_stand_in_is_asked_for_no_more_than_it_can_hold() -> None:
    doubles = Doubles({"one": [broken()], "two": [broken()]})
    pool = make_pool(doubles, model("one"), model("two", max_tokens=20), model("small", context_tokens=512))
    question = request("x" * 2000)
    with pytest.raises(ProviderError):
        pool.ask(pool.choose("one", purpose()), question, purpose())
    assert doubles.of("two").asked[0].max_tokens == 20
    assert [double.context.model.name for double in doubles.made] == ["one", "two"], "the prompt does not fit small"


def test_a_missing_key_is_no_reason_to_give_up() -> None:
    def factory(context: ProviderContext) -> Provider:
        if context.model.name == "one":
            raise MissingKeyError("one needs a key")
        return Double(context, iter(()))

    answer = asked(make_pool(factory, model("one"), model("two")))
    assert [(call.model, call.error, call.latency_ms) for call in answer.calls] == [
        ("one", "one needs a key", 0),
        ("two", "", 0),
    ]
    with pytest.raises(MissingKeyError):
        asked(make_pool(factory, model("one")))


def test_a_budget_is_the_same_for_all_so_nobody_else_is_asked() -> None:
    doubles = Doubles()
    pool = make_pool(doubles, model("one"), model("two"), budget=Budget(tokens=51))
    with pytest.raises(BudgetError):
        asked(pool)
    assert doubles.made == []


def test_a_provider_that_does_not_exist_is_named() -> None:
    with pytest.raises(ProviderError, match='no provider named "mock"; there is: other'):
        pool = make_pool(None)
        pool._factories = {"other": Doubles()}
        asked(pool)


@pytest.mark.parametrize(
    "error", [KeyError("usage"), BlueprintError("x", [Problem("options", "is odd")]), SystemExit(3)]
)
def test_whatever_a_plug_in_raises_is_a_provider_error(error: BaseException) -> None:
    doubles = Doubles({"one": [error]})
    answer = asked(make_pool(doubles, model("one"), model("two")))
    assert answer.completion.content == "ok"
    assert answer.calls[0].error.startswith("mock: ")


@pytest.mark.parametrize("nothing", ["", " \n", None, Completion("")])
def test_no_answer_is_an_error_whatever_the_plug_in_thinks(nothing: Any) -> None:
    doubles = Doubles({"one": [lambda question: nothing if not isinstance(nothing, str) else Completion(nothing)]})
    with pytest.raises(ProviderError):
        asked(make_pool(doubles))


def test_a_long_error_is_cut_and_made_plain() -> None:
    with pytest.raises(ProviderError) as raised:
        asked(make_pool(Doubles({"one": [ValueError("\x1b[31m" + "x" * 9000)]})))
    assert len(str(raised.value)) < 1300
    assert "\x1b" not in str(raised.value)


# --- no key anywhere ---


def test_no_error_shows_the_key() -> None:
    leaks: list[Any] = [
        busy(), ProviderError(f"401 for {KEY}", reason="http_other"), ValueError(f"bad header {KEY}"),
        MissingKeyError(f"not {KEY}"), Completion(f"your key is {KEY}"),
    ]  # fmt: skip
    pool = make_pool(Doubles({"one": leaks}))
    seen = []
    for _ in range(4):
        try:
            seen.append(repr(asked(pool)))
        except ProviderError as error:
            chain: list[BaseException | None] = [error, error.__cause__]
            seen.append(repr([*chain, *error.calls]))
    assert len(seen) == 4
    assert "********" in seen[-1]
    assert KEY not in "".join(seen)


def test_a_factory_that_shows_the_key_is_redacted() -> None:
    def factory(context: ProviderContext) -> Provider:
        assert context.key is not None
        raise ProviderError(f"cannot use {context.key.reveal()}")

    with pytest.raises(ProviderError) as raised:
        asked(make_pool(factory))
    assert KEY not in str(raised.value) + str(raised.value.calls)


# --- closing ---


def ends_soon(pool: Any, ask: Callable[[], object]) -> ProviderError:
    """The error with which a waiting question ends when another thread closes the pool."""
    errors: list[tuple[float, ProviderError]] = []

    def run() -> None:
        try:
            ask()
        except ProviderError as error:
            errors.append((time.monotonic(), error))

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.15)
    closed = time.monotonic()
    pool.close()
    thread.join(20)
    ((ended, error),) = errors
    assert ended - closed < 5
    return error


def real_time() -> dict[str, Any]:
    return {"sleep": time.sleep}


def test_whoever_waits_for_a_rate_goes_when_the_pool_is_closed() -> None:
    pool = make_pool(Doubles(), model(requests_per_minute=1), **real_time())
    asked(pool)
    assert ends_soon(pool, lambda: asked(pool)).reason == "closed"


def test_whoever_waits_to_try_again_goes() -> None:
    pool = make_pool(Doubles({"one": [busy(after=25.0)]}), **real_time())
    error = ends_soon(pool, lambda: asked(pool))
    assert (error.reason, len(error.calls)) == ("closed", 1)


def test_whoever_is_being_answered_goes() -> None:
    hanging = threading.Event()

    def hang(question: CompletionRequest) -> Completion:
        hanging.wait(20)
        return Completion("too late")

    pool = make_pool(Doubles({"one": [hang]}), model("one"), model("two"), **real_time())
    try:
        error = ends_soon(pool, lambda: asked(pool))
    finally:
        hanging.set()
    assert error.reason == "closed", "and two was not asked in its place"


def test_closing_closes_each_provider_once_and_for_all() -> None:
    doubles = Doubles()
    pool = make_pool(doubles, model("one"), model("two"))
    asked(pool, "one")
    asked(pool, "two")
    pool.close()
    pool.close()
    assert [double.closed for double in doubles.made] == [1, 1]
    with pytest.raises(ProviderError, match="the run is ending"):
        asked(pool)


def test_one_that_fails_to_close_does_not_keep_the_others_open() -> None:
    class Stuck(Double):
        def close(self) -> None:
            super().close()
            raise OSError("stuck")

    made: list[Double] = []

    def factory(context: ProviderContext) -> Provider:
        made.append(Stuck(context, iter(())))
        return made[-1]

    pool = make_pool(factory, model("one"), model("two"))
    asked(pool, "one")
    asked(pool, "two")
    with pytest.raises(OSError, match="stuck"):
        pool.close()
    assert [double.closed for double in made] == [1, 1]


def test_a_provider_made_while_the_pool_is_closed_is_closed() -> None:
    made: list[Double] = []
    making, go_on = threading.Event(), threading.Event()

    def factory(context: ProviderContext) -> Provider:
        making.set()
        go_on.wait(5)
        made.append(Double(context, iter(())))
        return made[-1]

    pool = make_pool(factory)

    def ask() -> None:
        with pytest.raises(ProviderError, match="the run is ending"):
            asked(pool)

    thread = threading.Thread(target=ask)
    thread.start()
    making.wait(5)
    pool.close()
    go_on.set()
    thread.join(20)
    for _ in range(100):
        if made and made[0].closed:
            break
        time.sleep(0.02)
    assert [double.closed for double in made] == [1]


# --- what is wrong before anybody is asked ---


def test_problems_are_found_at_binding() -> None:
    def factory(context: ProviderContext) -> Provider:
        if context.model.name == "odd":
            raise BlueprintError("x", [Problem("models.models[1].options.size", "is odd")])
        if context.model.name == "bad":
            raise UsageProblem("install something")
        return Double(context, iter(()))

    members = (model("dear", provider="custom", max_tokens=100), model("odd"), model("bad"))
    budget = Budget(money=1.0, tokens=100)
    found = {problem.where: problem.message for problem in problems(factory, *members, budget=budget)}
    assert set(found) == {
        "models.models[0].price_input",
        "budget.tokens",
        "models.models[1].options.size",
        "models.models[2].provider",
    }
    assert 'the price of "dear" (custom) is not known' in found["models.models[0].price_input"]
    assert found["models.models[2].provider"] == "install something"


def test_an_unknown_price_is_no_problem_if_that_is_allowed_or_no_money_is_counted() -> None:
    dear = model("dear", provider="custom")
    assert problems(Doubles(), dear, budget=Budget(money=1.0, allow_unknown_prices=True)) == ()
    assert problems(Doubles(), dear) == ()
    priced = model(price_input=1.0, price_output=1.0, provider="custom")
    assert problems(Doubles(), priced, budget=Budget(money=1.0)) == ()


def test_looking_for_problems_leaves_nothing_open(tmp_path: Path) -> None:
    doubles = Doubles()
    assert problems(doubles, folder=tmp_path) == ()
    assert [double.closed for double in doubles.made] == [1]
    assert KEY not in str([double.context.key and double.context.key.reveal() for double in doubles.made])
    assert list(tmp_path.iterdir()) == []
